/**
 * Why a span of Claude Code is in no trace: a closed list, on the counter of what was dropped.
 *
 * - not_sampled: its turn is not traced
 * - not_a_turn: of a line that is no prompt, such as a seeded question; nothing is wrong
 * - no_root: its interaction never came, as when a process is killed in mid-turn
 * - late: it came when its turn had been waited for long enough
 * - mismatch: the count of user lines and the time name different turns
 * - full: too much is held already
 * - unknown_name: a kind of span that is not on the list
 * - invalid: it is no span
 */
export const dropReasons = [
  "not_sampled",
  "not_a_turn",
  "no_root",
  "late",
  "mismatch",
  "full",
  "unknown_name",
  "invalid",
] as const;
export type DropReason = (typeof dropReasons)[number];
