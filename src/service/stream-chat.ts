/**
 * The relay of one turn to one caller: next event out of its log, at the caller's detail, on to the listener.
 *
 * What a turn is, and that it ends, is `turns/`; here is only what this caller gets of it. Throws before the first response
 * when the turn never began, and after a `result` when it did and failed.
 */
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import { type Clock, every } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { Store, TurnRecord } from "../store/store.ts";
import type { LiveEnd } from "../turns/live-turn.ts";
import type { LogCursor } from "../turns/log/log-cursor.ts";
import { watchForStall } from "../turns/stall.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallProgress } from "./errors.ts";
import { heartbeat } from "./out/proto-events.ts";
import type { ResponseForm } from "./out/response-form.ts";
import type { Event } from "./out/responses.ts";
import type { ServedTurn } from "./out/turn-encoder.ts";
import { allowedMs, laggingMs, readerBehind, tooManyReaders, watchedForStall } from "./reading.ts";
import { readRecorded, recordedFailure, runningForMs } from "./recorded-turn.ts";

/** What a turn failed with, and how far it had come. No error by itself: a stack would cost every refusal, and tell nothing. */
export class TurnFailure {
  readonly error: unknown;
  readonly progress: CallProgress;
  constructor(error: unknown, progress: CallProgress) {
    this.error = error;
    this.progress = progress;
  }
}

export interface RelayTimes {
  /** After how long a silence a heartbeat is sent, in milliseconds. */
  readonly heartbeatMs: number;
  /** How long a caller may go without reading what is there for it, in milliseconds. */
  readonly stalledReaderMs: number;
}

/**
 * What a call is to its turn.
 *
 * - caller: the turn is there for this call. Not to read holds it up, and to go ends it
 * - starter: the turn was begun for this call, and goes on without it
 * - reader: it reads a turn that another call has begun
 */
export type CallRole = "caller" | "starter" | "reader";

/** The turn that a call is about: in memory, or known from the store alone. */
export type CalledTurn =
  | { readonly kind: "live"; readonly live: ServedTurn; readonly role: CallRole }
  | { readonly kind: "recorded"; readonly record: TurnRecord; readonly store: Store };

/** The end of a turn that is in memory and had its prompt. */
export type LiveTurnEnd = Extract<LiveEnd<TurnResult>, { kind: "ended" }>;

/** A call with its turn. */
export interface TurnCall<R> {
  readonly called: CalledTurn;
  readonly form: ResponseForm<R>;
  readonly scope: CallScope;
  readonly clock: Clock;
  readonly times: RelayTimes;
  /**
   * The turn has ended and all of it was sent; `end` is there if it is in memory. What this returns a turn that ended well
   * fails with all the same.
   */
  readonly ended?: (result: TurnResult, end: LiveTurnEnd | undefined) => RunnerError | undefined;
  /** Throws when the caller may not read on. Asked only of a reader: whoever began a turn has it to its end. */
  readonly stillAllowed: () => void;
  /** The first response is about to be sent: a refusal before that has no headers. */
  readonly beginning: () => void;
  /** Turns what the turn failed with into what the caller gets. */
  readonly failed: (error: unknown) => Error;
  /** Nothing more comes, for whatever reason. */
  readonly over: () => void;
}

/**
 * Opens a turn and relays it: `started` first, `result` last. `open` is called when the first response is asked for; it
 * throws what the caller gets, and then there is nothing to end.
 *
 * One generator from the log to the listener: each further one would cost every event a wait (decision 0006).
 */
export async function* relayTurn<R>(open: () => TurnCall<R> | Promise<TurnCall<R>>): AsyncGenerator<R, void> {
  const opened = open();
  const call = opened instanceof Promise ? await opened : opened;
  const { called, form, scope, clock, times } = call;
  if (called.kind === "recorded") {
    yield* relayRecorded(call, called);
    return;
  }
  const { live, role } = called;
  const full = role === "reader" ? tooManyReaders(live) : undefined;
  if (full !== undefined) {
    const status = call.failed(full);
    call.over();
    throw status;
  }
  let end: LiveEnd<TurnResult> | undefined;
  using cursor = live.log.follow(0, { holds: role === "caller" });
  const failure = (error: unknown) => new TurnFailure(error, progressOf(live, scope, cursor));
  const onAbort = () => {
    if (role === "caller") live.stop(scope.signal.reason as RunnerError);
    else cursor.wake();
  };
  scope.signal.addEventListener("abort", onAbort, { once: true });
  if (scope.signal.aborted) onAbort();
  using _watch = role === "caller" ? watchCaller(live, call, failure) : watchReader(call, cursor, failure);
  try {
    using _tick = every(clock, tickMs(times), () => cursor.wake());
    let lastSentMs = clock.now();
    let allowedAtMs = lastSentMs;
    const checkReader = (nowMs: number) => {
      if (role !== "reader" || nowMs - allowedAtMs < allowedMs) return;
      allowedAtMs = nowMs;
      call.stillAllowed();
    };
    let hasStarted = false;
    for (;;) {
      const bytes = cursor.poll();
      if (bytes !== undefined) {
        const response = form.event(bytes, cursor.flags);
        if (response === undefined) continue;
        if (!hasStarted) call.beginning();
        hasStarted = true;
        yield response;
        lastSentMs = clock.now();
        checkReader(lastSentMs);
        continue;
      }
      const { missing } = cursor;
      if (missing !== undefined) {
        // Only one that repeats the call of a turn begins where nothing is left.
        if (role !== "reader" || cursor.sequence > 0) {
          throw readerBehind(cursor.sequence, "was too slow for what memory holds");
        }
        if (!hasStarted) call.beginning();
        hasStarted = true;
        yield* withoutBeginning(live, missing, form, clock);
        cursor.skipTo(missing.lastSequence);
        continue;
      }
      if (cursor.end !== undefined) {
        end = cursor.end.value;
        if (end.kind === "notStarted") throw end.error;
        const refused = call.ended?.(end.result, end);
        const error = end.error ?? refused;
        if (error !== undefined) throw error;
        return;
      }
      // The turn of a caller that goes ends, and so does this; any other turn goes on without this call.
      if (role !== "caller") scope.signal.throwIfAborted();
      await cursor.changed();
      const nowMs = clock.now();
      checkReader(nowMs);
      if (!hasStarted || cursor.unreadCount > 0 || nowMs - lastSentMs < times.heartbeatMs) continue;
      lastSentMs = nowMs;
      const { sequence } = cursor;
      const head = { sequence, turnId: live.turn.id, atWallMs: clock.wallNow() };
      yield form.own(head, heartbeat(live.runningMs()));
    }
  } catch (error) {
    if (role !== "reader") live.replied(); // before the status, which takes a moment to make
    throw call.failed(failure(error));
  } finally {
    scope.signal.removeEventListener("abort", onAbort);
    if (role === "caller" && end === undefined) live.stop(goneReason(scope));
    if (role !== "reader") live.replied();
    call.over();
  }
}

/** What stands for the first events of a turn that are gone. */
function* withoutBeginning<R>(
  { turn, acceptedAtWallMs }: ServedTurn,
  missing: { readonly firstSequence: number; readonly lastSequence: number },
  form: ResponseForm<R>,
  clock: Clock,
): Iterable<R> {
  const { id: turnId, profile, sessionId = "" } = turn;
  const started = { profile, model: turn.settings.model, sessionId };
  yield form.own({ sequence: 1, turnId, atWallMs: acceptedAtWallMs }, { case: "started", value: started });
  const { lastSequence } = missing;
  if (lastSequence < 2) return;
  const gap = { firstSequence: 2, lastSequence };
  yield form.own({ sequence: lastSequence, turnId, atWallMs: clock.wallNow() }, { case: "gap", value: gap });
}

type RecordedTurn = Extract<CalledTurn, { kind: "recorded" }>;

/** What a repeated request gets of a turn that is not in memory any more: what is stored of it, and its end. */
function relayRecorded<R>(call: TurnCall<R>, called: RecordedTurn): AsyncGenerator<R, void> {
  const { scope, clock, times } = call;
  const { stalledReaderMs } = times;
  const sent = { sequence: 0 };
  return watchedForStall(recorded(call, called, sent), { clock, stalledReaderMs }, () =>
    scope.endCallWith(readerBehind(sent.sequence, `read nothing for ${stalledReaderMs} ms`)),
  );
}

/** `sent`: how far the caller is, kept up to date. */
async function* recorded<R>(
  call: TurnCall<R>,
  { record, store }: RecordedTurn,
  sent: { sequence: number },
): AsyncGenerator<R, void> {
  const { form, scope, clock, times } = call;
  const failure = (error: unknown, now: TurnRecord, result?: TurnResult) =>
    new TurnFailure(error, {
      turnId: now.id,
      promptWritten: now.startedAtMs !== undefined || now.outcome !== undefined,
      contentStreamed: now.highestSequence > 1,
      result,
      deadlinePassed: scope.deadlinePassed,
    });
  let now = record;
  let result: TurnResult | undefined;
  let hasStarted = false;
  let lastSentMs = clock.now();
  const begin = () => {
    if (!hasStarted) call.beginning();
    hasStarted = true;
    lastSentMs = clock.now();
  };
  const event = (sequence: number, of: Event) => {
    begin();
    sent.sequence = sequence;
    const atWallMs = now.endedAtMs ?? clock.wallNow();
    return form.own({ sequence, turnId: now.id, atWallMs }, of);
  };
  /** What stands for the first event, which is not stored. */
  const started = () => {
    const { profile, model, sessionId = "" } = record;
    return event(1, { case: "started", value: { profile, model, sessionId } });
  };
  try {
    if (record.stored === undefined && record.state === "ended" && record.highestSequence > 0) yield started();
    for await (const item of readRecorded(record, sent.sequence, { store, clock, signal: scope.signal })) {
      call.stillAllowed();
      if (item.kind === "event") {
        sent.sequence = item.sequence;
        const response = form.event(item.bytes, item.flags);
        if (response === undefined) continue;
        begin();
        yield response;
      } else if (item.kind === "wait") {
        // It runs in another server.
        const { record: running } = item;
        if (!hasStarted && running.startedAtMs !== undefined && running.stored === undefined) yield started();
        if (!hasStarted || clock.now() - lastSentMs < times.heartbeatMs) continue;
        yield event(sent.sequence, heartbeat(runningForMs(running, clock)));
      } else if (item.kind === "gap") {
        const { lastSequence } = item;
        const firstSequence = Math.max(item.firstSequence, sent.sequence + 1);
        if (firstSequence > lastSequence) continue;
        yield event(lastSequence, { case: "gap", value: { firstSequence, lastSequence } });
      } else if (item.kind === "end") {
        now = item.record;
        result = item.result;
        if (result !== undefined && !item.isRead) yield event(now.highestSequence, { case: "result", value: result });
      }
    }
    const refused = result && call.ended?.(result, undefined);
    if (now.error !== undefined) throw recordedFailure(now.error);
    if (refused !== undefined) throw refused;
  } catch (error) {
    throw call.failed(failure(error, now, result));
  } finally {
    call.over();
  }
}

function progressOf(live: ServedTurn, scope: CallScope, cursor: LogCursor<LiveEnd<TurnResult>>): CallProgress {
  const end = live.log.end?.value;
  return {
    turnId: live.turn.id,
    forOperator: live.turn.forOperator,
    promptWritten: live.hasPrompt,
    contentStreamed: live.hasContent && cursor.sequence > 0,
    result: end?.kind === "ended" ? end.result : undefined,
    lastSequence: cursor.sequence,
    deadlinePassed: scope.deadlinePassed,
  };
}

/** Ends the turn of a caller who does not read, and then the call. */
function watchCaller(
  live: ServedTurn,
  { scope, clock, times }: TurnCall<unknown>,
  failure: (error: unknown) => TurnFailure,
) {
  const { stalledReaderMs } = times;
  return watchForStall(
    () => live.heldUpMs(),
    { clock, stalledReaderMs },
    (error) => {
      scope.end(error);
      void live.over.then(() => scope.endCall(failure(error)));
    },
  );
}

/** Ends the call of a reader who does not take what is there. The turn goes on. */
function watchReader(
  { scope, clock, times }: TurnCall<unknown>,
  cursor: LogCursor<unknown>,
  failure: (error: unknown) => TurnFailure,
) {
  const { stalledReaderMs } = times;
  return watchForStall(laggingMs(cursor, clock), { clock, stalledReaderMs }, () =>
    scope.endCall(failure(readerBehind(cursor.sequence, `read nothing for ${stalledReaderMs} ms`))),
  );
}

/** Why the turn of a caller ends that has gone without a word. */
function goneReason({ signal }: CallScope): RunnerError {
  return signal.aborted ? (signal.reason as RunnerError) : new RunnerError("CANCELLED", "the caller cancelled");
}

/** How often a wait for an event is looked up from: often enough for heartbeats, and for a caller who does not read. */
function tickMs({ heartbeatMs, stalledReaderMs }: RelayTimes): number {
  return Math.max(1, Math.min(heartbeatMs, stalledReaderMs / 4, 1_000));
}
