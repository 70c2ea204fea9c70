/**
 * The relay of one turn to one caller: next event, mapped, on to the listener.
 *
 * What a turn is, and that it ends, is `turns/life.ts`; here is only what this caller gets of it. Throws before the first
 * response when the turn never began, and after a `result` when it did and failed.
 */
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import type { Clock } from "../clock.ts";
import type { WorkerUse } from "../config/profile-settings.ts";
import type { RunnerError } from "../runner-error.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { TurnLife } from "../turns/life.ts";
import { plannedFate } from "../turns/release.ts";
import { watchForStall } from "../turns/stall.ts";
import type { CallScope } from "./call-scope.ts";
import type { CallProgress } from "./errors.ts";
import { heartbeat, toStarted } from "./out/proto-events.ts";
import type { ResponseStream } from "./out/response-stream.ts";
import { toResult } from "./out/result.ts";

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
  /** How long a caller may keep the turn from going on by not reading, in milliseconds. */
  readonly stalledReaderMs: number;
}

/** A call with its turn. */
export interface TurnCall<R> {
  readonly life: TurnLife;
  readonly stream: ResponseStream<R>;
  readonly scope: CallScope;
  readonly clock: Clock;
  readonly times: RelayTimes;
  /** How the turn's profile uses its workers. */
  readonly workerUse: WorkerUse;
  /**
   * The turn has ended, well or not; called before its `result` is sent. What it returns a turn that ended well fails
   * with all the same.
   */
  readonly ended?: (end: TurnEnd, result: TurnResult) => RunnerError | undefined;
  /** Turns what the turn failed with into what the caller gets. */
  readonly failed: (error: unknown) => Error;
  /** Nothing more comes, for whatever reason. */
  readonly over: () => void;
}

/** What stands in `started` when the turn was over before the CLI had said anything. */
const unsaid: Extract<TurnEvent, { kind: "init" }> = {
  kind: "init",
  cliVersion: "",
  model: "",
  upstreamSessionId: "",
  permissionMode: "",
  tools: [],
  mcpServers: [],
  capabilities: [],
  apiKeySource: "",
};

/**
 * Opens a turn, runs it and relays it: `started` first, `result` last. `open` is called when the first response is asked
 * for; it throws what the caller gets, and then there is nothing to end.
 *
 * One generator from the worker's events to the listener: each further one would cost every event a wait (decision 0006).
 */
export async function* relayTurn<R>(open: () => TurnCall<R>): AsyncGenerator<R, void> {
  const call = open();
  const { life, stream, scope, clock, times } = call;
  const { turn } = life;
  let contentStreamed = false;
  let result: TurnResult | undefined;
  const failure = (error: unknown) =>
    new TurnFailure(error, {
      turnId: turn.id,
      forOperator: turn.forOperator,
      promptWritten: life.hasPrompt,
      contentStreamed,
      result,
      lastSequence: stream.lastSequence,
      deadlinePassed: scope.deadlinePassed,
    });
  try {
    const { claim, ended } = await life.begin();
    using reader = life.read(tickMs(times));
    using _stall = watchForStall(
      () => life.blockedMs(),
      { clock, stalledReaderMs: times.stalledReaderMs },
      (error) => {
        scope.end(error);
        void ended.then((end) => scope.endCall(failure(end.error ?? error)));
      },
    );
    const started = (event: Extract<TurnEvent, { kind: "init" }>) =>
      toStarted(event, turn, claim, { nowMs: clock.now(), queueWaitMs: life.queueWaitMs });
    const writtenAtMs = clock.now();
    let lastSentMs = writtenAtMs;
    let hasStarted = false;
    for (;;) {
      let event = reader.poll();
      if (event === undefined) {
        const next = await reader.next();
        if (next.kind === "tick") {
          const nowMs = clock.now();
          if (!hasStarted || nowMs - lastSentMs < times.heartbeatMs) continue;
          lastSentMs = nowMs;
          yield stream.one(heartbeat(nowMs - writtenAtMs));
          continue;
        }
        event = next.event;
      }
      if (event.kind === "ended") {
        const { end, raw } = event;
        const resultAfter = (lastSequence: number) => {
          const { forOperator } = turn;
          const fate = plannedFate(end, turn, call.workerUse);
          result = toResult(end, { times: life.times, lastSequence, forOperator, fate });
          return result;
        };
        // A turn that failed before it had begun for the caller has a status only. A bound of the caller's own can end it
        // before the CLI has said a word: that is OK, so it begins and ends.
        if (!hasStarted && end.error !== undefined) {
          call.ended?.(end, resultAfter(stream.lastSequence));
          throw end.error;
        }
        if (!hasStarted) yield stream.one(started(unsaid));
        const last = stream.last((sequence) => ({ case: "result", value: resultAfter(sequence) }), raw);
        const refused = call.ended?.(end, result!);
        yield* last;
        if (end.error !== undefined || refused !== undefined) throw end.error ?? refused;
        return;
      }
      if (event.kind === "init" && !hasStarted) {
        hasStarted = true;
        if (event.raw === undefined) yield stream.one(started(event));
        else yield* stream.withLine(started(event), event.raw);
      } else {
        if (event.kind === "textDelta" || event.kind === "toolUse") contentStreamed = true;
        for (const response of stream.responses(event)) yield response;
      }
      lastSentMs = clock.now();
    }
  } catch (error) {
    life.replied(); // before the status, which takes a moment to make
    throw call.failed(failure(error));
  } finally {
    life.replied();
    call.over();
  }
}

/** How often a wait for an event is looked up from: often enough for heartbeats, and for a caller who does not read. */
function tickMs({ heartbeatMs, stalledReaderMs }: RelayTimes): number {
  return Math.max(1, Math.min(heartbeatMs, stalledReaderMs / 4, 1_000));
}
