/**
 * A reader of a turn that does not hold it up: when it is too slow or may not read on, and what it is told then.
 */
import type { Clock } from "../clock.ts";
import type { ProfileSettings } from "../config/profile-settings.ts";
import { RunnerError, soonMs } from "../runner-error.ts";
import { turnNotFound } from "../sessions/refusals.ts";
import { watchForStall } from "../turns/stall.ts";
import { type Authenticate, type CallContext, callerOf } from "./calls.ts";
import { seesProfile } from "./in/requests.ts";
import type { ServedTurn } from "./out/turn-encoder.ts";

/** Calls that read one turn at once, the one that began it included. */
const maxReadersPerTurn = 64;

/** Why a call may not read a turn as well; `undefined`: it may. */
export function tooManyReaders({ turn, log }: ServedTurn): RunnerError | undefined {
  if (log.readerCount < maxReadersPerTurn) return undefined;
  const message = `${maxReadersPerTurn} calls read the turn ${turn.id}, and it may have no more`;
  const facts = { turnId: turn.id, limit: maxReadersPerTurn, subject: `turn:${turn.id}` };
  return new RunnerError("QUOTA_EXCEEDED", message, { facts, retryAfterMs: soonMs });
}

export interface ReadingRights {
  readonly authenticate: Authenticate;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
}

/** How often it is asked whether a reader may read on while events come without a pause, in milliseconds. */
export const allowedMs = 1_000;

/**
 * Throws when a caller may not read a turn on: its token is gone, or does not name the turn's profile any more. The call
 * that began a turn is not asked: it was let in with its turn, and has it to the end.
 */
export function stillAllowed(
  call: CallContext,
  turn: { readonly id: string; readonly profile: string },
  { authenticate, profiles }: ReadingRights,
): () => void {
  const { tenant } = callerOf(call);
  return () => {
    const now = authenticate(call.requestHeader.get("authorization") ?? undefined);
    if (now.tenant !== tenant || !seesProfile(now, turn.profile, profiles)) throw turnNotFound(turn.id);
  };
}

/** How far a reader is, and how many events there are beyond. */
export interface Place {
  readonly sequence: number;
  readonly unreadCount: number;
}

/** For how long a reader has not moved although there was something to read, in milliseconds. */
export function laggingMs(place: Place, clock: Clock): () => number {
  let at = place.sequence;
  let sinceMs = clock.now();
  return () => {
    if (place.sequence !== at || place.unreadCount === 0) {
      at = place.sequence;
      sinceMs = clock.now();
    }
    return clock.now() - sinceMs;
  };
}

/**
 * The same items, with an eye on whoever takes them: `onStalled` is called when the one that was given last has not been
 * taken for too long. Each costs a wait more, so it is not for the events of a turn that runs.
 */
export async function* watchedForStall<Item>(
  items: AsyncGenerator<Item, void>,
  times: { readonly clock: Clock; readonly stalledReaderMs: number },
  onStalled: (error: RunnerError) => void,
): AsyncGenerator<Item, void> {
  const { clock } = times;
  let givenAtMs: number | undefined;
  using _watch = watchForStall(() => (givenAtMs === undefined ? 0 : clock.now() - givenAtMs), times, onStalled);
  for await (const item of items) {
    givenAtMs = clock.now();
    yield item;
    givenAtMs = undefined;
  }
}

/** The turn goes on without this reader, who may attach again. */
export function readerBehind(lastSequence: number, why: string): RunnerError {
  const message = `this reader ${why}; attach to the turn again after event ${lastSequence}`;
  return new RunnerError("READER_BEHIND", message, { facts: { lastSequence } });
}
