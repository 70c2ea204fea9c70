/**
 * Which answer of a step a request gets: the one for streams or the other one, and whether it is still one of those that
 * fail first. The only memory that the stand-in has of its conversations.
 */
import type { Answer, Step } from "./scenario.ts";

const maxKeys = 10_000;

export class Attempts {
  readonly #failed = new Map<string, number>();

  /** `key` names the session, the prompt and the step. */
  next(step: Step, key: string, streaming: boolean): Answer {
    const failed = this.#failed.get(key) ?? 0;
    if (step.failsFirst !== undefined && failed < step.failsFirst.times) {
      if (failed === 0 && this.#failed.size >= maxKeys) this.#failed.delete(this.#failed.keys().next().value!);
      this.#failed.set(key, failed + 1);
      return step.failsFirst.play;
    }
    this.#failed.delete(key);
    return streaming ? step.play : (step.whenNotStreaming ?? step.play);
  }

  clear(): void {
    this.#failed.clear();
  }
}
