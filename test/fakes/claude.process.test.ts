import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { startStandin } from "../../src/standin/standin-server.ts";
import { type FakeCli, makeFakeCli } from "./fake-cli.ts";
import type { FakeScript } from "./script.ts";
import { resultsOf, StreamJsonProcess, streamedText } from "./stream-json-process.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const env = { CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1" };

async function fakeCli(script?: FakeScript): Promise<FakeCli> {
  return stack.use(await makeFakeCli(script));
}

function spawned(fake: Pick<FakeCli, "path">, args: readonly string[] = []): StreamJsonProcess {
  return stack.use(new StreamJsonProcess({ path: fake.path, args, env }));
}

async function started(script?: FakeScript): Promise<StreamJsonProcess> {
  return spawned(await fakeCli(script));
}

/** Whether a process exists. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("the fake CLI", () => {
  test("is one executable path, and tells its version", async () => {
    const cli = stack.use(
      new StreamJsonProcess({ path: fileURLToPath(new URL("claude", import.meta.url)), args: ["--version"] }),
    );
    expect(await cli.closed).toEqual({ code: 0, signal: null });
    expect(cli.garbage).toEqual(["2.1.332 (Claude Code)"]);
    const older = spawned(await fakeCli({ version: "1.0.0 (Claude Code)" }), ["--version"]);
    await older.closed;
    expect(older.garbage).toEqual(["1.0.0 (Claude Code)"]);
  });

  test("echoes, and says nothing before it is asked", async () => {
    const cli = await started();
    const messages = await cli.turn("hello");
    expect(cli.messages[0]).toMatchObject({ subtype: "session_state_changed", state: "running" });
    expect(streamedText(messages)).toBe("You said: hello");
    expect(resultsOf(messages)).toMatchObject([{ subtype: "success", is_error: false, result: "You said: hello" }]);
  });

  test("keeps a record of how it was started and of what it read", async () => {
    const fake = await fakeCli();
    const cli = spawned(fake, ["--model", "m"]);
    await cli.turn("hello");
    const record = await fake.record();
    expect(record[0]).toMatchObject({ pid: cli.pid, started: { args: ["--model", "m"], env } });
    expect(Object.keys(record[0]!.started!.env)).not.toContain("FAKE_CLAUDE_SCRIPT");
    expect(record[1]).toMatchObject({ in: { type: "user", message: { content: "hello" } } });
  });

  test("keeps the books of a session", async () => {
    const cli = await started();
    const [first] = resultsOf(await cli.turn("one"));
    const [second] = resultsOf(await cli.turn("two"));
    expect(second!.result_index).toBe(1);
    expect(second!.total_cost_usd).toBeCloseTo(2 * first!.total_cost_usd);
    expect(second!.model_usage_since_last_result).toEqual(first!.model_usage_since_last_result);
    expect((await cli.control({ subtype: "get_usage" })).response.session.total_cost_usd).toBe(second!.total_cost_usd);
  });

  test("applies settings and says what holds", async () => {
    const cli = spawned(await fakeCli(), ["--model=a", "--effort=low"]);
    const applied = async () => (await cli.control({ subtype: "get_settings" })).response.applied;
    expect(await applied()).toMatchObject({ model: "a", effort: "low" });
    await cli.control({ subtype: "apply_flag_settings", settings: { model: "b", effortLevel: "high" } });
    expect(await applied()).toMatchObject({ model: "b", effort: "high" });
    expect(await cli.turn("x")).toContainEqual(expect.objectContaining({ subtype: "init", model: "b" }));
    expect(cli.messages.some(({ isReplay }) => isReplay)).toBe(false);
    await cli.control({ subtype: "apply_flag_settings", settings: { model: "c" } });
    expect(cli.messages.at(-2)).toMatchObject({ type: "user", isReplay: true });
  });

  test("refuses a request that it does not know", async () => {
    const cli = await started();
    expect(await cli.control({ subtype: "nope" })).toMatchObject({
      subtype: "error",
      error_code: "unsupported_request",
    });
  });

  test("runs what came meanwhile as one turn", async () => {
    const cli = await started({ acts: [{ do: "wait", ms: 100, times: 1 }] });
    const idle = cli.untilIdle();
    const uuids = ["a", "b", "c"].map((prompt) => cli.ask(prompt));
    const results = resultsOf(await idle);
    expect(results.map(({ user_message_uuids }) => user_message_uuids)).toEqual([[uuids[0]], [uuids[1], uuids[2]]]);
  });

  test("ignores a repeated uuid, without a result", async () => {
    const cli = await started();
    const uuid = crypto.randomUUID();
    await cli.turn("one", { uuid });
    expect(resultsOf(await cli.turn("one", { uuid }))).toEqual([]);
  });
});

describe("a rewind", () => {
  async function withTurns() {
    const cli = await started();
    const uuids = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
    for (const uuid of uuids) await cli.turn(uuid, { uuid });
    const rewind = async (target: unknown, lastSeen?: string) =>
      (
        await cli.control({
          subtype: "rewind_conversation",
          target_message_uuid: target,
          last_seen_user_message_uuid: lastSeen,
        })
      ).response;
    return { cli, uuids: uuids as [string, string, string], rewind };
  }

  test("goes to the first message, once", async () => {
    const { uuids, rewind } = await withTurns();
    const [first, , last] = uuids;
    expect(await rewind(first, last)).toMatchObject({
      rewound: true,
      prefillText: first,
      precedingAssistantUuid: null,
    });
    expect(await rewind(first, last)).toMatchObject({ rewound: false, reason: "target_not_found" });
  });

  test("goes to a message in the middle, and says what is before it", async () => {
    const { cli, uuids, rewind } = await withTurns();
    const firstAnswer = cli.messages.find(({ type }) => type === "assistant")!;
    expect(await rewind(uuids[1], uuids[2])).toMatchObject({ rewound: true, precedingAssistantUuid: firstAnswer.uuid });
  });

  test("is refused in the CLI's words", async () => {
    const { cli, uuids, rewind } = await withTurns();
    const [first, second] = uuids;
    expect(await rewind(first)).toMatchObject({ rewound: false, reason: "stale_target" });
    expect(await rewind(first, second)).toMatchObject({ rewound: false, reason: "unseen_later_turn" });
    expect(await rewind(crypto.randomUUID(), second)).toMatchObject({ rewound: false, reason: "target_not_found" });
    expect(await cli.control({ subtype: "rewind_conversation" })).toMatchObject({ subtype: "error" });
    cli.ask("[[fake hang]]");
    await cli.until(({ type }) => type === "stream_event");
    expect(await rewind(first, second)).toMatchObject({ rewound: false, reason: "turn_running" });
  });

  test("does not get behind a summary", async () => {
    const { cli, uuids, rewind } = await withTurns();
    const newest = crypto.randomUUID();
    const messages = await cli.turn("[[fake compact]]", { uuid: newest });
    expect(messages.some(({ subtype }) => subtype === "compact_boundary")).toBe(true);
    expect(await rewind(uuids[0], newest)).toMatchObject({ rewound: false, reason: "target_not_found" });
    expect((await rewind(newest, newest)).precedingAssistantUuid).not.toBeNull();
  });
});

describe("an end", () => {
  test("comes with the input, in good order", async () => {
    const cli = await started();
    cli.ask("hello");
    cli.endInput();
    expect(await cli.closed).toEqual({ code: 0, signal: null });
    expect(resultsOf(cli.messages)).toHaveLength(1);
  });

  test("is 1 after a failed turn", async () => {
    const cli = await started({ answer: { error: { status: 500 }, retries: { count: 2 } } });
    const messages = await cli.turn("hello");
    expect(messages.filter(({ subtype }) => subtype === "api_retry")).toHaveLength(2);
    expect(resultsOf(messages)).toMatchObject([{ subtype: "success", is_error: true, api_error_status: 500 }]);
    cli.endInput();
    expect(await cli.exited).toMatchObject({ code: 1 });
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 0],
  ] as const)("comes at %s with %i", async (signal, code) => {
    const cli = await started();
    await cli.control({ subtype: "get_settings" });
    cli.signal(signal);
    expect(await cli.exited).toEqual({ code, signal: null });
  });

  test.each([
    ["no JSON", /^Error parsing streaming input line/u],
    ["null", /TypeError/u],
    ['{"type":"user"}', /Expected message role 'user', got 'undefined'/u],
    ['{"type":"control_request","request_id":"1"}', /Missing request on control_request/u],
  ])("is the answer to %s", async (line, stderr) => {
    const cli = await started();
    cli.write(line);
    expect(await cli.closed).toMatchObject({ code: 1 });
    expect(cli.stderr).toMatch(stderr);
    expect(cli.messages).toEqual([]);
  });

  test.each(["{}", "[]", "", '{"type":"keep_alive"}', '{"type":"system"}'])("is not the answer to %j", async (line) => {
    const cli = await started();
    cli.write(line);
    expect(await cli.control({ subtype: "get_settings" })).toMatchObject({ subtype: "success" });
  });

  test("can be had at any point", async () => {
    for (const at of [
      "start",
      "initialize",
      "seeding",
      "beforeInit",
      "afterInit",
      "midText",
      "beforeResult",
      "afterResult",
    ] as const) {
      const cli = await started({ acts: [{ do: "exit", at, code: 7 }] });
      const id = { request_id: "1", type: "control_request" };
      cli.write({ ...id, request: { subtype: "initialize" } });
      cli.ask("history", { shouldQuery: false });
      cli.ask("question");
      expect([at, await cli.closed]).toEqual([at, { code: 7, signal: null }]);
      expect(resultsOf(cli.messages)).toHaveLength(
        { afterResult: 2, start: 0, initialize: 0, seeding: 0 }[at as string] ?? 1,
      );
    }
  });

  test("can be a signal", async () => {
    const cli = await started();
    cli.ask("[[fake kill]]");
    expect(await cli.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("can be half a line", async () => {
    const cli = await started();
    cli.ask("[[fake halfLine]]");
    expect(await cli.closed).toEqual({ code: 0, signal: null });
    expect(cli.unfinishedLine).toMatch(/^\{"type":"system"/u);
  });

  test("can be refused", async () => {
    const cli = await started({ acts: [{ do: "ignoreTerm" }, { do: "ignoreEof" }] });
    await cli.turn("hello");
    cli.signal("SIGTERM");
    expect(await cli.control({ subtype: "get_settings" })).toMatchObject({ subtype: "success" });
    cli.endInput();
    // Started and ended meanwhile.
    const other = await started();
    other.endInput();
    await other.exited;
    expect(isAlive(cli.pid)).toBe(true);
    cli.signal("SIGKILL");
    expect(await cli.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("can be different for the first processes", async () => {
    const fake = await fakeCli({ processes: [{ acts: [{ do: "exit", at: "start", code: 3 }] }] });
    expect(await spawned(fake).exited).toMatchObject({ code: 3 });
    expect(resultsOf(await spawned(fake).turn("hello"))).toHaveLength(1);
  });
});

describe("an interrupt", () => {
  test.each(["beforeInit", "afterInit", "midText", "beforeResult"] as const)(
    "ends a turn that hangs at %s",
    async (at) => {
      const cli = await started({ acts: [{ do: "hang", at, times: 1 }] });
      const idle = cli.untilIdle();
      const uuid = cli.ask("hello");
      await cli.until(({ state }) => state === "started");
      await cli.control({ subtype: "interrupt" });
      const messages = await idle;
      expect(resultsOf(messages)).toMatchObject([
        { subtype: "error_during_execution", terminal_reason: "aborted_streaming" },
      ]);
      expect(messages).toContainEqual(expect.objectContaining({ command_uuid: uuid, state: "cancelled" }));
      expect(resultsOf(await cli.turn("again"))).toMatchObject([{ is_error: false }]);
    },
  );

  test("of an idle process is harmless", async () => {
    const cli = await started();
    expect((await cli.control({ subtype: "interrupt" })).response).toEqual({ still_queued: [] });
    expect(resultsOf(await cli.turn("hello"))).toMatchObject([{ is_error: false }]);
  });

  test("can be ignored", async () => {
    const cli = await started({ acts: [{ do: "ignoreInterrupts", count: 1 }, { do: "hang" }] });
    const idle = cli.untilIdle();
    cli.ask("hello");
    await cli.until(({ type }) => type === "stream_event");
    await cli.control({ subtype: "interrupt" });
    expect(resultsOf(cli.messages)).toEqual([]);
    await cli.control({ subtype: "interrupt" });
    expect(resultsOf(await idle)).toHaveLength(1);
  });

  test("stops a flood", async () => {
    const cli = await started();
    const idle = cli.untilIdle();
    cli.ask('[[fake answer {"flood":{"deltas":5000000,"chars":20}}]]');
    await cli.until(({ event }) => event?.type === "content_block_delta");
    await cli.control({ subtype: "interrupt" });
    expect(resultsOf(await idle)).toMatchObject([{ subtype: "error_during_execution" }]);
  });

  test("can leave events of the old turn for the new one", async () => {
    const cli = await started();
    const idle = cli.untilIdle();
    cli.ask("[[fake staleEvents]] [[fake hang]]");
    await cli.until(({ event }) => event?.type === "message_start");
    const oldId = cli.messages.at(-1)!.api_message_id;
    await cli.control({ subtype: "interrupt" });
    await idle;
    const next = await cli.turn("again");
    const first = next.find(({ type }) => type === "stream_event");
    expect([oldId, first!.event.type]).toEqual([expect.any(String), "content_block_delta"]);
    expect(next.findIndex(({ subtype }) => subtype === "init")).toBeGreaterThan(next.indexOf(first!));
  });
});

describe("an answer", () => {
  test("can be a flood in which nothing is lost", async () => {
    const cli = await started();
    const messages = await cli.turn('[[fake answer {"flood":{"deltas":30000,"chars":12}}]]');
    expect(messages.filter(({ event }) => event?.type === "content_block_delta")).toHaveLength(30_000);
    expect(streamedText(messages)).toBe(resultsOf(messages)[0]!.result);
  });

  test("can think, use a tool, be taken back, be structured", async () => {
    const cli = await started();
    const messages = await cli.turn(
      '[[fake answer {"thinking":"hm","tool":{"name":"Bash","result":"hi"},"retracts":true,"text":"done"}]]',
    );
    expect(messages.filter(({ type }) => type === "assistant").map(({ message }) => message.content[0].type)).toEqual([
      "tool_use",
      "thinking",
      "text",
    ]);
    expect(messages.some(({ abandoned_blocks: abandoned }) => abandoned?.from_block_index === 0)).toBe(true);
    expect(streamedText(messages)).toBe("done");
    const structured = await cli.turn('[[fake answer {"structuredOutput":{"a":1}}]]');
    expect(resultsOf(structured)).toMatchObject([{ structured_output: { a: 1 }, stop_reason: "tool_use" }]);
  });

  test("arrives whole in single bytes, with other line ends", async () => {
    const text = "é🙂\u2028\u0000\u2029 the end";
    const cli = await started({ answer: { text }, acts: [{ do: "chunk", bytes: 1 }, { do: "crlf" }] });
    expect(streamedText(await cli.turn("hello"))).toBe(text);
  });

  test("can come with garbage, unknown messages, noise and a second result", async () => {
    const cli = await started();
    const messages = await cli.turn(
      '[[fake garbage {"lines":2}]] [[fake unknown]] [[fake stderr {"bytes":300000}]] [[fake secondResult]] [[fake background]]',
    );
    expect(cli.garbage).toHaveLength(2);
    expect(messages.map(({ type }) => type)).toContain("weather_report");
    expect(resultsOf(messages)).toHaveLength(2);
    expect(messages).toContainEqual(expect.objectContaining({ subtype: "background_tasks_changed" }));
    await expect.poll(() => cli.stderr.length).toBe(300_000);
  });

  test("can hold a line without an end", async () => {
    const cli = await started();
    cli.ask('[[fake longLine {"bytes":3000000}]] [[fake exit {"code":0}]]');
    await cli.closed;
    expect(cli.unfinishedLine.length).toBeGreaterThan(3_000_000);
  });

  test("fails loudly when a marker cannot be read", async () => {
    const cli = await started();
    cli.ask("[[fake nonsense]]");
    expect(await cli.closed).toMatchObject({ code: 1 });
    expect(cli.stderr).toContain("there is no act nonsense");
  });
});

describe("a control request", () => {
  test("can be answered late, wrongly or not at all", async () => {
    const cli = await started({
      controls: {
        get_settings: { silent: true, times: 1 },
        rewind_conversation: { reply: { rewound: false, reason: "stale_target" } },
        apply_flag_settings: { error: "no such model", delayMs: 1 },
      },
    });
    let answered = false;
    void cli.control({ subtype: "get_settings" }).then(
      () => {
        answered = true;
      },
      // It never is; the process ends with the test.
      () => undefined,
    );
    expect((await cli.control({ subtype: "rewind_conversation" })).response).toMatchObject({ reason: "stale_target" });
    expect(await cli.control({ subtype: "apply_flag_settings" })).toMatchObject({
      subtype: "error",
      error: "no such model",
    });
    expect(await cli.control({ subtype: "get_settings" })).toMatchObject({ subtype: "success" });
    expect(answered).toBe(false);
  });
});

test("a grandchild outlives the fake and ignores TERM", async () => {
  const fake = await fakeCli({ acts: [{ do: "grandchild" }] });
  const cli = spawned(fake);
  await cli.turn("hello");
  const grandchild = (await fake.record()).find((entry) => entry.grandchild !== undefined)!.grandchild!;
  onTestFinished(() => void process.kill(grandchild, "SIGKILL"));
  cli.endInput();
  await cli.exited;
  process.kill(grandchild, "SIGTERM");
  expect(isAlive(grandchild)).toBe(true);
});

test("an idle fake can burn its CPU and grow, and still answers", async () => {
  const cli = await started({ acts: [{ do: "burnCpu" }, { do: "grow", bytes: 30_000_000 }] });
  await cli.turn("hello");
  expect(resultsOf(await cli.turn("again"))).toHaveLength(1);
});

describe("a question", () => {
  const isQuestion = ({ type }: { type: string }) => type === "control_request";

  test("makes the session wait, and the turn goes on when it is answered", async () => {
    const cli = await started({ acts: [{ do: "ask" }] });
    const asked = cli.until(isQuestion);
    const turn = cli.turn("hello");
    const question = (await asked).at(-1)!;
    expect(question.request).toMatchObject({ subtype: "can_use_tool", tool_name: "Bash" });
    cli.write({
      type: "control_response",
      response: { subtype: "success", request_id: question.request_id, response: { behavior: "deny", message: "no" } },
    });
    const messages = await turn;
    const states = messages.filter(({ subtype }) => subtype === "session_state_changed").map(({ state }) => state);
    expect(states).toEqual(["running", "requires_action", "running", "idle"]);
    expect(streamedText(messages)).toBe("You said: hello");
  });

  test("is withdrawn when the turn is interrupted, before the result, and after the time of its patience", async () => {
    const cli = await started({ turns: [[{ do: "ask" }], [{ do: "ask", withdrawAfterMs: 5 }]] });
    const asked = cli.until(isQuestion);
    const turn = cli.turn("hello");
    const { request_id } = (await asked).at(-1)!;
    await cli.control({ subtype: "interrupt" });
    const messages = await turn;
    const cancelAt = messages.findIndex(({ type }) => type === "control_cancel_request");
    expect(messages[cancelAt]).toMatchObject({ request_id });
    expect(cancelAt).toBeLessThan(messages.findIndex(({ type }) => type === "result"));
    expect(resultsOf(messages)).toMatchObject([{ is_error: true }]);

    const impatient = await cli.turn("again");
    expect(impatient.map(({ type }) => type)).toContain("control_cancel_request");
    expect(resultsOf(impatient)).toMatchObject([{ is_error: false }]);
  });
});

describe("a turn's request to the model", () => {
  type Sent = {
    readonly messages: readonly { readonly role: string; readonly content: readonly { text: string }[] }[];
  };

  async function withModel(script?: FakeScript) {
    const standin = stack.use(await startStandin());
    const fake = await fakeCli(script);
    const args = ["--system-prompt", "fallback"];
    const cli = stack.use(
      new StreamJsonProcess({ path: fake.path, args, env: { ...env, ANTHROPIC_BASE_URL: standin.url } }),
    );
    const sent = () => standin.requests.map(({ body }) => body as Sent & { readonly system: object });
    const texts = (body: Sent | undefined) =>
      body?.messages.map(({ role, content }) => `${role}: ${content.map(({ text }) => text).join("|")}`);
    return { cli, sent, texts };
  }

  test("holds the conversation, with the history that was seeded", async () => {
    const { cli, sent, texts } = await withModel({ answer: { text: "A2" } });
    const stored = cli.until(({ state }) => state === "completed");
    cli.ask("Q1", { shouldQuery: false });
    await stored;
    const message = { role: "assistant", content: [{ type: "text", text: "A1" }] };
    cli.write({ type: "assistant", message, parent_tool_use_id: null, session_id: "", uuid: crypto.randomUUID() });
    await cli.turn("Q2");
    await cli.turn("Q3");
    expect(texts(sent().at(-1))).toEqual(["user: Q1", "assistant: A1", "user: Q2", "assistant: A2", "user: Q3"]);
  });

  test("is the same after a rewind as at first", async () => {
    const { cli, sent } = await withModel();
    await cli.control({ subtype: "initialize", systemPrompt: ["bound"] });
    const uuid = crypto.randomUUID();
    await cli.turn("hello", { uuid });
    await cli.control({ subtype: "rewind_conversation", target_message_uuid: uuid, last_seen_user_message_uuid: uuid });
    await cli.control({ subtype: "initialize", systemPrompt: ["too late"] });
    await cli.turn("hello");
    expect(sent()).toHaveLength(2);
    expect(sent()[1]).toEqual(sent()[0]);
    expect(sent()[0]!.system).toEqual([{ type: "text", text: "bound" }]);
  });

  test("holds what /clear and a change of model leave behind, as the real one's does", async () => {
    const { cli, sent, texts } = await withModel();
    await cli.turn("one");
    await cli.turn("/clear", { client_composed: false });
    await cli.turn("two");
    expect(texts(sent().at(-1))).toEqual([expect.stringMatching(/^user: <local-command-caveat>.*\/clear.*\|two$/su)]);
    await cli.control({ subtype: "apply_flag_settings", settings: { model: "another" } });
    await cli.turn("three");
    expect(texts(sent().at(-1))!.at(-1)).toMatch(/Set model to `another`.*\|three$/su);
  });

  test("still holds what was interrupted", async () => {
    const { cli, sent, texts } = await withModel({ acts: [{ do: "hang", times: 1 }] });
    const idle = cli.untilIdle();
    cli.ask("one");
    await cli.until(({ event }) => event?.type === "content_block_delta");
    await cli.control({ subtype: "interrupt" });
    await idle;
    await cli.turn("two");
    expect(texts(sent().at(-1))).toEqual(["user: one", expect.any(String), "user: [Request interrupted by user]|two"]);
  });

  test("does not matter when nobody is there", async () => {
    const fake = await fakeCli();
    const elsewhere = { ...env, ANTHROPIC_BASE_URL: "http://127.0.0.1:9" };
    const cli = stack.use(new StreamJsonProcess({ path: fake.path, env: elsewhere }));
    expect(resultsOf(await cli.turn("hello"))).toHaveLength(1);
  });
});
