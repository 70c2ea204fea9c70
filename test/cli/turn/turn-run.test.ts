import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import type { RequestOptions } from "../../../src/cli/protocol/control.ts";
import { HostPaths } from "../../../src/cli/protocol/host-paths.ts";
import type { JsonObject } from "../../../src/cli/protocol/json-members.ts";
import { Charges } from "../../../src/cli/turn/charges.ts";
import type { TurnHost } from "../../../src/cli/turn/turn-host.ts";
import { TurnRun } from "../../../src/cli/turn/turn-run.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import type { Turn } from "../../../src/turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { FakeClock } from "../../fake-clock.ts";
import { openScrape } from "../../telemetry/scrape.ts";
import { capturedPaths, linesOf } from "../captures.ts";

const turnId = "870593d7-381f-41e3-b94f-3497391787b5"; // That of text-happy.
const happy = linesOf("text-happy").filter((line) => !line.includes("ui_invalidate"));
const uptoFirstDelta = happy.slice(0, happy.findIndex((line) => line.includes("text_delta")) + 1);
const result = happy.find((line) => line.includes('"type":"result"'))!;
const lifecycle = (state: string, id = turnId) =>
  JSON.stringify({ type: "command_lifecycle", command_uuid: id, state, uuid: "u", session_id: "s" });
const textDelta = (text: string) =>
  JSON.stringify({
    type: "stream_event",
    event: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } },
    parent_tool_use_id: null,
  });

interface Options {
  readonly turn?: Partial<Turn>;
  readonly written?: Promise<void>;
  readonly usage?: () => Promise<JsonObject>;
  readonly bounds?: Partial<TurnHost["bounds"]>;
}

/** A turn on a process that is played by the test. */
function start({ turn = {}, written = Promise.resolve(), usage, bounds }: Options = {}) {
  const clock = new FakeClock();
  const requests: string[] = [];
  const happened: string[] = [];
  const ledger = new Charges();
  const host: TurnHost = {
    clock,
    log: silentLog,
    paths: new HostPaths(capturedPaths),
    bounds: {
      eventBufferSize: 16,
      maxEventsPerTurn: 200_000,
      silenceTimeoutMs: 10_000,
      interruptTimeoutMs: 3_000,
      upstreamIdleTimeoutMs: 20_000,
      upstreamTimeoutMs: 5_000,
      ...bounds,
    },
    chargedUsdMicros: 0,
    takenLineCount: () => 7,
    request: (request: { readonly subtype: string }, _options?: RequestOptions) => {
      requests.push(request.subtype);
      return request.subtype === "get_usage" && usage ? usage() : new Promise(() => undefined);
    },
    pause: () => happened.push("pause"),
    resume: () => happened.push("resume"),
    kill: (why) => happened.push(`kill: ${why}`),
    isClean: () => true,
  };
  const run = new TurnRun(
    {
      id: turnId,
      tenant: "t",
      profile: "p",
      content: [{ kind: "text", text: "hi" }],
      history: [],
      binding: {},
      settings: { model: "m", effort: "medium" },
      limits: {},
      detail: "standard",
      labels: {},
      ...turn,
    },
    host,
    written,
    [],
  );
  const says = (...lines: readonly string[]) => {
    for (const line of lines) {
      const message = parseLine(line)!;
      run.receive(message, line, message.kind === "result" ? ledger.book(message.body) : undefined);
    }
    run.flush();
  };
  return { run, clock, requests, happened, says };
}

async function all(events: AsyncIterable<TurnEvent>): Promise<readonly TurnEvent[]> {
  const read: TurnEvent[] = [];
  for await (const event of events) read.push(event);
  return read;
}
const kindsOf = (events: readonly TurnEvent[]) => events.map(({ kind }) => kind);
/** Whether a promise has settled, without waiting for it. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])) !== pending;
}

describe("a turn", () => {
  it("begins with init, has its end last, and ends at the result", async () => {
    const { run, says } = start();
    says(...happy.slice(0, happy.indexOf(result) + 1));
    const events = await all(run.events);
    expect(events[0]!.kind).toBe("init");
    expect(kindsOf(events).filter((kind) => kind === "ended")).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ kind: "ended", end: { outcome: "completed", workerReusable: true } });
    expect(await run.ended).toMatchObject({ text: "Hello there, general reply.", costUsdMicros: 6060 });
    expect(await isSettled(run.idle)).toBe(false);
  });

  it("is idle when the process has ended the prompt's life and says that it is idle", async () => {
    const { run, says, clock } = start();
    const [ended, idle] = happy.slice(-2);
    says(...happy.slice(0, -1));
    expect(ended).toContain("completed");
    expect(await isSettled(run.idle)).toBe(false);
    says(idle!);
    expect(await isSettled(run.idle)).toBe(true);
    expect(run.taint).toBeUndefined();
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("is not used again when the process never says that it is idle", async () => {
    const { run, says, clock } = start();
    says(...happy.slice(0, -2));
    await clock.advance(1_000);
    expect(await isSettled(run.idle)).toBe(true);
    expect(run.taint).toBe("idle_not_confirmed");
  });

  it("shows each of its lines once at full detail, and its end behind the last of them", async () => {
    const { run, says } = start({ turn: { detail: "full" } });
    says(...happy.slice(0, -2));
    expect(await isSettled(run.ended)).toBe(false);
    says(...happy.slice(-2));
    const events = await all(run.events);
    const raws = events.flatMap(({ raw }) => (raw === undefined ? [] : [raw]));
    const replaced = happy.map((line) => line.replaceAll("/workdir", "<cwd>"));
    expect([...raws].sort()).toEqual([...replaced].sort());
    expect(events[0]!.kind).toBe("init");
    expect(events.at(-1)).toMatchObject({ kind: "ended", raw: replaced[happy.indexOf(result)] });
    expect(events.filter(({ kind, raw }) => kind === "unknown" && raw === undefined)).toEqual([]);
  });

  it("takes nothing of an older turn for its own", async () => {
    const { run, says } = start();
    const foreign = result.replaceAll(turnId, "00000000-0000-4000-8000-000000000000");
    says(textDelta("of another turn"), foreign);
    says(...happy);
    const events = await all(run.events);
    expect(JSON.stringify(events)).not.toContain("of another turn");
    expect(await run.ended).toMatchObject({ outcome: "completed", workerReusable: false });
    expect(run.taint).toBe("stale_events");
  });

  it.each([
    ["another message's", textDelta("of another turn").slice(0, -1).concat(',"api_message_id":"msg_older"}')],
    ["no message's", textDelta("of another turn")],
  ])("takes nothing of an older turn for its own when it comes late, as %s", async (_, late) => {
    const { run, says } = start({ turn: { detail: "full" } });
    const begun = happy.findIndex((line) => line.includes('"started"')) + 1;
    says(...happy.slice(0, begun), late, ...happy.slice(begun));
    const events = await all(run.events);
    expect(JSON.stringify(events)).not.toContain("of another turn");
    expect((await run.ended).outcome).toBe("completed");
    expect(run.taint).toBe("stale_events");
  });

  it("is not ended by the result of a turn that the CLI began itself", async () => {
    const { run, says } = start();
    const own = JSON.stringify({ type: "result", is_error: false, origin: { kind: "task-notification" } });
    says(...uptoFirstDelta, own);
    expect(await isSettled(run.ended)).toBe(false);
    says(...happy.slice(uptoFirstDelta.length));
    expect((await run.ended).workerReusable).toBe(false);
    expect(run.taint).toBe("foreign_turn");
  });

  it("notes a second result", async () => {
    const { run, says } = start();
    says(...happy.slice(0, -2), result, ...happy.slice(-2));
    await run.idle;
    expect(run.taint).toBe("second_result");
  });

  it("keeps unknown lines, and drops those between the CLI and its driver", async () => {
    const { run, says } = start();
    says(...uptoFirstDelta, '{"type":"system","subtype":"from_the_future"}', ...happy.slice(uptoFirstDelta.length));
    const unknown = (await all(run.events)).filter(({ kind }) => kind === "unknown");
    expect(unknown).toEqual([{ kind: "unknown", name: "system/from_the_future", internal: false }]);
  });
});

describe("a turn with an output schema", () => {
  const turn = { binding: { outputSchemaJson: '{"type":"object"}' } };
  const init = happy.find((line) => line.includes('"subtype":"init"'))!;
  const withTool = JSON.stringify({ ...JSON.parse(init), tools: ["StructuredOutput"] });

  it("goes on when the process has a tool for it", () => {
    const { happened, says } = start({ turn });
    says(lifecycle("started"), withTool);
    expect(happened).toEqual([]);
  });

  it("is ended at init, with its process, when the schema was dropped without a word: it could only be paid for", async () => {
    const { run, happened, says } = start({ turn });
    says(lifecycle("started"), init);
    expect(happened).toEqual(["kill: it has no tool for the output schema"]);
    const end = await run.ended;
    expect(end).toMatchObject({ outcome: "structuredOutputFailed", workerReusable: false });
    expect(end.error).toMatchObject({
      reason: "NOT_SUPPORTED_BY_CLI",
      message: expect.stringContaining("output schema"),
    });
  });
});

describe("an interrupt", () => {
  it("names the first cause, also when the process finishes all the same", async () => {
    const { run, says } = start();
    says(...uptoFirstDelta);
    run.interrupt("deadlineExceeded");
    run.interrupt("cancelled");
    says(...happy.slice(uptoFirstDelta.length));
    expect(await run.ended).toMatchObject({ outcome: "deadlineExceeded", error: { reason: "DEADLINE_EXCEEDED" } });
    expect(kindsOf(await all(run.events))).toEqual(["ended"]);
  });

  it("changes nothing once the result is there", async () => {
    const { run, says, requests } = start();
    says(...happy.slice(0, -2));
    run.interrupt("cancelled");
    expect((await run.ended).outcome).toBe("completed");
    expect(requests).toEqual([]);
  });

  it("is repeated until the turn ends, and after its timeout the process is killed", async () => {
    const { run, says, clock, requests, happened } = start();
    says(...uptoFirstDelta);
    run.interrupt("cancelled");
    await clock.advance(1_499);
    expect(requests).toEqual(["interrupt", "interrupt", "interrupt"]);
    await clock.advance(1_501);
    expect(happened).toEqual(["kill: an interrupt did not end the turn"]);
    expect(await run.ended).toMatchObject({ outcome: "cancelled", workerReusable: false });
    run.processGone("signal SIGKILL");
    expect(await isSettled(run.idle)).toBe(true);
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("ends a prompt that had not started, and leaves it out of the conversation", async () => {
    const { run, says } = start();
    run.interrupt("cancelled");
    says(lifecycle("queued"), lifecycle("cancelled"));
    expect(await run.ended).toMatchObject({ outcome: "cancelled", workerReusable: true });
    expect(await isSettled(run.idle)).toBe(true);
    expect(run.hasStarted).toBe(false);
    expect((await run.ended).promptNumber).toBeUndefined();
  });

  it("says which model call it cut off, and how far that had come", async () => {
    const { run, says, clock } = start();
    const untilStart = happy.findIndex((line) => line.includes("message_start"));
    says(...happy.slice(0, untilStart));
    await clock.advance(40);
    says(...happy.slice(untilStart, uptoFirstDelta.length));
    await clock.advance(5);
    run.interrupt("cancelled");
    await clock.advance(3);
    says(...happy.slice(uptoFirstDelta.length));
    expect((await run.ended).cutModelCall).toEqual({
      startedAtMs: 0,
      answeredAtMs: 40,
      model: "claude-opus-5-5",
      endedAtMs: 45,
    });
  });

  it("cuts no model call off between two of them, nor in a turn that ends by itself", async () => {
    const { run, says } = start();
    const behindAnswer = happy.findIndex((line) => line.includes("message_stop")) + 1;
    says(...happy.slice(0, behindAnswer));
    run.interrupt("cancelled");
    says(...happy.slice(behindAnswer));
    expect((await run.ended).cutModelCall).toBeUndefined();

    const undisturbed = start();
    undisturbed.says(...happy);
    expect(await undisturbed.run.ended).toMatchObject({ cutModelCall: undefined, promptNumber: 7 });
  });
});

describe("a limit", () => {
  const toolUse = linesOf("tool-heartbeat");
  const forTurn = (lines: readonly string[]) => [lifecycle("queued"), lifecycle("started"), ...lines];

  it("of model calls ends the turn when another call would follow, and shows what came before", async () => {
    const { run, says, requests } = start({ turn: { limits: { maxModelCallCount: 1 } } });
    const until = toolUse.findIndex((line) => line.includes('"message_delta"')) + 1;
    says(...forTurn(toolUse.slice(0, until)));
    expect(requests).toEqual(["interrupt"]);
    const ended = { type: "result", subtype: "error_during_execution", is_error: true, user_message_uuids: [turnId] };
    says(JSON.stringify(ended), lifecycle("cancelled"));
    const events = await all(run.events);
    expect(kindsOf(events)).toContain("toolUse");
    expect(await run.ended).toMatchObject({ outcome: "modelCallLimit", error: undefined, modelCallCount: 1 });
  });

  it("of model calls leaves a structured output alone, which ends the turn by itself", () => {
    const { says, requests } = start({ turn: { limits: { maxModelCallCount: 1 } } });
    says(...forTurn(linesOf("structured-output").filter((line) => !line.includes('"type":"result"'))));
    expect(requests).toEqual([]);
  });

  it("of output ends the turn with the text up to it", async () => {
    const { run, says, requests } = start({ turn: { limits: { maxOutputBytes: 12 } } });
    says(...happy.slice(0, -3));
    expect(requests).toEqual(["interrupt"]);
    const ended = { type: "result", subtype: "error_during_execution", is_error: true, user_message_uuids: [turnId] };
    says(JSON.stringify(ended), lifecycle("cancelled"));
    expect(await run.ended).toMatchObject({ outcome: "outputLimit", error: undefined, text: "Hello ther" });
  });

  it("of events ends the turn like its limit of output, and nothing more of it is kept for its reader", async () => {
    const { run, says, requests, clock } = start({ bounds: { maxEventsPerTurn: 1_000 } });
    says(...uptoFirstDelta);
    const read: TurnEvent[] = [];
    const reading = (async () => {
      for await (const event of run.events) read.push(event);
    })();
    for (let at = 0; at < 5_000; at += 1) says(textDelta("x"));
    expect(requests[0]).toBe("interrupt");
    await clock.advance(3_000);
    await reading;
    const end = await run.ended;
    expect(end.outcome).toBe("outputLimit");
    expect(end.error).toBeUndefined();
    const deltas = read.filter((event) => event.kind === "textDelta");
    expect(read.length).toBeLessThanOrEqual(1_001);
    expect(deltas.map(({ text }) => text).join("")).toBe(end.text);
    expect(end.text.length).toBeGreaterThan(900);
  });

  it("of events is counted the same at every level of detail", async () => {
    const countUntilEnd = (detail: Turn["detail"]) => {
      const { says, requests } = start({ bounds: { maxEventsPerTurn: 300 }, turn: { detail } });
      says(...uptoFirstDelta);
      let count = 0;
      while (requests.length === 0) {
        says(textDelta("x"));
        count += 1;
      }
      return count;
    };
    expect(countUntilEnd("text")).toBe(countUntilEnd("full"));
  });

  it("of time ends the turn", async () => {
    const { run, clock, requests, says } = start({ turn: { limits: { maxDurationMs: 2_000 } } });
    says(...uptoFirstDelta);
    await clock.advance(2_000);
    expect(requests[0]).toBe("interrupt");
    await clock.advance(3_000);
    expect((await run.ended).outcome).toBe("durationLimit");
  });

  it.each([
    [
      "is asked for when more work follows, and ends the turn",
      async () => ({ session: { total_cost_usd: 0.5 } }),
      true,
    ],
    ["lets the turn go on while there is some left", async () => ({ session: { total_cost_usd: 0.4 } }), false],
    ["ends the turn when it cannot be known", async () => Promise.reject(new Error("no")), true],
  ])("of cost %s", async (_, usage, ends) => {
    const { says, requests, clock } = start({ turn: { limits: { maxCostUsdMicros: 500_000 } }, usage });
    says(...uptoFirstDelta);
    expect(requests).toEqual([]);
    const until = toolUse.findIndex((line) => line.includes('"message_delta"')) + 1;
    says(...toolUse.slice(0, until));
    await clock.settle();
    expect(requests).toEqual(ends ? ["get_usage", "interrupt"] : ["get_usage"]);
  });

  it("of patience is not a retry that may help, which is counted at any level of detail", async () => {
    const scrape = openScrape();
    const { says, requests } = start({ turn: { detail: "text" } });
    const retry = (status: number | null, error: string) =>
      JSON.stringify({ type: "system", subtype: "api_retry", attempt: 1, error_status: status, error });
    says(
      ...happy.slice(0, 5),
      retry(503, "server_error"),
      retry(503, "server_error"),
      retry(null, "connection_failed"),
    );
    expect(requests).toEqual([]);
    const counted = await scrape.series("runner_upstream_retries_total");
    expect(counted.map(({ labels, value }) => [labels.error_type, value])).toEqual([
      ["503", 2],
      ["connection_failed", 1],
    ]);
    await scrape.close();
  });

  it("of patience with a refused credential is its first retry", async () => {
    const { run, says, requests } = start();
    says(
      ...happy.slice(0, 5),
      ...linesOf("interrupt-during-retry-wait")
        .filter((line) => line.includes("api_retry"))
        .slice(0, 1),
    );
    expect(requests).toEqual(["interrupt"]);
    says(
      JSON.stringify({
        type: "result",
        is_error: true,
        subtype: "error_during_execution",
        user_message_uuids: [turnId],
      }),
    );
    expect(await run.ended).toMatchObject({ error: { reason: "UPSTREAM_AUTH" }, upstreamFailure: { httpStatus: 401 } });
  });
});

describe("a slow reader", () => {
  it("keeps the process from being read beyond the buffer", async () => {
    const { run, says, happened } = start();
    says(...uptoFirstDelta);
    for (let at = 0; at < 20; at += 1) says(textDelta(String(at)));
    expect(happened).toEqual(["pause"]);
    const reader = run.events[Symbol.asyncIterator]();
    while (happened.length < 2) await reader.next();
    expect(happened).toEqual(["pause", "resume"]);
  });

  it("is not taken for a silent process", async () => {
    const { says, happened, clock } = start();
    says(...uptoFirstDelta);
    for (let at = 0; at < 20; at += 1) says(textDelta(String(at)));
    await clock.advance(60_000);
    expect(happened).toEqual(["pause"]);
  });

  it("is left behind when the turn is cancelled", async () => {
    const { run, says, happened } = start();
    says(...uptoFirstDelta);
    for (let at = 0; at < 20; at += 1) says(textDelta(String(at)));
    run.interrupt("clientStalled");
    expect(happened).toEqual(["pause", "resume"]);
    says(...happy.slice(uptoFirstDelta.length));
    expect(kindsOf(await all(run.events))).toEqual(["ended"]);
  });

  it("may leave, and the turn goes on to its end", async () => {
    const { run, says } = start();
    says(...uptoFirstDelta);
    for await (const event of run.events) if (event.kind === "init") break;
    for (let at = 0; at < 100; at += 1) says(textDelta(String(at)));
    says(...happy.slice(uptoFirstDelta.length));
    expect((await run.ended).outcome).toBe("completed");
  });
});

describe("a turn in which Claude Code asks", () => {
  const unanswered = { usage: () => Promise.reject(new Error("no answer")) };

  it("may wait for the answer for longer than it may be silent, and than it may last", async () => {
    const { run, says, happened, requests, clock } = start({
      ...unanswered,
      turn: { limits: { maxDurationMs: 15_000 } },
    });
    says(...uptoFirstDelta);
    run.questionsOpen(1);
    await clock.advance(3_600_000);
    expect([happened, requests]).toEqual([[], []]);
    run.questionsOpen(0);
    says(...happy.slice(uptoFirstDelta.length));
    expect(await run.ended).toMatchObject({ outcome: "completed", workerReusable: true });
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("is watched for silence again from the last answer on", async () => {
    const { run, says, happened, clock } = start(unanswered);
    says(...uptoFirstDelta);
    run.questionsOpen(1);
    run.questionsOpen(2);
    await clock.advance(60_000);
    run.questionsOpen(1);
    await clock.advance(60_000);
    run.questionsOpen(0);
    await clock.advance(9_999);
    expect(happened).toEqual([]);
    await clock.advance(10_001);
    expect(happened).toEqual([expect.stringMatching(/^kill: the worker said nothing for/)]);
  });

  it("has as much time left after the answer as before the question", async () => {
    const { run, says, requests, clock } = start({
      usage: async () => ({}),
      turn: { limits: { maxDurationMs: 5_000 } },
    });
    says(...uptoFirstDelta);
    await clock.advance(3_000);
    run.questionsOpen(1);
    await clock.advance(60_000);
    run.questionsOpen(0);
    await clock.advance(1_999);
    expect(requests).not.toContain("interrupt");
    await clock.advance(1);
    expect(requests.at(-1)).toBe("interrupt");
    await clock.advance(3_000);
    expect((await run.ended).outcome).toBe("durationLimit");
  });

  it("is not taken for silent while its reader is behind, also when the answer has come", async () => {
    const { run, says, happened, clock } = start(unanswered);
    says(...uptoFirstDelta);
    for (let at = 0; at < 20; at += 1) says(textDelta(String(at)));
    run.questionsOpen(1);
    run.questionsOpen(0);
    await clock.advance(60_000);
    expect(happened).toEqual(["pause"]);
  });

  it("may ask before it is known to have the prompt", async () => {
    const { run, says, happened, clock } = start(unanswered);
    run.questionsOpen(1);
    await clock.advance(60_000);
    expect(happened).toEqual([]);
    says(...happy.slice(0, happy.findIndex((line) => line.includes('"started"')) + 1));
    run.questionsOpen(0);
    expect(run.hasStarted).toBe(true);
    says(...happy.slice(happy.findIndex((line) => line.includes('"started"')) + 1));
    expect((await run.ended).outcome).toBe("completed");
  });

  it("is ended by an interrupt all the same, within its timeout", async () => {
    const { run, says, requests, happened, clock } = start();
    says(...uptoFirstDelta);
    run.questionsOpen(1);
    await clock.advance(60_000);
    run.interrupt("cancelled");
    expect(requests).toEqual(["interrupt"]);
    run.questionsOpen(0); // Withdrawn.
    says(result, lifecycle("cancelled"));
    expect((await run.ended).outcome).toBe("cancelled");

    const stuck = start();
    stuck.says(...uptoFirstDelta);
    stuck.run.questionsOpen(1);
    stuck.run.interrupt("cancelled");
    await stuck.clock.advance(3_000);
    expect(stuck.happened).toEqual(["kill: an interrupt did not end the turn"]);
    expect((await stuck.run.ended).outcome).toBe("cancelled");
    expect(happened).toEqual([]);
  });

  it("has died when the process goes before the answer", async () => {
    const { run, says, clock } = start({ turn: { limits: { maxDurationMs: 5_000 } } });
    says(...uptoFirstDelta);
    run.questionsOpen(1);
    run.processGone("signal SIGKILL");
    run.questionsOpen(0);
    expect(await run.ended).toMatchObject({ outcome: "workerDied" });
    expect(await isSettled(run.idle)).toBe(true);
    expect(clock.pendingTimerCount).toBe(0);
  });
});

describe("a process that fails its turn", () => {
  it("is killed after its silence when it does not answer, and the caller does not wait for its death", async () => {
    const { run, says, happened, clock } = start({ usage: () => Promise.reject(new Error("no answer")) });
    await clock.advance(9_000);
    says(...uptoFirstDelta);
    await clock.advance(9_999);
    expect(happened).toEqual([]);
    await clock.advance(1);
    expect(happened).toEqual(["kill: the worker said nothing for 10000 ms"]);
    expect(await run.ended).toMatchObject({ outcome: "workerDied", workerReusable: false });
    expect((await run.ended).error!.facts.contentStreamed).toBe(true);
  });

  it("waits for a silent model while it answers, says that it asks again, and is interrupted when that is too long", async () => {
    const { run, says, happened, requests, clock } = start({ usage: async () => ({}) });
    says(...uptoFirstDelta);
    await clock.advance(20_999);
    expect(requests).toEqual(["get_usage", "get_usage"]);
    await clock.advance(34_000);
    expect(happened).toEqual([]);
    expect(requests).not.toContain("interrupt");
    // Twice 20 s, 5 s, and 10 s of patience.
    await clock.advance(1);
    expect(requests.at(-1)).toBe("interrupt");
    says(result, lifecycle("completed"));
    expect(await run.ended).toMatchObject({
      outcome: "upstreamError",
      error: { reason: "UPSTREAM_TIMEOUT", facts: { silentMs: 55_000 } },
      workerReusable: true,
    });
    expect(happened).toEqual([]);
    const notices = (await all(run.events)).flatMap((event) => (event.kind === "notice" ? [event.text] : []));
    expect(notices).toEqual([
      expect.stringMatching(/sent nothing for 21 s. After 20 s without a byte, Claude Code sends the request again/),
      expect.stringMatching(/sent nothing for 41 s/),
    ]);
  });

  it("has died when it goes without a result, with the usage so far", async () => {
    const { run, says } = start();
    says(...uptoFirstDelta);
    run.processGone("signal SIGKILL");
    expect(await run.ended).toMatchObject({
      outcome: "workerDied",
      text: "Hello ther",
      usage: { inputTokens: 1000 },
      costIsEstimate: true,
    });
    expect(await isSettled(run.idle)).toBe(true);
  });

  it("has died in a model call when one was under way, and not in one when it goes after the result", async () => {
    const died = start();
    died.says(...uptoFirstDelta);
    died.run.processGone("signal SIGKILL");
    expect(await died.run.ended).toMatchObject({ outcome: "workerDied", cutModelCall: { model: "claude-opus-5-5" } });

    const done = start();
    done.says(...happy.slice(0, -2));
    done.run.processGone("signal SIGKILL");
    expect((await done.run.ended).cutModelCall).toBeUndefined();
  });

  it("has done its turn when it goes after the result", async () => {
    const { run, says } = start({ turn: { detail: "full" } });
    says(...happy.slice(0, -2));
    run.processGone("signal SIGKILL");
    expect(await run.ended).toMatchObject({ outcome: "completed", workerReusable: false });
  });

  it("gives the turn back when it does not take the whole prompt", async () => {
    const { run, happened } = start({ written: Promise.reject(new Error("EPIPE")) });
    await expect(run.written).rejects.toMatchObject({ reason: "WORKER_DIED" });
    expect(happened).toEqual(["kill: the prompt could not be written"]);
    expect((await run.ended).outcome).toBe("workerDied");
  });
});
