/**
 * AttachTurn: one reader of a turn, from any of its events on.
 *
 * Subscribing and finding out how far the turn has come are one step, without a wait between them, so nothing is lost or
 * doubled where replay ends and what happens now begins. What is no longer in memory comes from the store, and what is in
 * neither is a gap with its range.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AttachTurnResponseSchema } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { type Clock, every } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import type { Store, TurnRecord } from "../../store/store.ts";
import { watchForStall } from "../../turns/stall.ts";
import type { CallScope } from "../call-scope.ts";
import { toLiveTurn, toTurnMessage } from "../out/kept-messages.ts";
import { heartbeat } from "../out/proto-events.ts";
import type { ResponseForm } from "../out/response-form.ts";
import type { ServedTurn } from "../out/turn-encoder.ts";
import { allowedMs, laggingMs, readerBehind, tooManyReaders, watchedForStall } from "../reading.ts";
import { readRecorded, recordedFailure, runningForMs, storedEvents } from "../recorded-turn.ts";
import type { RelayTimes } from "../stream-chat.ts";

type Attached = NonNullable<MessageInitShape<typeof AttachTurnResponseSchema>["message"]>;

/** What a reader of a turn is sent. `R`: a response of a turn, as this reader's listener takes it. */
export type AttachedItem<R> =
  | { readonly kind: "event"; readonly response: R }
  | { readonly kind: "own"; readonly message: Attached };

export interface AttachParts<R> {
  readonly form: ResponseForm<R>;
  readonly afterSequence: number;
  readonly scope: CallScope;
  readonly store: Store;
  readonly clock: Clock;
  readonly times: RelayTimes;
  /** Throws when the caller may not read on: its token is gone, or does not name the turn's profile any more. */
  readonly stillAllowed: () => void;
}

export async function* attachLive<R>(live: ServedTurn, parts: AttachParts<R>): AsyncGenerator<AttachedItem<R>, void> {
  const { form, afterSequence, scope, clock, times, store, stillAllowed } = parts;
  const { turn, log } = live;
  const refusal = tooManyReaders(live);
  if (refusal !== undefined) throw refusal;
  checkCursor(afterSequence, log.lastSequence);
  using cursor = log.follow(afterSequence);
  const replayedTo = log.lastSequence;
  const wake = () => cursor.wake();
  scope.signal.addEventListener("abort", wake, { once: true });
  using _tick = every(clock, Math.min(times.heartbeatMs, 1_000), wake);
  // The cursor stands still while what it misses is read from the store.
  const sent = {
    sequence: afterSequence,
    get unreadCount() {
      return cursor.unreadCount;
    },
  };
  using _stall = watchForStall(laggingMs(sent, clock), { clock, stalledReaderMs: times.stalledReaderMs }, () =>
    scope.endCallWith(readerBehind(sent.sequence, `read nothing for ${times.stalledReaderMs} ms`)),
  );
  try {
    yield { kind: "own", message: { case: "state", value: toLiveTurn(live) } };
    let isReplayed = false;
    let lastSentMs = clock.now();
    let allowedAtMs = lastSentMs;
    for (;;) {
      const bytes = cursor.poll();
      if (bytes !== undefined) {
        sent.sequence = cursor.sequence;
        const response = form.event(bytes, cursor.flags);
        if (response === undefined) continue;
        yield { kind: "event", response };
        lastSentMs = clock.now();
        if (lastSentMs - allowedAtMs < allowedMs) continue;
        allowedAtMs = lastSentMs;
        stillAllowed();
        continue;
      }
      const { missing } = cursor;
      if (missing !== undefined) {
        stillAllowed();
        for await (const item of stored(turn.id, missing, { form, store })) {
          scope.signal.throwIfAborted();
          sent.sequence = item.lastSequence;
          yield item.sends;
        }
        cursor.skipTo(missing.lastSequence);
        continue;
      }
      if (!isReplayed && cursor.sequence >= replayedTo) {
        isReplayed = true;
        yield { kind: "own", message: { case: "replayComplete", value: { lastSequence: cursor.sequence } } };
        continue;
      }
      if (cursor.end !== undefined) {
        const { value: end } = cursor.end;
        if (end.kind === "notStarted") throw end.error;
        // It failed before its first event, so no event says why.
        if (log.lastSequence === 0) throw end.error;
        return;
      }
      scope.signal.throwIfAborted();
      stillAllowed();
      await cursor.changed();
      const nowMs = clock.now();
      if (cursor.unreadCount > 0 || nowMs - lastSentMs < times.heartbeatMs) continue;
      lastSentMs = nowMs;
      const head = { sequence: cursor.sequence, turnId: turn.id, atWallMs: clock.wallNow() };
      yield { kind: "event", response: form.own(head, heartbeat(live.runningMs())) };
    }
  } finally {
    scope.signal.removeEventListener("abort", wake);
  }
}

/** A turn that is known from the store alone. */
export function attachRecorded<R>(record: TurnRecord, parts: AttachParts<R>): AsyncGenerator<AttachedItem<R>, void> {
  const { afterSequence, scope, clock, times } = parts;
  const { stalledReaderMs } = times;
  const sent = { sequence: afterSequence };
  return watchedForStall(recorded(record, parts, sent), { clock, stalledReaderMs }, () =>
    scope.endCallWith(readerBehind(sent.sequence, `read nothing for ${stalledReaderMs} ms`)),
  );
}

/** `sent`: how far the reader is, kept up to date. */
async function* recorded<R>(
  record: TurnRecord,
  parts: AttachParts<R>,
  sent: { sequence: number },
): AsyncGenerator<AttachedItem<R>, void> {
  const { form, afterSequence, scope, clock, times, store, stillAllowed } = parts;
  checkCursor(afterSequence, record.highestSequence);
  yield { kind: "own", message: { case: "state", value: toTurnMessage(record) } };
  let isReplayed = false;
  let lastSentMs = clock.now();
  const replayed = function* (): Iterable<AttachedItem<R>> {
    if (isReplayed) return;
    isReplayed = true;
    yield { kind: "own", message: { case: "replayComplete", value: { lastSequence: sent.sequence } } };
  };
  for await (const item of readRecorded(record, afterSequence, { store, clock, signal: scope.signal })) {
    stillAllowed();
    switch (item.kind) {
      case "event": {
        sent.sequence = item.sequence;
        const response = form.event(item.bytes, item.flags);
        if (response === undefined) break;
        yield { kind: "event", response };
        lastSentMs = clock.now();
        break;
      }
      case "gap": {
        const { firstSequence, lastSequence } = item;
        sent.sequence = lastSequence;
        yield { kind: "own", message: { case: "gap", value: { firstSequence, lastSequence } } };
        break;
      }
      case "wait": {
        yield* replayed();
        if (clock.now() - lastSentMs < times.heartbeatMs) break;
        lastSentMs = clock.now();
        const head = { sequence: sent.sequence, turnId: record.id, atWallMs: clock.wallNow() };
        yield { kind: "event", response: form.own(head, heartbeat(runningForMs(item.record, clock))) };
        break;
      }
      case "end": {
        const { record: now, result, isRead } = item;
        if (result === undefined || isRead) {
          yield* replayed();
          if (now.highestSequence === 0 && now.error !== undefined) throw recordedFailure(now.error);
          break;
        }
        sent.sequence = now.highestSequence;
        const head = { sequence: sent.sequence, turnId: now.id, atWallMs: now.endedAtMs ?? clock.wallNow() };
        yield { kind: "event", response: form.own(head, { case: "result", value: result }) };
        yield* replayed();
        break;
      }
      default:
        return item satisfies never;
    }
  }
}

/** Something for a reader, and the number that it is at then. */
interface StoredItem<R> {
  readonly lastSequence: number;
  readonly sends: AttachedItem<R>;
}

/** What the log has dropped, as far as the store has it, and otherwise that it is gone. */
async function* stored<R>(
  turnId: string,
  missing: { readonly firstSequence: number; readonly lastSequence: number },
  { form, store }: { readonly form: ResponseForm<R>; readonly store: Store },
): AsyncGenerator<StoredItem<R>, void> {
  let next = missing.firstSequence;
  const gapUpTo = function* (lastSequence: number): Iterable<StoredItem<R>> {
    if (next > lastSequence) return;
    const gap = { firstSequence: next, lastSequence };
    yield { lastSequence, sends: { kind: "own", message: { case: "gap", value: gap } } };
  };
  for await (const event of storedEvents(turnId, next - 1, store)) {
    if (event.sequence > missing.lastSequence) break;
    yield* gapUpTo(event.sequence - 1);
    next = event.sequence + 1;
    const response = form.event(event.bytes, event.flags);
    if (response !== undefined) yield { lastSequence: event.sequence, sends: { kind: "event", response } };
  }
  yield* gapUpTo(missing.lastSequence);
}

function checkCursor(afterSequence: number, lastSequence: number): void {
  if (afterSequence <= lastSequence) return;
  const message = `the turn has ${lastSequence} events; there is none after ${afterSequence}`;
  throw new RunnerError("INVALID_CURSOR", message, { facts: { afterSequence, lastSequence } });
}
