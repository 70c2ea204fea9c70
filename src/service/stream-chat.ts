/**
 * The life of one turn, from a checked request to its result: admit, claim, bind, seed, write, relay, release.
 *
 * Knows no transport and no CLI. What the caller gets is an async generator: it throws before its first event when the
 * turn never began, and after a `result` when it did and failed.
 *
 * The worker's side and the caller's side end apart: `release` gives the worker back when the worker is done, whether or
 * not the caller still reads.
 */
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import type { Clock } from "../clock.ts";
import { type ProfileSettings, reusesWorkers } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import type { TurnsInFlight } from "../policy/quota.ts";
import type { Claim, WorkerPool } from "../pool/claim.ts";
import { isRunnerError, RunnerError } from "../runner-error.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { RunningTurn } from "../worker-process.ts";
import { type CallScope, endCauseOf } from "./call-scope.ts";
import type { FailureStage } from "./errors.ts";
import { bindingKey } from "./in/requests.ts";
import { heartbeat, toStarted } from "./out/proto-events.ts";
import { EventStream } from "./out/response-stream.ts";
import type { Response } from "./out/responses.ts";
import { toResult } from "./out/result.ts";
import { QuietReader } from "./quiet-reader.ts";
import type { CallSpan } from "./traced.ts";
import type { TurnLog } from "./turn-log.ts";
import { type TurnFollowers, TurnTrace } from "./turn-trace.ts";

export interface TurnParts extends TurnFollowers {
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly inFlight: TurnsInFlight;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly calls: Settings["calls"];
  readonly log: TurnLog;
}

/** What a turn failed with, and how far it had come. No error by itself: a stack would cost every refusal, and tell nothing. */
export class TurnFailure {
  readonly error: unknown;
  readonly stage: FailureStage;
  constructor(error: unknown, stage: FailureStage) {
    this.error = error;
    this.stage = stage;
  }
}

/** The call around a turn: what is told of the turn's end, and what becomes of its failure. */
export interface TurnCall {
  readonly scope: CallScope;
  readonly span: CallSpan;
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

/** A claimed worker that has the prompt. */
interface Begun {
  readonly claim: Claim;
  readonly running: RunningTurn;
  readonly queueWaitMs: number;
}

/** The same, with the turn's place among those in flight. */
interface Admitted extends Begun {
  readonly leave: () => void;
}

/**
 * Runs a turn. Yields `started` first and `result` last; throws what the call makes of a failure.
 *
 * One generator from the worker's events to the listener: each further one would cost every event a wait.
 */
export async function* runTurn(turn: Turn, call: TurnCall, parts: TurnParts): AsyncGenerator<Response, void> {
  const { scope } = call;
  const trace = new TurnTrace(parts.clock, turn, call.span, scope.arrivedAtMs, parts);
  const stream = new EventStream(turn, () => parts.clock.wallNow());
  const stage = {
    turnId: turn.id,
    forOperator: turn.forOperator,
    promptWritten: false,
    contentStreamed: false,
    result: undefined as TurnResult | undefined,
  };
  const failure = (error: unknown) =>
    new TurnFailure(error, { ...stage, lastSequence: stream.lastSequence, deadlinePassed: scope.deadlinePassed });
  try {
    const begun = await admit(turn, scope, trace, parts);
    const { claim, running } = begun;
    // From here on the turn may have cost money, and it has exactly one end.
    stage.promptWritten = true;
    using reading = follow(turn, begun, scope, trace, parts);
    using _stall = watchForStall(running, parts, (error) => {
      scope.end(error);
      void running.ended.then((end) => scope.giveUp(failure(end.error ?? error)));
    });
    const { reader } = reading;
    const writtenAtMs = parts.clock.now();
    let lastSentMs = writtenAtMs;
    let hasStarted = false;
    for (;;) {
      let event = reader.poll();
      if (event === undefined) {
        const next = await reader.next();
        if (next.kind === "end") throw new Error("bug: a turn without an end");
        if (next.kind === "tick") {
          const nowMs = parts.clock.now();
          if (!hasStarted || nowMs - lastSentMs < parts.calls.heartbeatMs) continue;
          lastSentMs = nowMs;
          yield stream.envelop(heartbeat(nowMs - writtenAtMs));
          continue;
        }
        event = next.event;
      }
      trace.saw(event);
      if (event.kind === "ended") {
        const { end, raw } = event;
        trace.finish(end);
        reading.finish();
        // A bound of the caller's own can end a turn before the CLI has said a word: that is OK, so it begins and ends.
        if (!hasStarted && end.error === undefined) {
          hasStarted = true;
          const at = { nowMs: parts.clock.now(), queueWaitMs: begun.queueWaitMs };
          yield stream.envelop(toStarted(unsaid, turn, claim, at));
        }
        // A turn that failed before it had begun for the caller has a status only.
        const line = hasStarted && raw !== undefined ? stream.beforeLast(raw) : undefined;
        stage.result = toResult(end, {
          times: trace.times,
          lastSequence: stream.lastSequence,
          forOperator: turn.forOperator,
          reusesWorkers: reusesWorkers(parts.profiles[turn.profile]!),
        });
        const refused = call.ended?.(end, stage.result);
        if (hasStarted) {
          yield* line?.responses ?? [];
          const response = stream.envelop({ case: "result", value: stage.result });
          if (line !== undefined) response.rawJson = line.rest;
          yield response;
        }
        if (end.error !== undefined || refused !== undefined) throw end.error ?? refused;
        return;
      }
      if (event.kind === "init" && !hasStarted) {
        hasStarted = true;
        const at = { nowMs: parts.clock.now(), queueWaitMs: begun.queueWaitMs };
        const started = stream.envelop(toStarted(event, turn, claim, at));
        yield* event.raw === undefined ? [started] : stream.withRaw([started], event.raw);
      } else {
        if (event.kind === "textDelta" || event.kind === "toolUse") stage.contentStreamed = true;
        for (const response of stream.responses(event)) yield response;
      }
      lastSentMs = parts.clock.now();
    }
  } catch (error) {
    trace.callOver(); // before the status, which takes a moment to make
    throw call.failed(failure(error));
  } finally {
    trace.callOver();
    call.over();
  }
}

/** Admits a turn and gets a worker to hold its prompt. Whoever is refused is booked here. */
async function admit(turn: Turn, scope: CallScope, trace: TurnTrace, parts: TurnParts): Promise<Admitted> {
  let leave: (() => void) | undefined;
  try {
    leave = parts.inFlight.enter(turn.tenant);
    return { ...(await begin(turn, scope, trace, parts)), leave };
  } catch (error) {
    leave?.();
    refuse(turn, trace, parts, error);
    throw error;
  }
}

/** Ties a running turn to its call for as long as its events are read. */
function follow(turn: Turn, begun: Admitted, scope: CallScope, trace: TurnTrace, parts: TurnParts) {
  const { running } = begun;
  const onAbort = () => running.interrupt(endCauseOf(scope.signal.reason));
  if (scope.signal.aborted) onAbort();
  else scope.signal.addEventListener("abort", onAbort, { once: true });
  const read = Promise.withResolvers<void>();
  void release(begun);
  void record(turn, begun, trace, parts, read.promise);

  const tickMs = Math.max(1, Math.min(parts.calls.heartbeatMs, parts.calls.stalledReaderMs / 4, 1_000));
  const takeReady = running.takeReady?.bind(running);
  const reader = new QuietReader(running.events, parts.clock, tickMs, takeReady);
  return {
    reader,
    /** The caller's side is over: what it saw last is known. */
    finish: () => read.resolve(),
    [Symbol.dispose]() {
      reader[Symbol.dispose]();
      // The caller may have gone in mid-turn. After the end this does nothing.
      onAbort();
      scope.signal.removeEventListener("abort", onAbort);
      read.resolve();
    },
  };
}

/** Gets a worker to hold the prompt. A worker that dies before it has the prompt costs the caller nothing, once. */
async function begin(turn: Turn, scope: CallScope, trace: TurnTrace, parts: TurnParts): Promise<Begun> {
  let queueWaitMs = 0;
  for (let attempt = 1; ; attempt += 1) {
    trace.enter("queueWait");
    const claim = await claimWorker(turn, scope, parts);
    queueWaitMs += claim.queueWaitMs;
    trace.claimed(claim);
    try {
      const running = await prepare(turn, claim, scope, trace);
      return { claim, running, queueWaitMs };
    } catch (error) {
      trace.failed(error);
      if (!isRunnerError(error, "WORKER_DIED")) throw error;
      if (attempt === 2) throw error;
      instruments().takeovers.add(1, { [attributeNames.profile]: turn.profile });
      parts.log.takeover(turn, claim.worker.id, error);
    }
  }
}

async function claimWorker(turn: Turn, scope: CallScope, parts: TurnParts): Promise<Claim> {
  const startedMs = parts.clock.now();
  try {
    return await parts.pool.claim({
      turnId: turn.id,
      tenant: turn.tenant,
      profile: turn.profile,
      bindingKey: bindingKey(turn.binding),
      signal: scope.signal,
      deadlineMs: scope.deadlineMs,
    });
  } catch (error) {
    if (!isRunnerError(error, "DEADLINE_EXCEEDED")) throw error;
    const waitedMs = Math.round(parts.clock.now() - startedMs);
    throw new RunnerError(
      "QUEUE_TIMEOUT",
      `the call's deadline passed after ${waitedMs} ms in the queue for a worker`,
      { facts: { waitedMs } },
    );
  }
}

/** Binds, sets, seeds and writes. The claim is released when this throws. */
async function prepare(turn: Turn, claim: Claim, scope: CallScope, trace: TurnTrace): Promise<RunningTurn> {
  const { worker } = claim;
  let bound = claim.isBound;
  try {
    if (!bound) {
      trace.enter("bind");
      await worker.bind(turn.binding, scope.signal);
      bound = true;
    }
    trace.enter("configure");
    await worker.configure(turn.settings, scope.signal);
    if (turn.history.length > 0) {
      trace.enter("seedHistory", { [attributeNames.seededMessageCount]: turn.history.length });
      await worker.seed(turn.history, scope.signal);
    }
    scope.signal.throwIfAborted();
    trace.enter("stdinWrite");
    const running = worker.run(turn);
    await running.written;
    trace.written();
    return running;
  } catch (error) {
    // An aborted bind leaves it open which binding the worker has; an aborted seeding can be reset.
    const canBeReset = bound && !isRunnerError(error, "WORKER_DIED") && scope.signal.aborted;
    claim.release(
      canBeReset
        ? { kind: "finished" }
        : { kind: "discard", why: isRunnerError(error) ? error.reason.toLowerCase() : "aborted_bind" },
    );
    throw error;
  }
}

/** Gives the worker back when it is done with the turn. Never rejects. */
async function release({ claim, running, leave }: Admitted): Promise<void> {
  const end = await running.ended;
  if (end.workerReusable) claim.finishing();
  await running.idle;
  claim.release(end.workerReusable ? { kind: "finished" } : { kind: "discard", why: `after_${end.outcome}` });
  leave();
}

/** Books the turn when both sides have ended: what the caller saw last, such as the first text, belongs to it. */
async function record(
  turn: Turn,
  begun: Begun,
  trace: TurnTrace,
  parts: TurnParts,
  read: Promise<void>,
): Promise<void> {
  const end = await begun.running.ended;
  trace.workerDone(begun.claim.worker.id, end);
  await read;
  trace.ended(end.outcome, end);
  parts.log.turn(trace, turn, { claim: begun.claim, end, queueWaitMs: begun.queueWaitMs });
}

/** A turn that ended before any worker had its prompt. */
function refuse(turn: Turn, trace: TurnTrace, parts: TurnParts, error: unknown): void {
  const reason = isRunnerError(error) ? error.reason : "INTERNAL";
  trace.failed(error);
  trace.ended(`refused_${reason.toLowerCase()}`, undefined, reason);
  parts.log.refusal(trace, turn, error);
}

/**
 * Ends the call of a caller who keeps the turn from going on by not reading. Looks at the clock four times within the
 * bound; the generator itself is parked at its `yield` then and cannot.
 */
function watchForStall(
  running: RunningTurn,
  { clock, calls }: TurnParts,
  end: (error: RunnerError) => void,
): Disposable {
  let cancel = () => {};
  const look = () => {
    const blockedMs = Math.round(running.blockedMs());
    if (blockedMs >= calls.stalledReaderMs) {
      const facts = { blockedMs, limitMs: calls.stalledReaderMs };
      end(new RunnerError("CLIENT_STALLED", `the caller read nothing for ${blockedMs} ms`, { facts }));
      return;
    }
    cancel = clock.after(calls.stalledReaderMs / 4, look);
  };
  cancel = clock.after(calls.stalledReaderMs / 4, look);
  return { [Symbol.dispose]: () => cancel() };
}
