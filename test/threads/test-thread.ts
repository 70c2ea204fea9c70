/**
 * A thread that does what it is told: for the tests of the pool.
 */
import { RunnerError } from "../../src/runner-error.ts";
import { serveThread } from "../../src/threads/thread.ts";

export type TestTask =
  | { readonly act: "answer"; readonly bytes: Uint8Array }
  | { readonly act: "refuse" | "crash" | "hang" | "exit" | "hoard" };

export interface TestAnswer {
  readonly setUp: string;
  readonly servedCount: number;
  readonly environmentCount: number;
  readonly bytes: Uint8Array;
}

serveThread<string, TestTask, TestAnswer>((setUp) => {
  let servedCount = 0;
  return (task) => {
    servedCount += 1;
    switch (task.act) {
      case "answer": {
        const { bytes } = task;
        const environmentCount = Object.keys(process.env).length;
        return { output: { setUp, servedCount, environmentCount, bytes }, transfer: [bytes.buffer as ArrayBuffer] };
      }
      case "refuse":
        throw new RunnerError("INVALID_REQUEST", "not today", { facts: { days: 1 } });
      case "crash":
        throw new TypeError("a secret of the inside");
      case "exit":
        return process.exit(3);
      case "hoard": {
        const hoard: number[][] = [];
        for (;;) hoard.push(Array.from({ length: 10_000 }, (_, at) => at));
      }
      default:
        for (;;);
    }
  };
});
