/**
 * Waiting for a message of the process that is no answer to a control request: the result of a seeded question, for
 * instance. Bounded in time.
 */
import type { Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import type { CliMessage } from "./cli-messages.ts";

interface Expectation {
  readonly fits: (message: CliMessage) => boolean;
  readonly resolve: (message: CliMessage) => void;
  readonly reject: (error: unknown) => void;
}

export class Expectations {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Expectation>();

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The next message that fits. Rejects with WORKER_DIED when none comes in time, or in so many times that time. */
  expect(fits: (message: CliMessage) => boolean, times = 1): Promise<CliMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<CliMessage>();
    const timeoutMs = times * this.#timeoutMs;
    const cancelTimer = this.#clock.after(timeoutMs, () =>
      expectation.reject(
        new RunnerError("WORKER_DIED", `the worker did not answer within ${timeoutMs} ms`, { facts: { timeoutMs } }),
      ),
    );
    const settle = (): void => {
      this.#waiting.delete(expectation);
      cancelTimer();
    };
    const expectation: Expectation = {
      fits,
      resolve: (message) => {
        settle();
        resolve(message);
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    };
    this.#waiting.add(expectation);
    return promise;
  }

  receive(message: CliMessage): void {
    if (this.#waiting.size === 0) return;
    for (const expectation of [...this.#waiting]) if (expectation.fits(message)) expectation.resolve(message);
  }

  /** The process is gone: nothing more will come. */
  close(error: Error): void {
    for (const expectation of [...this.#waiting]) expectation.reject(error);
  }
}
