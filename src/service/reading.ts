/**
 * A reader of a turn that does not hold it up: when it is too slow, and what it is told then.
 */
import type { Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { LogCursor } from "../turns/log/log-cursor.ts";

/** For how long a reader has not moved although there was something to read, in milliseconds. */
export function laggingMs(cursor: LogCursor<unknown>, clock: Clock): () => number {
  let at = cursor.sequence;
  let sinceMs = clock.now();
  return () => {
    if (cursor.sequence !== at || cursor.unreadCount === 0) {
      at = cursor.sequence;
      sinceMs = clock.now();
    }
    return clock.now() - sinceMs;
  };
}

/** The turn goes on without this reader, who may attach again. */
export function readerBehind(lastSequence: number, why: string): RunnerError {
  const message = `this reader ${why}; attach to the turn again after event ${lastSequence}`;
  return new RunnerError("READER_BEHIND", message, { facts: { lastSequence } });
}
