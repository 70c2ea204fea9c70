/**
 * How a process is ended: at once, or in steps from the end of its input over TERM to KILL of its whole group.
 */
import type { Clock } from "../../clock.ts";
import { Timers } from "../../timers.ts";
import type { ChildProcess } from "./child-process.ts";

/** How long a process that is stopped may take after the end of its input, in milliseconds; 30 as a rule. */
const endOfInputMs = 1_000;

export interface ProcessEndingOptions {
  readonly clock: Clock;
  /** How long each step from TERM on may take, in milliseconds. */
  readonly stopTimeoutMs: number;
  /** It is being killed: what it still says was decided without. */
  readonly killed: () => void;
}

export class ProcessEnding {
  readonly #process: ChildProcess;
  readonly #options: ProcessEndingOptions;
  readonly #timers: Timers;
  #killedFor: string | undefined;

  constructor(process: ChildProcess, options: ProcessEndingOptions) {
    this.#process = process;
    this.#options = options;
    this.#timers = new Timers(options.clock);
  }

  /** Why it was killed first, if it was. */
  get killedFor(): string | undefined {
    return this.#killedFor;
  }

  kill(why: string): void {
    this.#killedFor ??= why;
    this.#process.signalGroup("SIGKILL");
    this.#options.killed();
  }

  /** Ends it in steps. Resolves with `gone`, or when it has to be left to the system. */
  async stop(gone: Promise<unknown>): Promise<void> {
    const { clock, stopTimeoutMs } = this.#options;
    this.#process.endInput();
    this.#timers.after(Math.min(endOfInputMs, stopTimeoutMs), () => {
      this.#process.signalGroup("SIGTERM");
      this.#timers.after(stopTimeoutMs, () => this.kill("it did not end when it was asked to"));
    });
    const { promise: waitedEnough, resolve } = Promise.withResolvers<void>();
    // A process that even SIGKILL does not end is left to the system.
    const cancelTimer = clock.after(2 * stopTimeoutMs + 2 * endOfInputMs, resolve);
    await Promise.race([gone, waitedEnough]);
    cancelTimer();
    this.gone();
  }

  /** It is gone: no step is left. */
  gone(): void {
    this.#timers.clear();
  }
}
