/**
 * What ClaudeRunner promises its callers, as one suite for every way to call it: `streamChatContract(kind, world)`.
 *
 * Runs against a whole server with the real CLI. Leaves out what only one port has (see test/server) and what only a
 * broken worker shows (see test/faults).
 */
import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, TurnResultSchema, WorkerFate } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Effort, Role, SystemPromptPolicy } from "../../gen/claude/runner/v1/runner_pb.ts";
import { BadRequestSchema, QuotaFailureSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import type { LogLine } from "../e2e/log-book.ts";
import { model, type Scene, type SettingsInput, tenants } from "../e2e/scene.ts";
import { rawLines } from "./raw-lines.ts";
import { type ContractCallOptions, type ContractClient, failureOf, type TransportKind } from "./transports.ts";
import { readTurn, type SeenTurn } from "./turn.ts";

/** The server that the suite needs; `workspace` is an empty folder. */
export function contractSettings(workspace: string): SettingsInput {
  return {
    auth: { maxTurnsInFlightPerTenant: turnsInFlight },
    calls: { heartbeatMs: 200 },
    profiles: {
      default: { description: "What most turns run under.", allowedModels: [otherModel], maxWorkers: 8 },
      fixed: { systemPromptPolicy: "fixed", minSpares: 0 },
      tools: {
        tools: ["Bash", "Read"],
        workspace: { path: workspace },
        isolation: "none",
        tenant: "acme",
        reuse: true,
        maxLimits: { maxModelCallCount: 20 },
        defaultLimits: { maxModelCallCount: 10 },
      },
      secret: { description: "Another tenant's.", tenant: "umbrella", minSpares: 0 },
    },
  };
}

export const otherModel = "claude-haiku-4-5";
const turnsInFlight = 3;
const answerSchema = JSON.stringify({
  type: "object",
  properties: { answer: { type: "string" } },
  required: ["answer"],
});
/** One white pixel. */
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==",
  "base64",
);

/** The body ends in the second block, after the first one was complete. */
const cutAfterBlock = {
  steps: [
    {
      play: {
        answer: "message",
        blocks: [
          { type: "text", text: "The first block is whole. " },
          { type: "text", text: "This one breaks off before it is complete." },
        ],
        breaks: { how: "end", afterBlocks: 1, afterDeltas: 2 },
      },
    },
    { play: { answer: "message", blocks: [{ type: "text", text: "And this is how it goes on." }] } },
  ],
};

type StreamRequest = Parameters<ContractClient["streamChat"]>[0];

export function streamChatContract(kind: TransportKind, theScene: () => Scene): void {
  describe(kind.name, () => {
    let scene: Scene;
    let client: ContractClient;
    const run = (request: StreamRequest, options?: ContractCallOptions): Promise<SeenTurn> =>
      readTurn(client.streamChat(request, options));

    beforeAll(async () => {
      scene = theScene();
      client = kind.connect(scene.target);
    });
    afterAll(() => client.close());

    /** Runs a call and gives the line with which its turn was booked, whatever came of it. */
    const booked = async (call: (labels: Record<string, string>) => Promise<unknown>): Promise<LogLine> => {
      const label = randomUUID();
      const line = scene.book.wait((line) => isOfLabel(line, label));
      await call({ job: label });
      return line;
    };

    /** Nothing of an earlier turn reaches the model with this one. */
    const expectCleanTurn = async () => {
      const prompt = `a fresh start ${randomUUID()} [[scenario conversation]]`;
      const turn = await run({ prompt });
      expect(turn.result.outcome).toBe(Outcome.COMPLETED);
      expect(JSON.parse(turn.text)).toEqual([{ role: "user", content: [textBlock(prompt)] }]);
    };

    describe("a turn that goes well", () => {
      it("starts first, ends with its result, and counts its events without a gap", async () => {
        const turn = await run({ prompt: "hello [[scenario text]]" });
        expect(turn.failure).toBeUndefined();
        expect(turn.kinds.filter((of) => of !== "textDelta")).toEqual([
          "started",
          "status",
          "messageStart",
          "blockStart",
          "assistantBlock",
          "blockStop",
          "messageDelta",
          "messageStop",
          "result",
        ]);
        expect(turn.started).toMatchObject({ model, profile: "default", permissionMode: "dontAsk", tools: [] });
        expect(turn.started.cliVersion).toMatch(/^\d+\.\d+\.\d+$/);
        expect(turn.started.workerId).not.toBe("");
        expect(turn.result).toMatchObject({
          outcome: Outcome.COMPLETED,
          stopReason: "end_turn",
          modelCallCount: 1,
          textTruncated: false,
          workerFate: WorkerFate.RESET,
        });
        expect(turn.result.error).toBeUndefined();
        const times = turn.responses.map(
          ({ createTime }) => Number(createTime?.seconds) * 1e9 + Number(createTime?.nanos),
        );
        expect(times).toEqual(times.toSorted((a, b) => a - b));
      });

      it("streams a text that is, piece by piece, the answer of its result", async () => {
        const text = "Grüße, 世界! 👋🏽 A line\nand\tanother\u2028one.";
        const turn = await run({ prompt: `[[scenario text ${JSON.stringify({ text, deltas: 3 })}]]` });
        expect(turn.text).toBe(text);
        expect(turn.result.text).toBe(text);
        expect(turn.result.textSizeBytes).toBe(BigInt(Buffer.byteLength(text)));
        expect(turn.all("textDelta").length).toBeGreaterThan(5);
      });

      it("tells what the turn used, what it cost, and where its time went", async () => {
        const usage = { inputTokens: 1200, outputTokens: 34, cacheReadInputTokens: 500, cacheCreationInputTokens: 60 };
        const { result } = await run({ prompt: `[[scenario text ${JSON.stringify({ usage })}]]` });
        expect(result.usage).toMatchObject({
          inputTokenCount: 1200n,
          outputTokenCount: 34n,
          cacheReadInputTokenCount: 500n,
          cacheCreationInputTokenCount: 60n,
        });
        expect(result.modelUsage).toMatchObject([{ model, usage: { inputTokenCount: 1200n } }]);
        expect(result.costUsdMicros).toBeGreaterThan(0n);
        const ms = (stage: "firstEvent" | "firstText" | "turn" | "total" | "arrivalToFirstText") => {
          const duration = result.stages?.[stage];
          expect(duration, stage).toBeDefined();
          return Number(duration?.seconds) * 1000 + Number(duration?.nanos) / 1e6;
        };
        expect(ms("firstText")).toBeGreaterThanOrEqual(ms("firstEvent"));
        expect(ms("turn")).toBeGreaterThanOrEqual(ms("firstText"));
        expect(ms("total")).toBeGreaterThanOrEqual(ms("turn"));
        expect(ms("total")).toBeGreaterThanOrEqual(ms("arrivalToFirstText"));
      });

      it("uses a worker again for the same tenant and binding, and says so", async () => {
        await run({ prompt: "one" });
        const turn = await run({ prompt: "two" });
        expect(turn.started.claimSource).toBe(ClaimSource.REUSED);
        expect(turn.started.workerTurnCount).toBeGreaterThan(0);
        await expectCleanTurn();
      });

      it("streams thinking apart from the text", async () => {
        const turn = await run({ prompt: '[[scenario thinking {"thinking":"First I think.","text":"Then I say."}]]' });
        expect(
          turn
            .all("thinkingDelta")
            .map(({ thinking }) => thinking)
            .join(""),
        ).toBe("First I think.");
        expect(
          turn
            .all("signatureDelta")
            .map(({ signature }) => signature)
            .join(""),
        ).not.toBe("");
        expect(turn.text).toBe("Then I say.");
        expect(turn.result.text).toBe("Then I say.");
        expect(turn.all("assistantBlock").map(({ block }) => block.case)).toEqual(["thinking", "text"]);
      });

      it("keeps what nobody has a type for", async () => {
        const delta = await run({ prompt: "[[scenario unknown-delta]]" });
        expect(delta.text).toBe("before after");
        expect(delta.all("unknown").map(({ kind }) => kind)).toEqual([expect.stringContaining("sparkle_delta")]);
        const block = await run({ prompt: "[[scenario unknown-block]]" });
        expect(block.all("blockStart")[0]?.rawKind).toBe("hologram");
        expect(block.all("assistantBlock")[0]?.block).toMatchObject({ case: "other", value: { projection: "ship" } });
        expect(block.result.outcome).toBe(Outcome.COMPLETED);
      });
    });

    describe("text that is taken back", () => {
      it.each([
        ["the rest comes without streaming", "stream-error", "This is the whole text, not streamed."],
        ["the body ends too early", "stream-end", "This is the whole text, not streamed."],
        ["an event is no JSON", "stream-malformed", "This is the whole text, not streamed."],
      ])("is retracted when %s, and what is left is the answer", async (_, scenario, text) => {
        const turn = await run({ prompt: `[[scenario ${scenario}]]` });
        const [retracted] = turn.all("retracted");
        expect(retracted).toMatchObject({ messageIndex: 0, fromBlockIndex: 0 });
        expect(retracted?.textBytes).toBeGreaterThan(0n);
        expect(turn.text).toBe(text);
        expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text });
      });

      it("leaves the blocks that were complete", async () => {
        const turn = await run({ prompt: `[[scenario ${JSON.stringify(cutAfterBlock)}]]` });
        expect(turn.all("retracted")).toMatchObject([{ messageIndex: 0, fromBlockIndex: 1 }]);
        expect(turn.text).toBe("The first block is whole. And this is how it goes on.");
        expect(turn.result.text).toBe(turn.lastMessageText);
      });

      it("need not have arrived: a stream that is reset is begun anew, and the text is the answer's", async () => {
        const turn = await run({ prompt: "[[scenario stream-reset-once]]" });
        expect(turn.text).toBe("It worked in the end.");
        expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text: turn.text });
      });
    });

    describe("tools", () => {
      it("tells of a tool's use, its exact input and what it answered, in this order", async () => {
        const prompt = `[[scenario bash ${JSON.stringify({ command: "printf 'out'; printf 'err' >&2" })}]]`;
        const turn = await run({ profile: "tools", prompt });
        const [use] = turn.all("toolUse");
        const [result] = turn.all("toolResult");
        expect(turn.started.tools).toEqual(expect.arrayContaining(["Bash", "Read"]));
        expect(use?.toolName).toBe("Bash");
        expect(JSON.parse(use?.inputJson ?? "")).toMatchObject({ command: "printf 'out'; printf 'err' >&2" });
        expect(use?.input).toEqual(JSON.parse(use?.inputJson ?? ""));
        expect(
          turn
            .all("toolInputDelta")
            .map(({ partialJson }) => partialJson)
            .join(""),
        ).toBe(use?.inputJson);
        expect(result).toMatchObject({ toolUseId: use?.toolUseId, isError: false, permissionDecision: "accept" });
        expect(result?.output).toMatchObject({ case: "bash", value: { interrupted: false } });
        expect(turn.kinds.indexOf("toolUse")).toBeLessThan(turn.kinds.indexOf("toolResult"));
        expect(turn.result).toMatchObject({ outcome: Outcome.COMPLETED, text: "The command ran.", modelCallCount: 2 });
      });

      it("tells of a denied tool, and the turn goes on", async () => {
        const turn = await run({ profile: "tools", prompt: '[[scenario tool {"name":"Write","input":{}}]]' });
        expect(turn.all("toolResult")).toMatchObject([{ isError: true }]);
        expect(turn.result.outcome).toBe(Outcome.COMPLETED);
      });

      it("carries a collected turn's tool uses", async () => {
        const answer = await client.chat({ profile: "tools", prompt: "[[scenario parallel-tools]]" });
        expect(answer.text).toBe("All three ran.");
        expect(answer.toolUses.map(({ inputJson }) => (JSON.parse(inputJson) as { command: string }).command)).toEqual([
          "echo one",
          "echo two",
          "echo three",
        ]);
      });
    });

    describe("what a request may ask for", () => {
      it("hands over a history, the newest last, without a model call for it", async () => {
        const before = scene.standin.requests.length;
        const turn = await run({
          prompt: "And now? [[scenario conversation]]",
          history: [
            { role: Role.USER, text: "Remember 7." },
            { role: Role.ASSISTANT, text: "I do." },
            { role: Role.USER, text: "And 9." },
            { role: Role.ASSISTANT, text: "I do as well." },
          ],
        });
        const sent = (JSON.parse(turn.text) as { role: string; content: unknown }[]).map(
          ({ role, content }) => `${role}: ${plainText(content)}`,
        );
        expect(sent).toEqual([
          "user: Remember 7.",
          "assistant: I do.",
          "user: And 9.",
          "assistant: I do as well.",
          "user: And now? [[scenario conversation]]",
        ]);
        expect(turn.started.seededMessageCount).toBe(4);
        expect(turn.result.modelCallCount).toBe(1);
        expect(scene.standin.requests.length).toBe(before + 1);
        await expectCleanTurn();
      });

      it("sends pictures and documents to the model as they came", async () => {
        const turn = await run({
          content: [
            { block: { case: "text", value: "What is this? [[scenario conversation]]" } },
            { block: { case: "image", value: { mediaType: "image/png", data: pixel } } },
            {
              block: {
                case: "document",
                value: { source: { case: "text", value: "A document." }, title: "The title" },
              },
            },
          ],
        });
        const [{ content }] = JSON.parse(turn.text) as [{ content: { type: string; [of: string]: unknown }[] }];
        expect(content.map(({ type }) => type)).toEqual(["text", "image", "document"]);
        expect(content[1]?.source).toMatchObject({ type: "base64", media_type: "image/png" });
        expect(content[2]).toMatchObject({ title: "The title", source: { data: "A document." } });
        await expectCleanTurn();
      });

      it("sends the system prompt, the model and the effort that were asked for, and the profile's own again after", async () => {
        const ask = { systemPrompt: "You are a pirate.", model: otherModel, effort: Effort.LOW };
        const asked = await run({ prompt: `pirate ${randomUUID()}`, ...ask });
        expect(asked.started.model).toBe(otherModel);
        expect(lastBody(scene).model).toBe(otherModel);
        expect(JSON.stringify(lastBody(scene).system)).toContain("You are a pirate.");
        const { started } = await run({ prompt: "pirate again", systemPrompt: ask.systemPrompt });
        expect(started.model).toBe(model);
        expect(lastBody(scene).model).toBe(model);
      });

      it("gives an answer that follows a schema, as a value and as exact JSON", async () => {
        const value = { answer: "42", note: "ü" };
        const turn = await run({
          prompt: `[[scenario structured ${JSON.stringify({ value })}]]`,
          outputSchemaJson: answerSchema,
        });
        expect(turn.result.outcome).toBe(Outcome.COMPLETED);
        expect(JSON.parse(turn.result.structuredOutputJson)).toEqual(value);
        expect(turn.result.structuredOutput?.kind.case).toBe("structValue");
      });

      it("says when the model gave no answer that follows the schema", async () => {
        const missing = await run({ prompt: "[[scenario structured-missing]]", outputSchemaJson: answerSchema });
        expect(missing.failure).toBeUndefined();
        expect(missing.result).toMatchObject({ outcome: Outcome.STRUCTURED_OUTPUT_FAILED, structuredOutputJson: "" });
      });

      it("writes labels into the log's line of the turn and nowhere else", async () => {
        const secret = `customer-${randomUUID()}`;
        const before = scene.standin.requests.length;
        const turn = await run({ prompt: "labelled", labels: { customer: secret }, detail: Detail.FULL });
        expect(await scene.book.turnEnded(turn.turnId)).toMatchObject({ labels: { customer: secret }, tenant: "acme" });
        for (const { bodyText, headers } of scene.standin.requests.slice(before)) {
          expect(bodyText + JSON.stringify(headers)).not.toContain(secret);
        }
        expect(JSON.stringify(turn.responses, stringBigints)).not.toContain(secret);
      });
    });

    describe("how much is streamed", () => {
      const prompt = '[[scenario thinking {"thinking":"Hm.","text":"Yes."}]]';

      it("is text only at TEXT", async () => {
        const turn = await run({ prompt, detail: Detail.TEXT });
        expect([...new Set(turn.kinds)]).toEqual(["started", "textDelta", "result"]);
        expect(turn.text).toBe("Yes.");
        const broken = await run({ prompt: "[[scenario stream-error]]", detail: Detail.TEXT });
        expect([...new Set(broken.kinds)]).toEqual(["started", "textDelta", "retracted", "result"]);
        expect(broken.text).toBe(broken.result.text);
      });

      it("is every typed event at STANDARD, which is what one gets without asking", async () => {
        const unasked = await run({ prompt });
        const standard = await run({ prompt, detail: Detail.STANDARD });
        expect(standard.kinds).toEqual(unasked.kinds);
        expect(standard.kinds).toEqual(expect.arrayContaining(["thinkingDelta", "messageDelta", "assistantBlock"]));
        expect(standard.responses.some(({ rawJson }) => rawJson !== undefined)).toBe(false);
      });

      it("is also each of the CLI's own lines exactly once at FULL, without paths of the host", async () => {
        const turn = await run({ prompt, detail: Detail.FULL });
        const lines = rawLines(turn.responses);
        const messages = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
        const names = messages.map(({ type, subtype, state }) => [type, subtype, state].filter(Boolean).join("/"));
        expect(names.filter((name) => !/^stream_event|thinking_tokens|session_state/.test(name))).toEqual([
          "system/init",
          "command_lifecycle/queued",
          "command_lifecycle/started",
          "system/status",
          "assistant",
          "assistant",
          "command_lifecycle/completed",
          "result/success",
        ]);
        const uuids = messages.map(({ uuid }) => uuid);
        expect(new Set(uuids).size).toBe(uuids.length);
        expect(lines.join("\n")).not.toContain(scene.workFolder);
        // The typed events are those of STANDARD.
        const standard = await run({ prompt });
        expect(turn.kinds.filter((of) => of !== "unknown")).toEqual(standard.kinds);
      });

      it("carries a line that is longer than an event in pieces", async () => {
        const text = "0123456789abcdef".repeat(50_000);
        const turn = await run({
          prompt: '[[scenario long-text {"deltaCount":1,"deltaChars":800000}]]',
          detail: Detail.FULL,
        });
        expect(turn.text.length).toBe(text.length);
        const long = rawLines(turn.responses).filter((line) => line.length > 600_000);
        expect(long.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
          "stream_event",
          "assistant",
          "result",
        ]);
        expect(turn.result).toMatchObject({ textTruncated: true, textSizeBytes: 800_000n });
      });
    });

    it("sends a sign of life while nothing else happens", async () => {
      const turn = await run({ prompt: '[[scenario text {"beforeFirstEventMs":700}]]' });
      const at = turn.responses.map(({ event }) => event.case);
      expect(at.indexOf("heartbeat")).toBeGreaterThan(at.indexOf("started"));
      expect(at.indexOf("heartbeat")).toBeLessThan(at.indexOf("textDelta"));
      const elapsed = turn
        .all("heartbeat")
        .map(({ elapsed }) => Number(elapsed?.seconds) * 1e9 + Number(elapsed?.nanos));
      expect(elapsed).toEqual(elapsed.toSorted((a, b) => a - b));
      expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    });

    describe("what Claude or the caller's limits decided ends well", () => {
      const loop = { profile: "tools", prompt: "[[scenario tool-loop]]" };
      const long = '[[scenario long-text {"deltaCount":100000,"betweenDeltasMs":5}]]';
      it.each<[string, StreamRequest, Outcome]>([
        ["model calls", { ...loop, limits: { maxModelCallCount: 2 } }, Outcome.MODEL_CALL_LIMIT],
        ["cost", { ...loop, limits: { maxCostUsdMicros: 1n } }, Outcome.COST_LIMIT],
        ["output", { prompt: long, limits: { maxOutputBytes: 200n } }, Outcome.OUTPUT_LIMIT],
        [
          "time",
          { prompt: "[[scenario silence]]", limits: { maxDuration: { nanos: 300_000_000 } } },
          Outcome.DURATION_LIMIT,
        ],
      ])("at the limit of %s, with what came until then", async (_, request, outcome) => {
        const turn = await run(request);
        expect(turn.failure).toBeUndefined();
        expect(turn.result.outcome).toBe(outcome);
        expect(turn.result.error).toBeUndefined();
        expect(turn.result.text).toBe(turn.lastMessageText);
        await expectCleanTurn();
      });

      it.each<[string, string, Outcome]>([
        ["refuses", "refusal", Outcome.REFUSED],
        ["reaches its output limit", "max-tokens", Outcome.MAX_OUTPUT_TOKENS],
        ["fills its context window", "context-window", Outcome.CONTEXT_WINDOW],
      ])("when the model %s", async (_, scenario, outcome) => {
        const turn = await run({ prompt: `[[scenario ${scenario}]]` });
        expect(turn.failure).toBeUndefined();
        expect(turn.result.outcome).toBe(outcome);
        expect(turn.result.text).toBe(turn.lastMessageText);
        await expectCleanTurn();
      });
    });

    describe("what the service could not do fails", () => {
      it("after the result, and is never repeated by a retry policy", async () => {
        const turn = await run({ prompt: "[[scenario error-503]]" });
        expect(turn.failure).toMatchObject({ code: Code.Unavailable, reason: "UPSTREAM_5XX", pushbackMs: -1 });
        expect(turn.failure?.facts).toMatchObject({ httpStatus: "503" });
        expect(turn.failure?.sawHeaders).not.toBe(false);
        expect(turn.result).toMatchObject({
          outcome: Outcome.UPSTREAM_ERROR,
          error: { reason: ErrorReason.UPSTREAM_5XX, httpStatus: 503 },
        });
        expect(turn.failure?.detail(TurnResultSchema)).toMatchObject({
          outcome: Outcome.UPSTREAM_ERROR,
          stages: { total: expect.anything() },
        });
        await expectCleanTurn();
      });

      it("as ABORTED once text was streamed", async () => {
        const turn = await run({ prompt: "[[scenario stream-error-then-error]]" });
        expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "UPSTREAM_OVERLOADED", pushbackMs: -1 });
        expect(turn.text).toBe("");
      });

      it("with the turn's result among the details, also when it is collected", async () => {
        const failure = await failureOf(client.chat({ prompt: "[[scenario error-503]]" }));
        expect(failure).toMatchObject({ code: Code.Unavailable, reason: "UPSTREAM_5XX", pushbackMs: -1 });
        expect(failure.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR });
      });
    });

    describe("a request that breaks rules", () => {
      const broken: StreamRequest = {
        prompt: " ",
        content: [{ block: { case: "text", value: "also" } }],
        history: [
          { role: Role.ASSISTANT, text: "first" },
          { role: Role.ASSISTANT, text: "" },
          { role: Role.USER, text: "\n" },
        ],
        systemPrompt: "",
        model: "claude-unheard-of",
        outputSchemaJson: '{"type":"array"}',
        limits: { maxModelCallCount: 0, maxOutputBytes: 1n << 40n },
        labels: { "Not a key": "x" },
      };
      const fields = [
        "history[0].role",
        "history[1].text",
        "history[2].text",
        "history",
        "system_prompt",
        "model",
        "output_schema_json",
        "limits.max_model_call_count",
        "limits.max_output_bytes",
      ];

      it("is told all of them at once, before a worker is spent and without response headers", async () => {
        const claims = scene.claimCount();
        for (const call of [() => client.streamChat(broken), () => client.chat(broken)]) {
          const failure = await failureOf(call());
          expect(failure).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
          expect(failure.sawHeaders).not.toBe(true);
          expect(failure.pushbackMs).toBeUndefined();
          const violations = failure.detail(BadRequestSchema)?.fieldViolations ?? [];
          expect(violations.map(({ field }) => field)).toEqual(expect.arrayContaining(fields));
          expect(violations.every(({ description }) => description !== "")).toBe(true);
          expect(Number(failure.facts.violationCount)).toBe(violations.length);
        }
        expect(scene.claimCount()).toBe(claims);
      });

      it("may not name a profile that is not there or another tenant's, nor a system prompt where it is fixed", async () => {
        expect(await failureOf(client.streamChat({ profile: "nowhere", prompt: "x" }))).toMatchObject({
          code: Code.InvalidArgument,
          reason: "INVALID_REQUEST",
        });
        expect(await failureOf(client.streamChat({ profile: "secret", prompt: "x" }))).toMatchObject({
          code: Code.PermissionDenied,
          reason: "NOT_ALLOWED",
          facts: { profile: "secret", tenant: "acme" },
        });
        const fixed = await failureOf(client.streamChat({ profile: "fixed", prompt: "x", systemPrompt: "y" }));
        expect(fixed.detail(BadRequestSchema)?.fieldViolations).toMatchObject([{ field: "system_prompt" }]);
      });
    });

    it("refuses a tenant's turn beyond its turns in flight, with when to come again", async () => {
      const umbrella = kind.connect({ ...scene.target, token: tenants.umbrella });
      const stop = new AbortController();
      const turns = Array.from({ length: turnsInFlight }, async () => {
        const label = randomUUID();
        const over = scene.book.wait((line) => isOfLabel(line, label));
        const started = Promise.withResolvers<void>();
        const request = { prompt: "[[scenario silence]]", labels: { job: label } };
        const read = readTurn(umbrella.streamChat(request, { signal: stop.signal }), () => started.resolve());
        await started.promise;
        return { read, over };
      });
      const running = await Promise.all(turns);
      const failure = await failureOf(umbrella.streamChat({ prompt: "one more" }));
      expect(failure).toMatchObject({
        code: Code.ResourceExhausted,
        reason: "QUOTA_EXCEEDED",
        facts: { limit: String(turnsInFlight) },
      });
      expect(failure.retryAfterMs).toBeGreaterThan(0);
      expect(failure.pushbackMs).toBeGreaterThan(0);
      expect(failure.detail(QuotaFailureSchema)?.violations).toHaveLength(1);
      expect(failure.sawHeaders).not.toBe(true);
      // Another tenant has its own.
      expect((await run({ prompt: "unhindered" })).result.outcome).toBe(Outcome.COMPLETED);
      stop.abort();
      for (const { read, over } of running) {
        expect((await read).failure?.code).toBe(Code.Canceled);
        expect(await over).toMatchObject({ outcome: "cancelled" });
      }
      umbrella.close();
    });

    describe("an end before the answer", () => {
      it("comes at the call's deadline, and the worker is fit for the next turn or gone", async () => {
        await run({ prompt: "warm" });
        let turn: SeenTurn | undefined;
        const line = await booked(async (labels) => {
          turn = await run({ prompt: "[[scenario silence]]", labels }, { timeoutMs: 700 });
        });
        expect(turn?.failure?.code).toBe(Code.DeadlineExceeded);
        // The client gives up at the same moment: its reset may be there before the server's own timer.
        expect(line.message).toBe("turn ended");
        expect(["deadlineExceeded", "cancelled"]).toContain(line.outcome);
        await expectCleanTurn();
      });

      it("comes when the caller cancels in mid-text, and the model is no longer asked", async () => {
        const marker = randomUUID();
        const asked = scene.standin.waitForRequest(({ bodyText }) => bodyText.includes(marker));
        const stop = new AbortController();
        let turn: SeenTurn | undefined;
        const line = await booked(async (labels) => {
          const prompt = `${marker} [[scenario long-text {"deltaCount":100000,"betweenDeltasMs":5}]]`;
          turn = await readTurn(client.streamChat({ prompt, labels }, { signal: stop.signal }), ({ event }) => {
            if (event.case === "textDelta") stop.abort();
          });
        });
        expect(turn?.failure?.code).toBe(Code.Canceled);
        expect(line).toMatchObject({ message: "turn ended", outcome: "cancelled" });
        const request = await asked;
        while (!request.aborted) await new Promise((resolve) => setImmediate(resolve));
        await expectCleanTurn();
      });

      it.each([0, 3, 20])(
        "comes when the caller cancels after %i ms, wherever the turn is by then",
        async (afterMs) => {
          const stop = new AbortController();
          const line = scene.book.wait(
            ({ message }) => message === "turn ended" || message === "turn refused",
            scene.book.position,
          );
          const turn = run({ prompt: "[[scenario slow-text]]" }, { signal: stop.signal });
          setTimeout(() => stop.abort(), afterMs);
          expect((await turn).failure?.code).toBe(Code.Canceled);
          // A call that never reached the service leaves no line; any other leaves exactly one.
          const after = run({ prompt: "after" });
          await Promise.race([line, after]);
          expect((await after).result.outcome).toBe(Outcome.COMPLETED);
          await expectCleanTurn();
        },
      );
    });

    describe("Chat", () => {
      it("collects the same turn into one answer", async () => {
        const answer = await client.chat({ prompt: '[[scenario text {"text":"All in one."}]]' });
        expect(answer.text).toBe("All in one.");
        expect(answer.turnId).toMatch(/^[0-9a-f-]{36}$/);
        expect(answer.started).toMatchObject({ model, profile: "default" });
        expect(answer.result).toMatchObject({ outcome: Outcome.COMPLETED, text: "", textTruncated: false });
        expect(answer.toolUses).toEqual([]);
      });

      it("refuses an answer that does not fit, and says to stream it", async () => {
        const size = 3 * 1024 * 1024 + 1;
        const prompt = `[[scenario long-text {"deltaCount":1,"deltaChars":${size}}]]`;
        const failure = await failureOf(client.chat({ prompt }));
        expect(failure).toMatchObject({ code: Code.ResourceExhausted, reason: "RESPONSE_TOO_LARGE", pushbackMs: -1 });
        expect(failure.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.COMPLETED });
        const streamed = await run({ prompt, detail: Detail.TEXT });
        expect(Buffer.byteLength(streamed.text)).toBe(size);
        expect(streamed.all("textDelta").every(({ text }) => Buffer.byteLength(text) < 1024 * 1024)).toBe(true);
      });
    });

    it("tells what the caller may use, and no more", async () => {
      const info = await client.getInfo();
      expect(info.tenant).toBe("acme");
      expect(info.serverVersion).toMatch(/^\d+\.\d+\.\d+/);
      expect(info.cliVersion).toMatch(/^\d+\.\d+\.\d+$/);
      expect(info.maxTurnsInFlightCount).toBe(turnsInFlight);
      expect(info.profiles.map(({ name }) => name).toSorted()).toEqual(["default", "fixed", "tools"]);
      expect(info.profiles.find(({ name }) => name === "default")).toMatchObject({
        defaultModel: model,
        allowedModels: [model, otherModel],
        systemPromptPolicy: SystemPromptPolicy.REPLACE,
        reusesWorkers: true,
      });
    });

    it("tells health without a token, and nothing else", async () => {
      const stranger = kind.connect({ ...scene.target, token: undefined });
      expect((await stranger.checkHealth("")).status).toBe(Status.SERVING);
      for (const authorization of [undefined, "Bearer wrong", `Basic ${tenants.acme}`]) {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
        for (const call of [
          () => stranger.getInfo({ headers }),
          () => stranger.chat({ prompt: "x" }, { headers }),
          () => stranger.streamChat({ prompt: "x" }, { headers }),
        ]) {
          expect(await failureOf(call())).toMatchObject({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED" });
        }
      }
      stranger.close();
    });
  });
}

function isOfLabel(line: LogLine, label: string): boolean {
  return (
    (line.message === "turn ended" || line.message === "turn refused") &&
    (line.labels as { job?: string })?.job === label
  );
}

/** What the model was sent last. */
function lastBody({ standin }: Scene): Readonly<Record<string, unknown>> {
  return standin.requests.at(-1)!.body as Readonly<Record<string, unknown>>;
}

function textBlock(text: string) {
  return expect.objectContaining({ type: "text", text });
}

function plainText(content: unknown): string {
  if (typeof content === "string") return content;
  return (content as { text?: string }[]).map(({ text }) => text ?? "").join("");
}

function stringBigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
