/**
 * The inside of a thread of `thread-pool.ts`: takes a task, answers with its output or with the reason why there is none.
 */
import { parentPort, workerData } from "node:worker_threads";
import { isRunnerError, type RunnerReason } from "../runner-error.ts";

export interface ToThread<Input> {
  readonly input: Input;
}

/** What a thread answers. A RunnerError goes across as what it is made of. */
export type FromThread<Output> =
  | { readonly output: Output }
  | {
      readonly error: {
        readonly reason: RunnerReason;
        readonly message: string;
        readonly facts: Readonly<Record<string, string | number | boolean>>;
      };
    };

/** An output, and the buffers that move to the server with it. */
export interface ThreadOutput<Output> {
  readonly output: Output;
  readonly transfer: readonly ArrayBuffer[];
}

/** Serves tasks for as long as the thread lives. An error that is no RunnerError ends the thread, and fails its task. */
export function serveThread<SetUp, Input, Output>(
  prepare: (setUp: SetUp) => (input: Input) => ThreadOutput<Output>,
): void {
  if (parentPort === null) throw new Error("bug: this module runs in a thread");
  const port = parentPort;
  const work = prepare(workerData as SetUp);
  port.on("message", ({ input }: ToThread<Input>) => {
    try {
      const { output, transfer } = work(input);
      port.postMessage({ output } satisfies FromThread<Output>, [...transfer]);
    } catch (error) {
      if (!isRunnerError(error)) throw error;
      const { reason, message, facts } = error;
      port.postMessage({ error: { reason, message, facts } } satisfies FromThread<Output>);
    }
  });
}
