/** The driver on the real CLI: what is measured there is the law, and these tests notice when it changes. */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WorkFolders } from "../../src/cli/start/worker-folders.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import type { WorkerProcess } from "../../src/worker-process.ts";
import { answered, said } from "../said.ts";
import { ableCli, apiKey, bodyOf, conversationOf, play, type Rig, rig, saying, textOf, turnOf } from "./real-cli.ts";

/** Settles when a process has ended; who buries it, and when, is the system's matter. */
async function isGone(pid: number): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
    if (stat === undefined || /\) [ZX] /.test(stat)) return;
  }
}

const slow = { betweenDeltasMs: 40 };
const longText = "one two three four five six seven eight nine ten ".repeat(20);

describe("a worker on the real CLI", () => {
  let own: Rig;
  let worker: WorkerProcess;
  beforeAll(async () => {
    own = await rig();
    worker = await own.bound();
  });
  afterAll(() => own[Symbol.asyncDispose]());

  const answering = (text: string, more?: object) => own.standin.script(saying(text, more));

  it("answers with the text of the model, bit by bit", async () => {
    using _ = answering("Hello there, this is an answer.");
    const { events, end } = await play(worker, turnOf("Hello"));
    expect(events[0]).toMatchObject({
      kind: "init",
      cliVersion: "2.1.332",
      tools: [],
      apiKeySource: "ANTHROPIC_API_KEY",
    });
    expect(textOf(events)).toBe("Hello there, this is an answer.");
    expect(end).toMatchObject({ outcome: "completed", text: "Hello there, this is an answer.", workerReusable: true });
    expect(end.modelCallCount).toBe(1);
    expect(end.usage.outputTokens).toBeGreaterThan(0);
    expect(end.costUsdMicros).toBeGreaterThan(0);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it.each(["/clear", "!ls", "#x", "@/etc/hostname", "-p", "/model haiku", "--help"])(
    "hands the prompt %s to the model as it is",
    async (prompt) => {
      using _ = answering("literally");
      const { end } = await play(worker, turnOf(prompt));
      expect(end.text).toBe("literally");
      expect(conversationOf(bodyOf(own.standin))).toEqual([`user: ${prompt}`]);
      expect(await worker.reset()).toEqual({ clean: true });
    },
  );

  it("sends the same request after a reset as the first time, whatever was before", async () => {
    using _ = answering("first");
    await play(worker, turnOf("Again"));
    const first = bodyOf(own.standin);
    expect(await worker.reset()).toEqual({ clean: true });
    await worker.seed([said("SECRET question"), answered("SECRET answer")]);
    await play(worker, turnOf("SECRET prompt"));
    expect(await worker.reset()).toEqual({ clean: true });
    await play(worker, turnOf("Again"));
    expect(bodyOf(own.standin)).toEqual(first);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("hands a history over in order and without model calls", async () => {
    using _ = answering("third");
    const before = own.standin.requests.length;
    await worker.seed([said("/first"), answered("one"), said("second"), answered("two")]);
    await play(worker, turnOf("third"));
    expect(own.standin.requests.length - before).toBe(1);
    expect(conversationOf(bodyOf(own.standin))).toEqual([
      "user: /first",
      "assistant: one",
      "user: second",
      "assistant: two",
      "user: third",
    ]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("says how full the context is, and refuses a session's turn for which there is no room, without a request", async () => {
    const settings = { model: "claude-sonnet-4-5", effort: "medium" } as const;
    await worker.configure(settings);
    using _ = answering("Nearly full.", { usage: { inputTokens: 178_990, outputTokens: 10 } });
    const { end: last } = await play(worker, turnOf("One", { settings }));
    expect([last.contextTokens, last.contextWindowTokens]).toEqual([179_000, 200_000]);
    expect([last.answerBlocks, last.answerBeside]).toEqual([["Nearly full."], "nothing"]);
    const requestCount = own.standin.requests.length;
    const { end } = await play(worker, turnOf("Two", { settings, sessionId: "s" }));
    expect(end).toMatchObject({ terminalReason: "blocking_limit", error: { reason: "CONTEXT_FULL" } });
    expect(own.standin.requests).toHaveLength(requestCount);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("stops handing a history over when it is cancelled, and can be reset", async () => {
    const abort = new AbortController();
    const history = Array.from({ length: 40 }, (_, at) =>
      at % 2 === 0 ? said(`message ${at}`) : answered(`message ${at}`),
    );
    const seeding = worker.seed(history, abort.signal);
    setImmediate(() => abort.abort(new Error("cancelled")));
    await expect(seeding).rejects.toThrow("cancelled");
    expect(await worker.reset()).toEqual({ clean: true });
    using _ = answering("clean");
    await play(worker, turnOf("after it"));
    expect(conversationOf(bodyOf(own.standin))).toEqual(["user: after it"]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("uses model and effort of the turn, and goes back to the profile's", async () => {
    using _ = answering("ok");
    await worker.configure({ model: "claude-sonnet-5-5", effort: "high" });
    await play(worker, turnOf("x"));
    expect(bodyOf(own.standin)).toMatchObject({ model: "claude-sonnet-5-5", output_config: { effort: "high" } });
    expect(await worker.reset()).toEqual({ clean: true });
    await play(worker, turnOf("x"));
    expect(bodyOf(own.standin)).toMatchObject({ model: "claude-opus-5-5", output_config: { effort: "medium" } });
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("ends a turn that is cancelled in mid-text, and forgets it", async () => {
    using _ = answering(longText, slow);
    const turn = turnOf("SECRET");
    const { end, events } = await play(worker, turn, (event, running) => {
      if (event.kind === "textDelta") running.interrupt("cancelled");
    });
    expect(end).toMatchObject({ outcome: "cancelled", error: { reason: "CANCELLED" }, workerReusable: true });
    expect(events.at(-1)!.kind).toBe("ended");
    expect(await worker.reset()).toEqual({ clean: true });
    using _next = answering("next");
    await play(worker, turnOf("next"));
    expect(conversationOf(bodyOf(own.standin))).toEqual(["user: next"]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("ends a turn that is cancelled at once, with a history before it, and forgets both", async () => {
    using _ = answering(longText, slow);
    await worker.seed([said("SECRET"), answered("SECRET")]);
    const running = worker.run(turnOf("SECRET"));
    running.interrupt("deadlineExceeded");
    expect((await running.ended).outcome).toBe("deadlineExceeded");
    await running.idle;
    expect(await worker.reset()).toEqual({ clean: true });
    using _next = answering("next");
    await play(worker, turnOf("next"));
    expect(conversationOf(bodyOf(own.standin))).toEqual(["user: next"]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it.each([
    ["outputLimit", { maxOutputBytes: 40 }],
    ["durationLimit", { maxDurationMs: 300 }],
  ] as const)("ends a turn at its limit: %s", async (outcome, limits) => {
    using _ = answering(longText, slow);
    const { end, events } = await play(worker, turnOf("x", { limits }));
    expect(end).toMatchObject({ outcome, error: undefined, workerReusable: true });
    expect(longText.startsWith(end.text)).toBe(true);
    expect(end.text).toBe(textOf(events));
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("passes a rescued answer on as text, in place of what broke off", async () => {
    using _ = own.standin.script({
      steps: [
        {
          play: {
            answer: "message",
            blocks: [
              { type: "text", text: "Part one of the answer." },
              { type: "text", text: " And part two." },
            ],
            breaks: { how: "error", afterDeltas: 2 },
          },
        },
      ],
    });
    for (const detail of ["text", "standard"] as const) {
      const { events, end } = await play(worker, turnOf("x", { detail }));
      expect(events.map(({ kind }) => kind)).toContain("retracted");
      expect(textOf(events)).toBe("Part one of the answer. And part two.");
      expect(end.outcome).toBe("completed");
      expect(await worker.reset()).toEqual({ clean: true });
    }
  });

  it.each([
    [401, "UPSTREAM_AUTH"],
    [404, "UPSTREAM_MODEL_NOT_FOUND"],
    [400, "UPSTREAM_INVALID_REQUEST"],
  ])("fails with what the model API answered: %d is %s, and is reset", async (status, reason) => {
    using _ = own.standin.script({ steps: [{ play: { answer: "error", status } }] });
    const { end } = await play(worker, turnOf("x"));
    expect(end).toMatchObject({ outcome: "upstreamError", error: { reason }, upstreamFailure: { httpStatus: status } });
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("shows every line of a turn once at full detail, without paths of the host", async () => {
    using _ = answering("shown");
    await worker.seed([said("q"), answered("a")]);
    const { events } = await play(worker, turnOf("x", { detail: "full" }));
    const lines = events.map(({ raw }) => JSON.parse(raw ?? "null") as { uuid?: string; type?: string } | null);
    const uuids = lines.flatMap((line) => line?.uuid ?? []);
    expect(new Set(uuids).size).toBe(uuids.length);
    expect(lines.filter((line) => line?.type === "result")).toHaveLength(2);
    expect(lines.filter((line) => line?.type === "command_lifecycle")).toHaveLength(7);
    expect(JSON.stringify(events)).not.toContain(own.folders.path);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("is clean again after an interrupt at any moment of a turn", async () => {
    using _ = answering(longText, { beforeHeadersMs: 15, betweenDeltasMs: 5 });
    for (const afterMs of [0, 1, 3, 6, 10, 15, 25, 40, 60]) {
      const running = worker.run(turnOf("SECRET"));
      const timer = setTimeout(() => running.interrupt("cancelled"), afterMs);
      expect((await running.ended).outcome).toBe("cancelled");
      clearTimeout(timer);
      await running.idle;
      expect(await worker.reset()).toEqual({ clean: true });
    }
    using _next = answering("next");
    await play(worker, turnOf("next"));
    expect(conversationOf(bodyOf(own.standin))).toEqual(["user: next"]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("hands pictures and documents over as they are", async () => {
    using _ = answering("seen");
    const png = Buffer.from(
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
      "base64",
    );
    const content = [
      { kind: "image", mediaType: "image/png", data: png },
      { kind: "textDocument", text: "a document", title: "its title" },
      { kind: "text", text: "What is this?" },
    ] as const;
    expect((await play(worker, turnOf("", { content }))).end.outcome).toBe("completed");
    const { messages } = bodyOf(own.standin) as { messages: { role: string; content: object[] }[] };
    expect(messages.find(({ role }) => role === "user")!.content).toMatchObject([
      { type: "image", source: { type: "base64", media_type: "image/png", data: png.toString("base64") } },
      { type: "document", title: "its title", source: { type: "text", data: "a document" } },
      { type: "text", text: "What is this?" },
    ]);
    expect(await worker.reset()).toEqual({ clean: true });
  });

  it("tells what its process uses", async () => {
    const { privateBytes, cpuMs } = await worker.usage();
    if (process.platform !== "linux") return;
    expect(privateBytes).toBeGreaterThan(20_000_000);
    expect(cpuMs).toBeGreaterThan(0);
  });
});

describe("the end of a worker", () => {
  it("takes its process and its folders with it, also in mid-turn", async () => {
    await using own = await rig();
    const worker = await own.bound();
    using _ = own.standin.script(saying(longText, slow));
    const running = worker.run(turnOf("x"));
    await own.standin.waitForRequest(({ path }) => path.startsWith("/v1/messages"));
    expect(existsSync(join(own.folders.path, worker.id, "home"))).toBe(true);
    await Promise.all([worker.stop(), worker.stop()]);
    expect((await running.ended).outcome).toBe("drained");
    await worker.exited;
    expect(() => process.kill(worker.pid!, 0)).toThrow();
    expect(await readdir(own.folders.path)).toEqual(["process.json"]);
    await expect(worker.ping(100)).rejects.toMatchObject({ reason: "WORKER_DIED" });
  });

  it("by a kill in mid-text is told with what was used", async () => {
    await using own = await rig();
    const worker = await own.bound();
    using _ = own.standin.script(saying(longText, slow));
    const { end, events } = await play(worker, turnOf("x"), (event) => {
      if (event.kind === "textDelta") process.kill(worker.pid!, "SIGKILL");
    });
    expect(end).toMatchObject({ outcome: "workerDied", error: { reason: "WORKER_DIED" }, workerReusable: false });
    expect(end.error!.facts.contentStreamed).toBe(true);
    expect(end.text).toBe(textOf(events));
    expect(await worker.exited).toMatchObject({ signal: "SIGKILL" });
    expect(await worker.reset()).toEqual({ clean: false, why: "worker_died" });
  });

  it("that was stopped by the system is found by its silence", async () => {
    await using own = await rig({ pool: { silenceTimeoutMs: 1_000, controlTimeoutMs: 2_000 } });
    const worker = await own.bound();
    using _ = own.standin.script(saying(longText, slow));
    const { end } = await play(worker, turnOf("x"), (event) => {
      if (event.kind === "textDelta") process.kill(worker.pid!, "SIGSTOP");
    });
    expect(end.outcome).toBe("workerDied");
    expect(await worker.exited).toMatchObject({ signal: "SIGKILL" });
  });
});

describe("a worker with tools", () => {
  const profile = (more: object = {}) => ({ tools: ["Bash"], isolation: "none", tenant: "t", ...more });
  const using = (command: string) => ({
    steps: [
      {
        play: {
          answer: "message" as const,
          blocks: [{ type: "tool_use" as const, name: "Bash", input: { command } }],
          stopReason: "tool_use",
        },
      },
      { play: { answer: "message" as const, blocks: [{ type: "text" as const, text: "done" }] } },
    ],
  });

  it("shows the tool's use and result, and none of the worker's folders", async () => {
    await using own = await rig({ profile: profile({ workspace: { path: "/usr/share" } }) });
    const worker = await own.bound();
    using _ = own.standin.script(using("echo $HOME $TMPDIR; pwd"));
    const { events, end } = await play(worker, turnOf("x", { detail: "full" }));
    expect(end).toMatchObject({ outcome: "completed", text: "done", modelCallCount: 2 });
    const use = events.find(({ kind }) => kind === "toolUse");
    expect(use).toMatchObject({ toolName: "Bash", inputJson: expect.stringContaining("echo") });
    const result = events.find(({ kind }) => kind === "toolResult");
    expect(result).toMatchObject({ isError: false, output: { kind: "bash", stdout: "<home> <tmp>\n<cwd>" } });
    expect(JSON.stringify(events)).not.toContain(own.folders.path);
  });

  it("makes no further model call once their limit is reached", async () => {
    await using own = await rig({ profile: profile({ workspace: { path: "/usr/share" } }) });
    const worker = await own.bound();
    using _ = own.standin.script(using("sleep 1; echo late"));
    const { end } = await play(worker, turnOf("x", { limits: { maxModelCallCount: 1 } }));
    expect(end).toMatchObject({ outcome: "modelCallLimit", error: undefined, modelCallCount: 1, workerReusable: true });
    expect(own.standin.requests.filter(({ path }) => path.startsWith("/v1/messages"))).toHaveLength(1);
  });

  it("is ended by what it has cost, between two model calls", async () => {
    await using own = await rig({ profile: profile({ workspace: { path: "/usr/share" } }) });
    const worker = await own.bound();
    using _ = own.standin.script(using("sleep 1; echo late"));
    const { end } = await play(worker, turnOf("x", { limits: { maxCostUsdMicros: 1 } }));
    expect(end).toMatchObject({ outcome: "costLimit", modelCallCount: 1 });
    expect(end.costUsdMicros).toBeGreaterThan(1);
  });

  it("takes what a tool started with it when it is killed", async () => {
    await using own = await rig({ profile: profile({ workspace: { path: "/usr/share" } }) });
    const worker = await own.bound();
    using _ = own.standin.script(using("echo $$ > $TMPDIR/pid; sleep 300 & sleep 301"));
    const pidFile = join(own.folders.path, worker.id, "tmp", "pid");
    const running = worker.run(turnOf("x"));
    let shell = "";
    while (shell === "") shell = await readFile(pidFile, "utf8").catch(() => "");
    process.kill(worker.pid!, "SIGKILL");
    expect((await running.ended).outcome).toBe("workerDied");
    await worker.exited;
    await isGone(Number(shell));
  });
});

describe("a worker with a schema", () => {
  it("answers with the structure that was asked for", async () => {
    await using own = await rig();
    const worker = await own.worker();
    const binding = { outputSchemaJson: '{"type":"object","properties":{"n":{"type":"number"}},"required":["n"]}' };
    await worker.bind(binding);
    using _ = own.standin.script({
      steps: [
        {
          play: {
            answer: "message",
            blocks: [{ type: "tool_use", name: "StructuredOutput", input: { n: 7 } }],
            stopReason: "tool_use",
          },
        },
      ],
    });
    const limits = { maxModelCallCount: 1 };
    const { end } = await play(worker, turnOf("x", { binding, limits }));
    expect(end).toMatchObject({ outcome: "completed", structuredOutput: { n: 7 }, structuredOutputJson: '{"n":7}' });
    expect(await worker.reset()).toEqual({ clean: true });
  });
});

describe("a worker whose schema the CLI drops", () => {
  it("fails its turn in words instead of answering without structure, and is not used again", async () => {
    await using own = await rig();
    const worker = await own.worker();
    const binding = { outputSchemaJson: '{"type":"object","prefixItems":[]}' };
    await worker.bind(binding);
    using _ = own.standin.script(saying("prose"));
    const { events, end } = await play(worker, turnOf("x", { binding }));
    expect(end).toMatchObject({ outcome: "structuredOutputFailed", workerReusable: false });
    expect(end.error?.reason).toBe("NOT_SUPPORTED_BY_CLI");
    expect(events.map(({ kind }) => kind)).toEqual(["ended"]);
    await worker.exited;
  });
});

describe("a CLI that cannot rewind", () => {
  const unable = { ...ableCli, rewind: false };

  it("is reset with its documented command where the profile accepts what that leaves", async () => {
    await using own = await rig({ profile: { acceptClearResidue: true }, capabilities: unable });
    const worker = await own.bound();
    using _ = own.standin.script(saying("ok"));
    const { end: first } = await play(worker, turnOf("SECRET"));
    expect(await worker.reset()).toEqual({ clean: true });
    const { end: second } = await play(worker, turnOf("next"));
    const sent = conversationOf(bodyOf(own.standin)).join();
    expect(sent).toContain("next");
    expect(sent).not.toContain("SECRET");
    // The CLI's accounts begin anew; the second turn is charged for itself all the same.
    expect(second.costUsdMicros).toBeGreaterThan(0);
    expect(Math.abs(second.usage.outputTokens - first.usage.outputTokens)).toBeLessThan(5);
  });

  it("is not reset where it does not", async () => {
    await using own = await rig({ capabilities: unable });
    const worker = await own.bound();
    using _ = own.standin.script(saying("ok"));
    await play(worker, turnOf("x"));
    expect(await worker.reset()).toEqual({ clean: false, why: "reset_not_proven" });
  });
});

describe("what a server that was killed left", () => {
  it("is ended and swept by the next one", async () => {
    await using own = await rig();
    const worker = await own.worker();
    // As if its server had been killed: its mark names a process that is no longer there.
    await writeFile(join(own.folders.path, "process.json"), JSON.stringify({ pid: process.pid, startTicks: "1" }));
    const next = await WorkFolders.open(dirname(own.folders.path), silentLog);
    expect((await worker.exited).signal).toBe("SIGKILL");
    const left = (await readdir(dirname(own.folders.path))).filter((name) => name !== "workspace"); // the test's own
    expect(left).toEqual([basename(next.path)]);
    await next.close();
  });
});

describe("a worker's secrets", () => {
  it("are not in what it tells when its program does not start as it should", async () => {
    await using own = await rig({ profile: { model: apiKey } });
    const worker = await own.worker();
    await worker.stop();
    expect(JSON.stringify(await worker.exited)).not.toContain(apiKey);
  });
});
