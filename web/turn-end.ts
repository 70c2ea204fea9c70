/**
 * How a turn ends for its reader, from what its stream ended with. Pure.
 */
import { Outcome } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { failureOf } from "./failure.ts";
import type { Turn, TurnEnd } from "./turn.ts";

/** `error`: what the stream failed with; `undefined`: nothing. `wasCancelled`: the person has cancelled the turn here. */
export function endOfStream(turn: Turn, error: unknown, wasCancelled: boolean): TurnEnd {
  if (error === undefined) return { kind: "result" };
  const outcome = turn.result?.outcome;
  const wasStopped = outcome === undefined || outcome === Outcome.INTERRUPTED || outcome === Outcome.CANCELLED;
  if (wasCancelled && wasStopped) return { kind: "cancelled" };
  return { kind: "failed", failure: failureOf(error, { hasBegun: turn.eventCount > 0 }) };
}
