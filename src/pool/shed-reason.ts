/**
 * Why the pool refuses a turn: a closed list, for the label of the counter of refused turns. What the caller is told is a
 * `RunnerReason`; several of these come with the same one.
 */
export const shedReasons = [
  /** There is no place in the queue. */
  "queue_full",
  /** There is one, but its wait would be longer than the turn may wait. */
  "wait_too_long",
  /** It has waited as long as a turn may. */
  "queue_timeout",
  /** Its caller's deadline passed while it waited. */
  "deadline",
  /** The server is shutting down. */
  "draining",
  /** Workers do not start. */
  "start_failed",
  /** There is no program to start. */
  "cli_unavailable",
] as const;

export type ShedReason = (typeof shedReasons)[number];
