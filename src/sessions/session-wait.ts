/**
 * How a turn waits for its session: first for the turns of the session that came to this server before it, then for a turn
 * that another server of this machine runs in it.
 */
import { type Clock, sleep, within } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { SessionRecord, Store } from "../store/store.ts";
import { sessionBusy, sessionNotFound } from "./refusals.ts";
import type { LinePlace } from "./session-lines.ts";
import type { SessionAsk } from "./turn-ask.ts";

export interface SessionWaitParts {
  readonly store: Store;
  readonly clock: Clock;
  /** Ends a turn of this server, if it still runs. */
  readonly stop: (turnId: string, why: RunnerError) => void;
}

export interface SessionWait {
  readonly turnId: string;
  readonly asked: SessionAsk;
  readonly place: LinePlace;
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** The session as it is when the turn has it, and the epoch under which the turn is written from then on. */
export interface TakenSession {
  readonly session: SessionRecord;
  readonly epoch: number;
}

/** How often it is looked whether another server's turn has ended, in milliseconds. */
const otherServerPollMs = 250;

/** Throws SESSION_BUSY, SESSION_NOT_FOUND, or the signal's reason. */
export async function waitForSession(
  { store, clock, stop }: SessionWaitParts,
  { turnId, asked, place, limitMs, signal }: SessionWait,
): Promise<TakenSession> {
  const sinceMs = clock.now();
  const waitedMs = () => Math.round(clock.now() - sinceMs);
  const { holderId } = place;
  if (asked.busyPolicy === "interrupt" && holderId !== undefined) stop(holderId, displaced(turnId));
  const late = () => sessionBusy(asked.id, place.holderId ?? holderId ?? "", waitedMs());
  await within(clock, limitMs, place.first(signal), late);
  for (;;) {
    signal.throwIfAborted();
    const taking = await store.takeSession(turnId);
    if (taking.kind === "taken") return taking;
    if (taking.kind === "sessionNotFound") throw sessionNotFound(asked.id);
    // A turn of another server of this machine: nobody here is told when it ends.
    if (asked.busyPolicy !== "queue" || waitedMs() >= limitMs) {
      throw sessionBusy(asked.id, taking.runningTurnId, waitedMs());
    }
    await sleep(clock, otherServerPollMs, signal);
  }
}

const displaced = (byTurnId: string): RunnerError =>
  new RunnerError("TURN_INTERRUPTED", `the turn ${byTurnId} of its session took its place`, { facts: { byTurnId } });
