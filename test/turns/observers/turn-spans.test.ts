/**
 * The trace of one call, as a person sees it: that its stages add up, that it says what failed and where, and that it
 * is complete whoever leaves first.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import { hrTimeToMilliseconds } from "@opentelemetry/core";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ChatRequestSchema, Role, StreamChatRequestSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import { TurnsInFlight } from "../../../src/policy/quota.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import type { CallContext } from "../../../src/service/calls.ts";
import type { Response } from "../../../src/service/out/responses.ts";
import { maxChatTextBytes, runnerService } from "../../../src/service/runner.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { RecentTurns } from "../../../src/turns/observers/recent-turns.ts";
import { FakeClock } from "../../fake-clock.ts";
import { testDesk } from "../../sessions/desk.ts";
import { goodEnd, init, ScriptedPool, ScriptedTurn, ScriptedWorker, text } from "../scripted.ts";

const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
beforeAll(() => void trace.setGlobalTracerProvider(provider));
afterEach(() => exporter.reset());
afterAll(async () => {
  trace.disable();
  await provider.shutdown();
});

const wallStartMs = 1_700_000_000_000;

/** What is looked at of a span; times in milliseconds of the test's clock. */
interface Seen {
  readonly name: string;
  readonly parent: string | undefined;
  readonly fromMs: number;
  readonly toMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
  readonly events: readonly { readonly name: string; readonly attributes: unknown }[];
}

/** All that was exported, in the order in which it began; what began together in the order in which it ended. */
async function spans(): Promise<Seen[]> {
  await provider.forceFlush();
  const finished = exporter.getFinishedSpans();
  const names = new Map(finished.map((span) => [span.spanContext().spanId, span.name]));
  const ms = (time: [number, number]) => Math.round(hrTimeToMilliseconds(time) - wallStartMs);
  return finished
    .map((span) => ({
      name: span.name,
      parent: names.get(span.parentSpanContext?.spanId ?? ""),
      fromMs: ms(span.startTime),
      toMs: ms(span.endTime),
      attributes: span.attributes,
      isError: span.status.code === SpanStatusCode.ERROR,
      events: span.events.map(({ name, attributes }) => ({ name, attributes })),
    }))
    .toSorted((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
}

async function spanOf(name: string): Promise<Seen> {
  const found = (await spans()).filter((span) => span.name === name);
  expect(found, name).toHaveLength(1);
  return found[0]!;
}

const stream = "claude.runner.v1.ClaudeRunner/StreamChat";
const chat = "claude.runner.v1.ClaudeRunner/Chat";

/** A service over scripted workers. */
function scene({ workers = [new ScriptedWorker()], maxInFlight = 8 } = {}) {
  const clock = new FakeClock({ wallStartMs });
  const pool = new ScriptedPool(...workers);
  const settings = settingsSchema.parse({ profiles: { default: {} } });
  const { handlers } = runnerService({
    ...testDesk({ clock, log: silentLog, inFlight: new TurnsInFlight(maxInFlight) }),
    pool,
    clock,
    profiles: settings.profiles,
    log: silentLog,
    settings,
    serverVersion: "0",
    cli: () => ({ version: "2.1.332", seeds: true }),
    authenticate: () => ({ tenant: "acme", profiles: ["*"], isOperator: false }),
    recentTurns: new RecentTurns(),
  });
  const abort = new AbortController();
  const context: CallContext = {
    signal: abort.signal,
    requestHeader: new Headers(),
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    begin: () => {},
    protocolName: "grpc",
    takes: "messages",
    timeoutMs: () => undefined,
    endCall: () => {},
    caller: { tenant: "acme", profiles: ["*"], isOperator: false },
  };
  type Streaming = (request: unknown, call: CallContext) => AsyncGenerator<Response>;
  type Unary = (request: unknown, call: CallContext) => Promise<unknown>;
  return {
    clock,
    pool,
    abort,
    worker: workers[0]!,
    open: (request: MessageInitShape<typeof StreamChatRequestSchema> = { prompt: "hi" }) =>
      (handlers.streamChat as unknown as Streaming)(create(StreamChatRequestSchema, request), context),
    chat: () => (handlers.chat as unknown as Unary)(create(ChatRequestSchema, { prompt: "hi" }), context),
  };
}

/** Reads a stream to its end, whatever that is. */
async function drain(events: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _ of events);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
  }
}

const toolUse: TurnEvent = {
  kind: "toolUse",
  toolUseId: "t1",
  toolName: "Bash",
  input: {},
  inputJson: "{}",
  messageIndex: 0,
  unparsable: false,
};
const toolResult: TurnEvent = {
  kind: "toolResult",
  toolUseId: "t1",
  isError: false,
  content: [],
  output: undefined,
  permissionDecision: "",
  permissionSource: "",
  nonExecutionKind: "",
  elidedBytes: 0,
};
const failedEnd = {
  ...goodEnd,
  outcome: "upstreamError",
  error: new RunnerError("UPSTREAM_5XX", "words of the model API"),
} as const;

describe("the stages of a call", () => {
  test("follow each other without a gap, from its arrival until the caller has read the result", async () => {
    const { clock, pool, worker, open } = scene();
    pool.onClaim = () => clock.advance(102);
    pool.queueWaitMs = 100;
    worker.onBind = () => clock.advance(5);
    worker.onConfigure = () => clock.advance(3);
    worker.onSeed = () => clock.advance(7);
    const history = [
      { role: Role.USER, text: "a" },
      { role: Role.ASSISTANT, text: "b" },
    ];
    const events = open({ prompt: "c", history });
    worker.turn.push(init);
    await events.next();
    await clock.advance(40);
    worker.turn.push(text("x"));
    await events.next();
    await clock.advance(60);
    worker.turn.end();
    await events.next();
    await clock.advance(11); // the caller takes its time with the result
    expect((await events.next()).done).toBe(true);

    const all = await spans();
    const call = all.find(({ name }) => name === stream)!;
    const stages = all.filter(({ parent }) => parent === stream);
    expect(stages.map(({ name, fromMs, toMs }) => [name, fromMs, toMs])).toEqual([
      ["runner.check", 0, 0],
      ["runner.queue_wait", 0, 100],
      ["runner.claim", 100, 102],
      ["runner.bind", 102, 107],
      ["runner.configure", 107, 110],
      ["runner.seed_history", 110, 117],
      ["runner.stdin_write", 117, 117],
      ["runner.turn", 117, 217],
      ["runner.reply", 217, 228],
    ]);
    expect([call.fromMs, call.toMs, call.isError]).toEqual([0, 228, false]);
  });

  test("have what happens within the turn below the turn", async () => {
    const { clock, worker, open } = scene();
    const reading = drain(open());
    await clock.settle();
    for (const event of [init, toolUse, toolResult, text("x")]) {
      await clock.advance(10);
      worker.turn.push(event);
    }
    await clock.advance(10);
    worker.turn.end();
    await reading;
    const within = (await spans()).filter(({ parent }) => parent === "runner.turn");
    expect(within.map(({ name, fromMs, toMs }) => [name, fromMs, toMs])).toEqual([
      ["runner.first_event", 0, 10],
      ["runner.first_text", 0, 40],
      ["runner.tool", 20, 30],
    ]);
    expect((await spanOf("runner.tool")).attributes).toEqual({
      "runner.tool.name": "Bash",
      "runner.tool.is_error": false,
    });
    expect(await spanOf("runner.turn")).toMatchObject({ parent: stream, fromMs: 0, toMs: 50 });
  });

  test("show both workers when the first one died before it had the prompt", async () => {
    const first = new ScriptedWorker("w1");
    const second = new ScriptedWorker("w2");
    const { clock, open } = scene({ workers: [first, second] });
    first.onBind = async () => {
      await clock.advance(30);
      throw new RunnerError("WORKER_DIED", "gone");
    };
    second.turn.push(init);
    second.turn.end();
    await drain(open());
    const binds = (await spans()).filter(({ name }) => name === "runner.bind");
    expect(binds.map(({ fromMs, toMs, isError, attributes }) => [fromMs, toMs, isError, attributes])).toEqual([
      [0, 30, true, { "runner.error.reason": "worker_died" }],
      [30, 30, false, {}],
    ]);
    expect(await spanOf(stream)).toMatchObject({ isError: false, attributes: { "runner.worker.id": "w2" } });
  });
});

describe("what failed", () => {
  test("is the wait of a turn that nobody served in time, in its full length", async () => {
    const { clock, pool, open } = scene();
    pool.onClaim = async () => {
      await clock.advance(500);
      throw new RunnerError("QUEUE_TIMEOUT", "500 ms");
    };
    await drain(open());
    expect(await spanOf("runner.queue_wait")).toMatchObject({
      fromMs: 0,
      toMs: 500,
      isError: true,
      attributes: { "runner.error.reason": "queue_timeout" },
    });
    expect(await spanOf(stream)).toMatchObject({
      toMs: 500,
      isError: true,
      attributes: { "runner.error.reason": "queue_timeout", "runner.turn.outcome": "not_started" },
    });
  });

  test("is the check of a turn beyond its tenant's cap, and nothing comes after it but the reply", async () => {
    const { open } = scene({ maxInFlight: 0 });
    await drain(open());
    const all = await spans();
    expect(all.map(({ name }) => name).toSorted()).toEqual([stream, "runner.check", "runner.reply"]);
    expect(all.find(({ name }) => name === "runner.check")?.attributes).toEqual({
      "runner.error.reason": "quota_exceeded",
    });
  });

  test("stands on the call also where a request never became a turn", async () => {
    await drain(scene().open({ prompt: "x", profile: "No name" }));
    const [call, ...others] = await spans();
    expect(others).toEqual([]);
    expect(call?.attributes).toMatchObject({
      "rpc.status_code": "INVALID_ARGUMENT",
      "runner.error.reason": "invalid_request",
      "runner.tenant": "acme",
    });
  });

  test("is the turn, when the model API failed; its words are nowhere", async () => {
    const { worker, open } = scene();
    worker.turn.push(init);
    worker.turn.end(failedEnd);
    await drain(open());
    for (const name of ["runner.turn", stream]) {
      expect(await spanOf(name)).toMatchObject({
        isError: true,
        attributes: { "runner.error.reason": "upstream_5xx" },
      });
    }
    expect(JSON.stringify(await spans())).not.toContain("words of");
  });

  test("is seen while it is repeated", async () => {
    const { worker, open } = scene();
    worker.turn.push(init, { kind: "apiRetry", attempt: 1, maxAttempts: 3, delayMs: 500, httpStatus: 503, error: "x" });
    worker.turn.end();
    await drain(open());
    expect((await spanOf("runner.turn")).events).toEqual([
      {
        name: "runner.upstream_retry",
        attributes: { "runner.retry.attempt": 1, "runner.retry.delay_ms": 500, "error.type": "503" },
      },
    ]);
  });

  test("is the call alone, when a good answer was too long to be collected", async () => {
    const { worker, chat: collect } = scene();
    worker.turn.push(init);
    worker.turn.end({ ...goodEnd, text: "x".repeat(maxChatTextBytes + 1) });
    await collect().catch(() => {});
    expect((await spanOf(chat)).attributes).toMatchObject({
      "rpc.status_code": "RESOURCE_EXHAUSTED",
      "runner.error.reason": "response_too_large",
      "runner.turn.outcome": "completed",
    });
    expect((await spanOf("runner.turn")).isError).toBe(false);
  });
});

describe("a caller who goes", () => {
  test("is no failure, and a tool that ran then is marked as cut", async () => {
    const { clock, worker, open, abort } = scene();
    const reading = drain(open());
    worker.turn.push(init, toolUse);
    await clock.settle();
    abort.abort(new ConnectError("gone", Code.Canceled));
    await reading;
    await clock.settle();
    expect((await spans()).filter(({ isError }) => isError)).toEqual([]);
    expect((await spanOf("runner.turn")).attributes).toEqual({ "runner.error.reason": "cancelled" });
    expect((await spanOf("runner.tool")).attributes).toEqual({
      "runner.tool.name": "Bash",
      "runner.tool.was_cut": true,
    });
  });

  test("ends the call at once; the turn's span lasts until the worker has stopped, and the call says how it ended", async () => {
    const turn = new ScriptedTurn();
    const { clock, open } = scene({ workers: [new ScriptedWorker("w1", turn)] });
    turn.onInterrupt = () => undefined;
    turn.push(init);
    const events = open();
    await events.next();
    await clock.advance(20);
    await events.return(undefined);
    expect(await spans()).not.toContainEqual(expect.objectContaining({ name: stream }));
    await clock.advance(15);
    turn.end({ ...goodEnd, outcome: "cancelled", error: new RunnerError("CANCELLED", "gone") });
    await clock.settle();
    expect(await spanOf(stream)).toMatchObject({
      fromMs: 0,
      toMs: 20,
      attributes: { "rpc.status_code": "CANCELLED", "runner.turn.outcome": "cancelled" },
    });
    expect(await spanOf("runner.turn")).toMatchObject({ fromMs: 0, toMs: 35, isError: false });
  });
});
