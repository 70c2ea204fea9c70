/**
 * The life of one turn, from a checked request to its result: admit, claim, bind, seed, write, relay, release.
 *
 * Knows no transport and no CLI. What the caller gets is an async generator: it throws before its first event when the
 * turn never began, and after a `result` when it did and failed.
 *
 * The worker's side and the caller's side end apart: `release` gives the worker back when the worker is done, whether or
 * not the caller still reads.
 */
import type { Context } from "@opentelemetry/api";
import type { TurnResult } from "../../gen/claude/runner/v1/result_pb.ts";
import type { Clock } from "../clock.ts";
import { type ProfileSettings, reusesWorkers, type Settings } from "../config/settings.ts";
import { isRunnerError, RunnerError } from "../errors.ts";
import type { TurnsInFlight } from "../policy/quota.ts";
import type { Claim, WorkerPool } from "../pool/claim.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import type { RunningTurn, Turn, TurnEnd, TurnEvent } from "../turn.ts";
import { type CallScope, endCauseOf } from "./call-scope.ts";
import type { FailureStage } from "./errors.ts";
import { EventStream, heartbeat, type Response, toStarted } from "./events.ts";
import { QuietReader } from "./quiet-reader.ts";
import { bindingKey } from "./requests.ts";
import { toResult } from "./result.ts";
import type { TurnLog } from "./turn-log.ts";
import { TurnTrace } from "./turn-trace.ts";

export interface TurnParts {
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly inFlight: TurnsInFlight;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly calls: Settings["calls"];
  readonly log: TurnLog;
}

/** What a turn failed with, and how far it had come. */
export class TurnFailure extends Error {
  override readonly name = "TurnFailure";
  readonly error: unknown;
  readonly stage: FailureStage;
  constructor(error: unknown, stage: FailureStage) {
    super("a turn failed", { cause: error });
    this.error = error;
    this.stage = stage;
  }
}

/** One step of a turn for its caller: a response to send. The last one of a turn that began holds its end. */
export interface Step {
  readonly response: Response;
  /** Set on the `result`. */
  readonly end?: TurnEnd;
  readonly result?: TurnResult;
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
interface Started {
  readonly claim: Claim;
  readonly running: RunningTurn;
  readonly queueWaitMs: number;
}

/**
 * Runs a turn. Yields `started` first and `result` last; throws TurnFailure.
 */
export async function* runTurn(
  turn: Turn,
  scope: CallScope,
  parent: Context,
  parts: TurnParts,
): AsyncGenerator<Step, void> {
  const trace = new TurnTrace(parts.clock, turn, parent, scope.arrivedAtMs);
  const stream = new EventStream(turn, () => parts.clock.wallNow());
  const stage = {
    turnId: turn.id,
    promptWritten: false,
    contentStreamed: false,
    deadlinePassed: false,
    result: undefined as TurnResult | undefined,
  };
  const fail = (error: unknown) =>
    new TurnFailure(error, {
      ...stage,
      lastSequence: stream.lastSequence,
      deadlinePassed: scope.deadlinePassed,
    });

  let leave: () => void;
  let begun: Started;
  try {
    leave = parts.inFlight.enter(turn.tenant);
  } catch (error) {
    refuse(turn, trace, parts, error);
    throw fail(error);
  }
  try {
    begun = await begin(turn, scope, trace, parts);
  } catch (error) {
    leave();
    refuse(turn, trace, parts, error);
    throw fail(error);
  }

  // From here on the turn may have cost money, and it has exactly one end.
  stage.promptWritten = true;
  const { claim, running } = begun;
  const onAbort = () => running.interrupt(endCauseOf(scope.signal.reason));
  if (scope.signal.aborted) onAbort();
  else scope.signal.addEventListener("abort", onAbort, { once: true });
  const read = Promise.withResolvers<void>();
  void release(begun, leave);
  void record(turn, begun, trace, parts, read.promise).finally(() =>
    scope.signal.removeEventListener("abort", onAbort),
  );

  const writtenAtMs = parts.clock.now();
  const tickMs = Math.max(1, Math.min(parts.calls.heartbeatMs, parts.calls.stalledReaderMs / 4, 1_000));
  using reader = new QuietReader(running.events, parts.clock, tickMs);
  let hasStarted = false;
  let lastSentMs = writtenAtMs;
  using _stall = watchForStall(running, parts, (error) => {
    scope.end(error);
    void running.ended.then((end) => scope.giveUp(fail(end.error ?? error)));
  });
  try {
    for (;;) {
      const next = await reader.next();
      if (next.kind === "end")
        throw fail(new RunnerError("INTERNAL", "internal error", { cause: new Error("bug: a turn without an end") }));
      if (next.kind === "tick") {
        const nowMs = parts.clock.now();
        if (hasStarted && nowMs - lastSentMs >= parts.calls.heartbeatMs) {
          lastSentMs = nowMs;
          yield { response: stream.envelop(heartbeat(nowMs - writtenAtMs)) };
        }
        continue;
      }
      const { event } = next;
      trace.saw(event);
      if (event.kind === "ended") {
        const { end, raw } = event;
        trace.finish();
        read.resolve();
        // A bound of the caller's own can end a turn before the CLI has said a word: that is OK, so it begins and ends.
        if (!hasStarted && end.error === undefined) {
          hasStarted = true;
          const at = { nowMs: parts.clock.now(), queueWaitMs: begun.queueWaitMs };
          yield { response: stream.envelop(toStarted(unsaid, turn, claim, at)) };
        }
        // A turn that failed before it had begun for the caller has a status only.
        const line = hasStarted && raw !== undefined ? stream.beforeLast(raw) : undefined;
        const result = toResult(end, {
          times: trace.times,
          lastSequence: stream.lastSequence,
          reusesWorkers: reusesWorkers(parts.profiles[turn.profile]!),
        });
        stage.result = result;
        if (hasStarted) {
          for (const response of line?.responses ?? []) yield { response };
          const response = stream.envelop({ case: "result", value: result });
          if (line !== undefined) response.rawJson = line.rest;
          yield { response, end, result };
        }
        if (end.error !== undefined) throw fail(end.error);
        return;
      }
      if (event.kind === "init" && !hasStarted) {
        hasStarted = true;
        const started = stream.envelop(
          toStarted(event, turn, claim, { nowMs: parts.clock.now(), queueWaitMs: begun.queueWaitMs }),
        );
        for (const response of event.raw === undefined ? [started] : stream.withRaw([started], event.raw))
          yield { response };
        lastSentMs = parts.clock.now();
        continue;
      }
      if (event.kind === "textDelta" || event.kind === "toolUse") stage.contentStreamed = true;
      for (const response of stream.responses(event)) yield { response };
      lastSentMs = parts.clock.now();
    }
  } finally {
    // The caller went in mid-turn. After the end this does nothing.
    running.interrupt(endCauseOf(scope.signal.reason));
    read.resolve();
  }
}

/** Gets a worker to hold the prompt. A worker that dies before it has the prompt costs the caller nothing, once. */
async function begin(turn: Turn, scope: CallScope, trace: TurnTrace, parts: TurnParts): Promise<Started> {
  let queueWaitMs = 0;
  for (let attempt = 1; ; attempt += 1) {
    const claimStartedMs = parts.clock.now();
    const claim = await claimWorker(turn, scope, parts);
    queueWaitMs += claim.queueWaitMs;
    trace.claimed(claim, claimStartedMs);
    try {
      const running = await prepare(turn, claim, scope, trace, parts.clock);
      return { claim, running, queueWaitMs };
    } catch (error) {
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
async function prepare(
  turn: Turn,
  claim: Claim,
  scope: CallScope,
  trace: TurnTrace,
  clock: Clock,
): Promise<RunningTurn> {
  const { worker } = claim;
  let bound = claim.isBound;
  try {
    if (!bound) {
      const stage = trace.stage("bind");
      await worker.bind(turn.binding, scope.signal);
      bound = true;
      stage.end();
    }
    await worker.configure(turn.settings, scope.signal);
    if (turn.history.length > 0) {
      const stage = trace.stage("seedHistory");
      await worker.seed(turn.history, scope.signal);
      stage.end({ [attributeNames.seededMessageCount]: turn.history.length });
    }
    scope.signal.throwIfAborted();
    const stage = trace.stage("stdinWrite", clock.now());
    const running = worker.run(turn);
    await running.written;
    stage.end();
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
async function release({ claim, running }: Started, leave: () => void): Promise<void> {
  const end = await running.ended;
  if (end.workerReusable) claim.finishing();
  await running.idle;
  claim.release(end.workerReusable ? { kind: "finished" } : { kind: "discard", why: `after_${end.outcome}` });
  leave();
}

/** Books the turn when both sides have ended: what the caller saw last, such as the first text, belongs to it. */
async function record(
  turn: Turn,
  begun: Started,
  trace: TurnTrace,
  parts: TurnParts,
  read: Promise<void>,
): Promise<void> {
  const end = await begun.running.ended;
  await read;
  trace.ended(end.outcome, end);
  parts.log.turn(trace, turn, { claim: begun.claim, end, queueWaitMs: begun.queueWaitMs });
}

/** A turn that ended before any worker had its prompt. */
function refuse(turn: Turn, trace: TurnTrace, parts: TurnParts, error: unknown): void {
  const reason = isRunnerError(error) ? error.reason : "INTERNAL";
  trace.ended(`refused_${reason.toLowerCase()}`, undefined);
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
