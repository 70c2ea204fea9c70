import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { Outcome, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { ChatRequestSchema, Detail, Role, StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { TurnsInFlight } from "../../src/policy/quota.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { CallContext } from "../../src/service/calls.ts";
import type { Response } from "../../src/service/out/responses.ts";
import { type RunnerParts, runnerService } from "../../src/service/runner.ts";
import type { SpannedTurn } from "../../src/span-joiner.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import { RecentTurns } from "../../src/turns/observers/recent-turns.ts";
import { FakeClock } from "../fake-clock.ts";
import { testDesk } from "../sessions/desk.ts";
import { goodEnd, init, ScriptedPool, ScriptedTurn, ScriptedWorker, text } from "../turns/scripted.ts";

type Init = MessageInitShape<typeof StreamChatRequestSchema>;

/** A service over scripted workers, and one call of it. */
function scene(options: { workers?: ScriptedWorker[]; maxInFlight?: number; spans?: RunnerParts["spans"] } = {}) {
  const clock = new FakeClock();
  const worker = new ScriptedWorker();
  const pool = new ScriptedPool(...(options.workers ?? [worker]));
  const settings = settingsSchema.parse({ profiles: { default: {}, tools: { reuse: false } } });
  const inFlight = new TurnsInFlight(options.maxInFlight ?? 8);
  const recentTurns = new RecentTurns();
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: "debug", write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const desk = testDesk({ clock, log, inFlight });
  const { handlers } = runnerService({
    ...desk,
    pool,
    clock,
    profiles: settings.profiles,
    log,
    recentTurns,
    settings,
    serverVersion: "0",
    cli: () => ({ version: "2.1.332", seeds: true }),
    authenticate: () => ({ tenant: "acme", profiles: ["*"], isOperator: false }),
    spans: options.spans,
  });
  const abort = new AbortController();
  const givenUp: ConnectError[] = [];
  const context = (timeoutMs?: number): CallContext => ({
    signal: abort.signal,
    requestHeader: new Headers(),
    responseHeader: new Headers(),
    begin: () => {},
    responseTrailer: new Headers(),
    protocolName: "grpc",
    takes: "messages",
    timeoutMs: () => timeoutMs,
    endCall: (status) => void givenUp.push(status),
    caller: { tenant: "acme", profiles: ["*"], isOperator: false },
  });
  const open = (init: Init = { prompt: "hi" }, timeoutMs?: number) =>
    (handlers.streamChat as unknown as (request: unknown, call: CallContext) => AsyncGenerator<Response>)(
      create(StreamChatRequestSchema, init),
      context(timeoutMs),
    );
  const chat = (init: MessageInitShape<typeof ChatRequestSchema> = { prompt: "hi" }) =>
    (
      handlers.chat as unknown as (
        request: unknown,
        call: CallContext,
      ) => Promise<{ text: string; turnId: string; result: { text: string } }>
    )(create(ChatRequestSchema, init), context());
  /** Timers that are left when nothing is remembered of ended turns. */
  const timersLeft = () => {
    desk.live.close();
    return clock.pendingTimerCount;
  };
  return { clock, worker, pool, inFlight, recentTurns, lines, abort, givenUp, open, chat, timersLeft };
}

/** Reads a stream to its end: what came, and what it failed with. */
async function read(stream: AsyncIterable<Response>): Promise<{ events: Response[]; error: ConnectError | undefined }> {
  const events: Response[] = [];
  try {
    for await (const event of stream) events.push(event);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return { events, error };
  }
  return { events, error: undefined };
}

const cases = (events: Response[]) => events.map(({ event }) => event?.case);
const reason = (error: ConnectError | undefined) => error?.findDetails(ErrorInfoSchema)[0]?.reason;

describe("a turn", () => {
  test("begins with started, ends with exactly one result, and gives its worker back to be reset", async () => {
    const { worker, pool, open, inFlight, clock, timersLeft } = scene();
    worker.turn.push(init, text("hel"), text("lo"));
    worker.turn.end();
    const { events, error } = await read(open());
    expect(error).toBeUndefined();
    expect(cases(events)).toEqual(["started", "textDelta", "textDelta", "result"]);
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(events.at(-1)?.event?.value).toMatchObject({
      outcome: Outcome.COMPLETED,
      text: "hello",
      lastSequence: 3,
      costUsdMicros: 12n,
    });
    expect(worker.calls).toEqual(["bind", "configure", "run"]);
    expect(pool.releases).toEqual([]);
    expect(inFlight.count).toBe(1);
    worker.turn.becomeIdle();
    await clock.settle();
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
    expect(inFlight.count).toBe(0);
    expect(timersLeft()).toBe(0);
  });

  test("on a bound worker skips the binding; with history it is seeded before the prompt", async () => {
    const { worker, pool, open } = scene();
    pool.holds = { kind: "binding" };
    worker.turn.push(init);
    worker.turn.end();
    await read(
      open({
        prompt: "c",
        history: [
          { role: Role.USER, text: "a" },
          { role: Role.ASSISTANT, text: "b" },
        ],
      }),
    );
    expect(worker.calls).toEqual(["configure", "seed", "run"]);
  });

  test("sends nothing before init, then a heartbeat after 10 s of silence", async () => {
    const { worker, open, clock } = scene();
    const stream = open();
    let first: Response | undefined;
    void stream.next().then((step) => {
      first = step.value as Response;
    });
    await clock.advance(40_000);
    expect(first).toBeUndefined();
    worker.turn.push(init);
    await clock.settle();
    expect(first?.event?.case).toBe("started");
    const second = stream.next();
    await clock.advance(10_000);
    expect(((await second).value as Response).event).toMatchObject({
      case: "heartbeat",
      value: { elapsed: { seconds: 50n } },
    });
    worker.turn.end();
    expect(((await stream.next()).value as Response).event?.case).toBe("result");
  });

  test("writes one line about itself: who, how it ended, stages, usage, cost; nothing that was said", async () => {
    const { worker, open, lines, clock } = scene();
    worker.turn.push(init, text("the answer is canary-1"));
    worker.turn.end({ ...goodEnd, text: "canary-1" });
    worker.turn.becomeIdle();
    await read(open({ prompt: "canary-2", labels: { job: "7" } }));
    await clock.settle();
    const turns = lines.filter(({ message }) => message === "turn ended");
    expect(turns).toHaveLength(1);
    expect(turns[0]).toMatchObject({
      tenant: "acme",
      profile: "default",
      outcome: "completed",
      claimSource: "spare",
      costUsdMicros: 12,
      usage: { inputTokens: 3 },
      labels: { job: "7" },
    });
    expect(Object.keys(turns[0]!.stagesMs as object)).toEqual(
      expect.arrayContaining(["queueWait", "claim", "bind", "stdinWrite", "firstEvent", "firstText", "turn", "total"]),
    );
    expect(JSON.stringify(lines)).not.toContain("canary");
  });

  test("is among the recent ones of its tenant while it runs and after, with its stages and nothing that was said", async () => {
    const { worker, open, recentTurns, clock } = scene();
    const recent = () => recentTurns.of("acme", 20);
    worker.onBind = () => new Promise((resolve) => void clock.after(40, resolve));
    const stream = open({ prompt: "secret question", systemPrompt: "secret role", labels: { job: "secret label" } });
    const first = stream.next();
    await clock.settle();
    expect(recent()).toMatchObject([
      { isRunning: true, claimSource: "SPARE", workerId: "w1", times: { queueWait: 0, claim: 0 } },
    ]);
    expect(recent()[0]?.times.bind).toBeUndefined();
    await clock.advance(40);
    expect(recent()[0]?.times).toMatchObject({ bind: 40, stdinWrite: 0 });
    worker.turn.push(init, text("secret answer"));
    const started = await first;
    await stream.next();
    expect(recent()).toMatchObject([{ isRunning: true, times: { firstText: 0, arrivalToFirstText: 40 } }]);
    await clock.advance(10);
    worker.turn.end({ ...goodEnd, text: "secret answer" });
    for await (const _ of stream);
    expect(recent()).toMatchObject([
      {
        turnId: started.value?.turnId,
        isRunning: false,
        outcome: "completed",
        errorReason: undefined,
        times: { turn: 10, total: 50 },
        costUsdMicros: 12,
      },
    ]);
    expect(JSON.stringify(recent())).not.toContain("secret");
    expect(recentTurns.of("other", 20)).toEqual([]);
  });

  test("that was refused is among the recent ones with the reason", async () => {
    const { open, recentTurns, clock } = scene({ maxInFlight: 0 });
    await clock.settle();
    expect(reason((await read(open())).error)).toBe("QUOTA_EXCEEDED");
    expect(recentTurns.of("acme", 20)).toMatchObject([
      { isRunning: false, outcome: undefined, errorReason: "QUOTA_EXCEEDED", workerId: undefined, times: { total: 0 } },
    ]);
  });

  test("that the caller's own limit ended is OK with a result", async () => {
    const { worker, open } = scene();
    worker.turn.push(init);
    worker.turn.end({ ...goodEnd, outcome: "modelCallLimit" });
    const { events, error } = await read(open());
    expect(error).toBeUndefined();
    expect(events.at(-1)?.event?.value).toMatchObject({ outcome: Outcome.MODEL_CALL_LIMIT });
  });
});

test("a bound that ends a turn before the CLI has said a word is OK: it begins and ends", async () => {
  const { worker, open } = scene();
  worker.turn.end({ ...goodEnd, outcome: "durationLimit", text: "" });
  const { events, error } = await read(open());
  expect(error).toBeUndefined();
  expect(cases(events)).toEqual(["started", "result"]);
  expect(events[0]?.event?.value).toMatchObject({ workerId: "w1", cliVersion: "" });
});

describe("a turn that fails", () => {
  test("upstream before anything was said: the result, then the reason's own code, never to be repeated", async () => {
    const { worker, open, pool, clock } = scene();
    worker.turn.push(init);
    worker.turn.end({
      ...goodEnd,
      outcome: "upstreamError",
      error: new RunnerError("UPSTREAM_OVERLOADED", "529"),
      text: "",
    });
    worker.turn.becomeIdle();
    const { events, error } = await read(open());
    expect(cases(events)).toEqual(["started", "result"]);
    expect([error?.code, reason(error), error?.metadata.get("grpc-retry-pushback-ms")]).toEqual([
      Code.Unavailable,
      "UPSTREAM_OVERLOADED",
      "-1",
    ]);
    expect(error?.findDetails(TurnResultSchema)[0]).toMatchObject({
      outcome: Outcome.UPSTREAM_ERROR,
      costUsdMicros: 12n,
    });
    await clock.settle();
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
  });

  test("upstream after text: ABORTED", async () => {
    const { worker, open } = scene();
    worker.turn.push(init, text("a"));
    worker.turn.end({ ...goodEnd, outcome: "upstreamError", error: new RunnerError("UPSTREAM_OVERLOADED", "529") });
    expect((await read(open())).error?.code).toBe(Code.Aborted);
  });

  test("by its worker's death after the prompt: ABORTED, the worker is discarded, no second one is tried", async () => {
    const { worker, open, pool, clock } = scene();
    worker.turn.push(init);
    worker.turn.end({
      ...goodEnd,
      outcome: "workerDied",
      error: new RunnerError("WORKER_DIED", "gone"),
      workerReusable: false,
    });
    worker.turn.becomeIdle();
    const { events, error } = await read(open());
    expect([error?.code, reason(error)]).toEqual([Code.Aborted, "WORKER_DIED"]);
    // For whoever looks for the turn in the logs, and to know whether all events have arrived.
    const { turnId, sequence } = events.at(-1)!;
    expect(error?.findDetails(ErrorInfoSchema)[0]?.metadata).toMatchObject({ turnId, lastSequence: String(sequence) });
    await clock.settle();
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "discard", why: "after_worker_died" } }]);
    expect(pool.requests).toHaveLength(1);
  });

  test("before it had begun for the caller: a status only, with the result among the details", async () => {
    const { worker, open } = scene();
    worker.turn.end({
      ...goodEnd,
      outcome: "workerDied",
      error: new RunnerError("WORKER_DIED", "gone"),
      workerReusable: false,
    });
    const { events, error } = await read(open());
    expect(events).toEqual([]);
    expect(error?.metadata.get("grpc-retry-pushback-ms")).toBe("-1");
    expect(error?.findDetails(TurnResultSchema)).toHaveLength(1);
  });
});

describe("a worker that dies before it has the prompt", () => {
  const dying = (id: string) => {
    const worker = new ScriptedWorker(id);
    worker.onBind = async () => {
      throw new RunnerError("WORKER_DIED", `${id} is gone`);
    };
    return worker;
  };

  test("costs the caller nothing: another takes the turn", async () => {
    const second = new ScriptedWorker("w2");
    const { open, pool } = scene({ workers: [dying("w1"), second] });
    second.turn.push(init);
    second.turn.end();
    const { events, error } = await read(open());
    expect(error).toBeUndefined();
    expect(events[0]?.event?.value).toMatchObject({ workerId: "w2" });
    expect(pool.releases[0]).toEqual({ workerId: "w1", how: { kind: "discard", why: "died_unprepared" } });
  });

  test("also when it dies in the write", async () => {
    const second = new ScriptedWorker("w2");
    const first = new ScriptedWorker("w1", new ScriptedTurn(Promise.reject(new RunnerError("WORKER_DIED", "EPIPE"))));
    const { open } = scene({ workers: [first, second] });
    second.turn.push(init);
    second.turn.end();
    expect((await read(open())).events[0]?.event?.value).toMatchObject({ workerId: "w2" });
  });

  test("is replaced once: the second death is UNAVAILABLE with push-back", async () => {
    const { open, inFlight } = scene({ workers: [dying("w1"), dying("w2"), new ScriptedWorker("w3")] });
    const { events, error } = await read(open());
    expect(events).toEqual([]);
    expect([error?.code, reason(error), error?.metadata.get("grpc-retry-pushback-ms")]).toEqual([
      Code.Unavailable,
      "WORKER_DIED",
      "250",
    ]);
    expect(inFlight.count).toBe(0);
  });
});

describe("a caller who goes", () => {
  test("in mid-turn: the turn is interrupted and booked, the worker comes back", async () => {
    const { worker, open, pool, clock, lines, inFlight, timersLeft } = scene();
    worker.turn.push(init, text("a"));
    const stream = open();
    await stream.next();
    await stream.return(undefined);
    await clock.settle();
    expect(worker.turn.causes).toEqual(["cancelled"]);
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
    expect(lines.filter(({ message }) => message === "turn ended")).toMatchObject([{ outcome: "cancelled" }]);
    expect([inFlight.count, timersLeft()]).toEqual([0, 0]);
  });

  test("by the signal alone, while the generator waits for an event", async () => {
    const { worker, open, abort, clock, timersLeft } = scene();
    worker.turn.push(init);
    const stream = open();
    await stream.next();
    const waiting = read(stream);
    abort.abort(new ConnectError("gone", Code.Canceled));
    expect(reason((await waiting).error)).toBe("CANCELLED");
    expect(worker.turn.causes[0]).toBe("cancelled");
    await clock.settle();
    expect(timersLeft()).toBe(0);
  });

  test("while the history is handed over: the worker is clean enough to be reset", async () => {
    const { worker, open, abort, pool } = scene();
    worker.onSeed = (signal) =>
      new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const waiting = read(
      open({
        prompt: "c",
        history: [
          { role: Role.USER, text: "a" },
          { role: Role.ASSISTANT, text: "b" },
        ],
      }),
    );
    await Promise.resolve();
    setImmediate(() => abort.abort(new ConnectError("gone", Code.Canceled)));
    expect((await waiting).error?.code).toBe(Code.Canceled);
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
  });

  test("by not reading: after 60 s of keeping the worker from going on the turn is interrupted and the call given up", async () => {
    const { worker, open, clock, givenUp } = scene();
    worker.turn.push(init, ...Array.from({ length: 99 }, () => text("a")));
    const stream = open();
    await stream.next();
    await clock.advance(45_000);
    // Taking a little is reading.
    for (let at = 0; at < 10; at += 1) await stream.next();
    await clock.advance(59_000);
    expect(worker.turn.causes).toEqual([]);
    await clock.advance(20_000);
    expect(worker.turn.causes).toEqual(["clientStalled"]);
    expect(
      givenUp.map((status) => [status.code, reason(status), status.metadata.get("grpc-retry-pushback-ms")]),
    ).toEqual([[Code.Aborted, "CLIENT_STALLED", "-1"]]);
    const { events, error } = await read(stream);
    expect(cases(events).at(-1)).toBe("result");
    expect([error?.code, reason(error)]).toEqual([Code.Aborted, "CLIENT_STALLED"]);
  });
});

describe("a deadline", () => {
  test("that has passed on arrival uses no worker", async () => {
    const { open, pool } = scene();
    const { error } = await read(open({ prompt: "x" }, 0));
    expect([error?.code, reason(error), pool.requests.length]).toEqual([Code.DeadlineExceeded, "DEADLINE_EXCEEDED", 0]);
  });

  test("that nobody set is ten minutes, and one of a day is an hour", async () => {
    for (const [asked, expectedMs] of [
      [undefined, 600_000],
      [86_400_000, 3_600_000],
      [5_000, 5_000],
    ] as const) {
      const { open, worker, clock } = scene();
      worker.turn.push(init);
      const stream = open({ prompt: "x" }, asked);
      await stream.next();
      const waiting = (async () => {
        for (let step = await stream.next(); !step.done; step = await stream.next());
      })().catch((error: unknown) => error);
      await clock.advance(expectedMs - 1);
      expect(worker.turn.causes).toEqual([]);
      await clock.advance(1);
      expect(worker.turn.causes[0]).toBe("deadlineExceeded");
      expect(reason((await waiting) as ConnectError)).toBe("DEADLINE_EXCEEDED");
    }
  });

  test("that passes in the queue is DEADLINE_EXCEEDED with the reason QUEUE_TIMEOUT", async () => {
    const { open, pool, clock, inFlight } = scene();
    pool.onClaim = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    const waiting = read(open({ prompt: "x" }, 5_000));
    await clock.advance(5_000);
    const { error } = await waiting;
    expect([error?.code, reason(error)]).toEqual([Code.DeadlineExceeded, "QUEUE_TIMEOUT"]);
    expect(inFlight.count).toBe(0);
  });
});

test("a tenant beyond its cap is refused, and may come again when a turn is over", async () => {
  const [first, second] = [new ScriptedWorker("w1"), new ScriptedWorker("w2")];
  const { open, clock } = scene({ workers: [first, second], maxInFlight: 1 });
  first.turn.push(init);
  const stream = open();
  await stream.next();
  const { error } = await read(open());
  expect([error?.code, reason(error), error?.metadata.get("grpc-retry-pushback-ms")]).toEqual([
    Code.ResourceExhausted,
    "QUOTA_EXCEEDED",
    "1000",
  ]);
  first.turn.end();
  await read(stream);
  expect(reason((await read(open())).error)).toBe("QUOTA_EXCEEDED"); // the worker is not done yet
  first.turn.becomeIdle();
  await clock.settle();
  second.turn.push(init);
  second.turn.end();
  expect((await read(open())).error).toBeUndefined();
});

test("at the fullest detail a long last line comes in pieces, and the result is still last", async () => {
  const { worker, open } = scene();
  worker.turn.push(init);
  const raw = JSON.stringify({ type: "result", result: "x".repeat(1_200_000) });
  worker.turn.push({ kind: "ended", end: goodEnd, raw });
  worker.turn.end();
  const { events } = await read(open({ prompt: "x", detail: Detail.FULL }));
  expect(cases(events)).toEqual(["started", "unknown", "unknown", "result"]);
  expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  // In the line's own order, and the result counted the pieces before it: it had not.
  expect(
    events
      .slice(1)
      .map(({ rawJson }) => rawJson?.json)
      .join(""),
  ).toBe(raw);
  expect(events.at(-1)?.event).toMatchObject({ case: "result", value: { lastSequence: 3 } });
});

describe("the spans of a worker's own process", () => {
  /** Notes what is told, in order. */
  function joiner() {
    const turns: SpannedTurn[] = [];
    const told: string[] = [];
    const spans: RunnerParts["spans"] = {
      turnEnded(turn) {
        turns.push(turn);
        told.push("ended");
        return { join: (tools) => void told.push(`joined, tools: ${[...tools.keys()]}`) };
      },
    };
    return { turns, told, spans };
  }
  const toolUse: TurnEvent = {
    kind: "toolUse",
    toolUseId: "toolu_1",
    toolName: "Bash",
    input: {},
    inputJson: "{}",
    messageIndex: 0,
    unparsable: false,
  };

  test("are waited for as soon as the worker is done, and placed although the caller has not read the turn", async () => {
    const { turns, told, spans } = joiner();
    const { worker, open, clock } = scene({ spans });
    const stream = open();
    worker.turn.push(init);
    await stream.next();
    await clock.advance(30);
    worker.turn.push(toolUse);
    const cutModelCall = { startedAtMs: 10, answeredAtMs: undefined, model: undefined, endedAtMs: 25 };
    worker.turn.end({ ...goodEnd, promptNumber: 3, cutModelCall });
    await clock.settle();
    expect(told).toEqual(["ended", "joined, tools: toolu_1"]);
    await clock.advance(500);
    await read(stream);
    const startedAtMs = clock.wallNow() - 530;
    expect(turns).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        workerId: "w1",
        promptNumber: 3,
        writtenAtMs: startedAtMs,
        endedAtMs: startedAtMs + 30,
        outcome: "completed",
        model: "claude-opus-5-5",
        cutModelCall: {
          startedAtMs: startedAtMs + 10,
          answeredAtMs: undefined,
          endedAtMs: startedAtMs + 25,
          model: undefined,
        },
        parent: expect.objectContaining({ traceId: expect.any(String), spanId: expect.any(String) }),
      },
    ]);
  });

  test("are placed also when the caller leaves in mid-turn", async () => {
    const { turns, told, spans } = joiner();
    const { worker, open, clock, abort } = scene({ spans });
    const stream = open();
    worker.turn.push(init);
    await stream.next();
    abort.abort();
    await read(stream);
    await clock.settle();
    expect(told).toEqual(["ended", "joined, tools: "]);
    expect(turns[0]?.outcome).toBe("cancelled");
  });

  test("are not waited for when no worker had the prompt", async () => {
    const { told, spans } = joiner();
    const { open } = scene({ spans, workers: [] });
    expect(reason((await read(open())).error)).toBe("QUEUE_FULL");
    expect(told).toEqual([]);
  });
});

describe("Chat", () => {
  test("is the same turn, collected", async () => {
    const { worker, chat } = scene();
    worker.turn.push(init, text("hello"));
    worker.turn.end();
    const answer = await chat();
    expect(answer).toMatchObject({ text: "hello", result: { text: "", outcome: Outcome.COMPLETED } });
  });

  test("refuses an answer of more than 3 MiB and says to stream it", async () => {
    const { worker, chat } = scene();
    worker.turn.push(init);
    worker.turn.end({ ...goodEnd, text: "x".repeat(3 * 1024 * 1024 + 1) });
    const error = await chat().catch((error: unknown) => error as ConnectError);
    expect(reason(error as ConnectError)).toBe("RESPONSE_TOO_LARGE");
    expect((error as ConnectError).rawMessage).toMatch(/StreamChat/);
  });
});
