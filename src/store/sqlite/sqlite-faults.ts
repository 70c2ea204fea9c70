/**
 * What SQLite's errors mean for the store. All of them have one code in JavaScript; the number of SQLite tells them apart.
 */
import { RunnerError } from "../../runner-error.ts";

/** `missing` is none of SQLite's: it goes on writing to files that are not there any more. */
export type Fault = "full" | "busy" | "readOnly" | "corrupt" | "disk" | "missing";

const faults: Readonly<Record<number, Fault>> = {
  5: "busy",
  6: "busy",
  7: "disk",
  8: "readOnly",
  10: "disk",
  11: "corrupt",
  13: "full",
  14: "disk",
  26: "corrupt",
};

const words: Readonly<Record<Fault, string>> = {
  full: "the disk of the store is full",
  busy: "another program keeps the store locked",
  readOnly: "the store cannot be written",
  corrupt: "the store is damaged; `claude-runner store check` says where",
  disk: "the disk of the store has failed",
  missing: "the files of the store were moved, replaced or deleted while the server had them open",
};

/** What is wrong with the store itself. `undefined`: the error is about something else, such as a rule of a table. */
export function faultOf(error: unknown): Fault | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // The upper bits tell kinds of a fault apart.
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? faults[errcode & 0xff] : undefined;
}

export function faultText(fault: Fault): string {
  return words[fault];
}

export function storeUnavailable(problem: string, cause?: unknown): RunnerError {
  return new RunnerError("STORE_UNAVAILABLE", problem, {
    cause,
    ...(cause instanceof Error && { operatorText: cause.message }),
  });
}
