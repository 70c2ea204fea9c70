/**
 * Which turn the spans of a process belong to. Pure.
 *
 * A process has one user line under way at a time, makes a trace of its own for each, and numbers them. The driver counts the
 * lines that the process took; so the number on a trace's root names the turn. When the root was made has to agree with
 * when the turn ran: if it does not, one of the two accounts is wrong, and nobody knows which. Such spans are dropped.
 */
import type { SpannedTurn } from "../span-joiner.ts";
import { sequenceKey } from "./allow-list.ts";
import type { CliSpan } from "./cli-span.ts";
import type { DropReason } from "./drop-reason.ts";

/** What came of one trace so far. */
export interface HeldTrace {
  readonly root: CliSpan | undefined;
  /** All of it, the root included, by span id. */
  readonly spans: ReadonlyMap<string, CliSpan>;
  /** When the first of it came, in milliseconds since 1970. */
  readonly arrivedAtMs: number;
}

/** What is to become of the traces of a process when one of its turns has been waited for. */
export interface Settlement {
  /** The turn's own, by trace id. `undefined`: it did not come. */
  readonly mine: string | undefined;
  /** Those that can no longer be anybody's. The rest is of lines that come later. */
  readonly dropped: ReadonlyMap<string, DropReason>;
}

type Turn = Pick<SpannedTurn, "promptNumber" | "writtenAtMs" | "endedAtMs">;

/** By how much two accounts of the same moment may differ, in milliseconds: each is cut to a whole one. Lines take 5. */
const toleranceMs = 2;

/** `settledNumber` is the number of the turn of the process that was settled last; 0 for none. */
export function settle(traces: ReadonlyMap<string, HeldTrace>, turn: Turn, settledNumber: number): Settlement {
  const mine: string[] = [];
  const dropped = new Map<string, DropReason>();
  for (const [traceId, trace] of traces) {
    const whose = belonging(trace, turn, settledNumber);
    if (whose === "mine") mine.push(traceId);
    else if (whose !== "later") dropped.set(traceId, whose);
  }
  if (mine.length <= 1) return { mine: mine[0], dropped };
  // A line has one trace. Of several that claim to be it, nobody knows which it is.
  for (const traceId of mine) dropped.set(traceId, "mismatch");
  return { mine: undefined, dropped };
}

function belonging(
  { root, arrivedAtMs }: HeldTrace,
  { promptNumber, writtenAtMs, endedAtMs }: Turn,
  settledNumber: number,
): "mine" | "later" | DropReason {
  // The next prompt is not written before this turn's end is known, so what had come by then is no later turn's.
  if (root === undefined) return arrivedAtMs <= endedAtMs ? "no_root" : "later";
  const number = root.attributes[sequenceKey];
  if (typeof number !== "number") return "mismatch";
  const beganEarlier = root.startMs <= writtenAtMs + toleranceMs;
  const beganLater = root.startMs >= endedAtMs - toleranceMs;
  if (number === promptNumber) {
    // The end needs no tolerance: a line begins well before its end is told.
    const isWithin = root.startMs >= writtenAtMs - toleranceMs && root.startMs <= endedAtMs;
    return isWithin ? "mine" : "mismatch";
  }
  // A turn whose prompt was not taken has no number, and divides earlier lines from later ones by time alone.
  const isEarlier = promptNumber === undefined ? beganEarlier : number < promptNumber;
  if (!isEarlier) return beganLater ? "later" : "mismatch";
  if (!beganEarlier) return "mismatch";
  return number <= settledNumber ? "late" : "not_a_turn";
}
