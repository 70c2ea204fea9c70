/**
 * Ends that could not be written: the disk was full, or locked. They are written as soon as it takes them again; until
 * then their sessions stay busy. Should the server die before, they are lost turns, as any open turn is.
 */
import { isRunnerError } from "../../runner-error.ts";
import type { InputOf } from "./operations.ts";
import type { RunOptions, StoreLink } from "./store-link.ts";

interface OwedEnd {
  readonly input: InputOf<"endTurn">;
  readonly options: RunOptions;
}

export class OwedEnds {
  readonly #link: Pick<StoreLink, "run">;
  readonly #owed = new Map<string, OwedEnd>();

  constructor(link: Pick<StoreLink, "run">) {
    this.#link = link;
  }

  get count(): number {
    return this.#owed.size;
  }

  add(input: OwedEnd["input"], options: RunOptions): void {
    this.#owed.set(input.turnId, { input, options });
  }

  /** Writes what can be written. Never fails: what cannot is owed still. */
  async pay(): Promise<void> {
    await Promise.all(
      [...this.#owed].map(async ([turnId, { input, options }]) => {
        try {
          await this.#link.run("endTurn", input, options);
          this.#owed.delete(turnId);
        } catch (error) {
          // Somebody else has ended it meanwhile, or it can never be written.
          if (!isRunnerError(error, "STORE_UNAVAILABLE")) this.#owed.delete(turnId);
        }
      }),
    );
  }
}
