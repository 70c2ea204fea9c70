/**
 * Workers that were started with what is not right any more, such as a key that has been replaced. What that is, only
 * their processes know.
 */
import type { Worker } from "./worker.ts";

/** Whether a worker that nobody uses is to be ended for it. */
export function isIdleOutdated(worker: Worker): boolean {
  const { kind } = worker.state;
  return (kind === "spare" || kind === "boundIdle") && isOutdated(worker);
}

/** The same for a worker whose turn is over. */
export function isOutdated({ process }: Worker): boolean {
  return process.isOutdated?.() ?? false;
}
