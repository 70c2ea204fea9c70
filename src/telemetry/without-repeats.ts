/**
 * A log that says the same warning once in a while, with how often it would have been said meanwhile.
 *
 * For what is tried again and again for one reason, such as starting workers without a key.
 */
import type { Clock } from "../clock.ts";
import type { Log, LogFields } from "./log.ts";

export interface RepeatOptions {
  readonly clock: Clock;
  /** How long the same warning is not repeated, in milliseconds. */
  readonly intervalMs: number;
  /** Values of the field `why` that somebody has just been told. */
  readonly alreadyTold?: readonly string[];
}

/** Different reasons that are remembered; an error that says something new each time must not be kept for ever. */
const maxReasons = 100;

/** Warnings are the same when their field `why` is; those without one are all said. */
export function withoutRepeats(log: Log, { clock, intervalMs, alreadyTold = [] }: RepeatOptions): Log {
  const told = new Map<string, { readonly atMs: number; suppressedCount: number }>();
  const remember = (why: string) => {
    if (told.size >= maxReasons) told.clear();
    told.set(why, { atMs: clock.now(), suppressedCount: 0 });
  };
  for (const why of alreadyTold) remember(why);

  const warn = (fields: LogFields, message: string): void => {
    const { why } = fields;
    if (typeof why !== "string") {
      log.warn(fields, message);
      return;
    }
    const last = told.get(why);
    if (last !== undefined && clock.now() - last.atMs < intervalMs) {
      last.suppressedCount += 1;
      return;
    }
    remember(why);
    log.warn({ ...fields, ...(last !== undefined && { suppressedCount: last.suppressedCount }) }, message);
  };
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn,
    error: (fields, message) => log.error(fields, message),
    child: (fields) => log.child(fields),
  };
}
