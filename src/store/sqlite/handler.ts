/**
 * What an operation of the store is within the thread: a function of its input, on the tables as the batch has them.
 */
import type { StoreLimits } from "../store-limits.ts";
import type { Sql } from "./sql.ts";

export interface Context {
  readonly sql: Sql;
  readonly limits: StoreLimits;
  /** This server, in the table of owners. */
  readonly ownerId: string;
  /** When the operation was asked for: milliseconds since 1970, by the server's clock. */
  readonly nowMs: number;
  /** The bytes that came with the input. */
  readonly pieces: readonly Uint8Array[];
  /** Sends bytes back beside the output. */
  readonly sendBack: (piece: Uint8Array) => void;
}

/** One operation. What it throws undoes what it did, and nothing of the others in its batch. */
export type Handler<Input, Output> = (context: Context, input: Input) => Output;
