/**
 * The spans of Claude Code itself: that each is under the turn it belongs to, whatever happens to turns and however their
 * workers are used again, and that nothing private is on them. The real CLI, 200 turns of all kinds at once.
 *
 * Each turn has marks of its own in what the model API answers: ids of requests and of tool uses. Claude Code puts those on
 * its spans, so a span tells whose it is without being asked.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Detail, Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import type { RecordedRequest } from "../../src/standin/record.ts";
import type { AnswerInput, ScenarioInput } from "../../src/standin/scenario.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { type OtlpSink, openOtlpSink, type SinkSpan } from "./otlp-sink.ts";
import { canaryKey, openScene, type Scene, tenants } from "./scene.ts";

const turnCount = 200;
/** Environments of processes can be read. */
const hasProc = process.platform === "linux";
/** Callers at once, on four workers. */
const callerCount = 6;

const kinds = [
  "plain",
  "read",
  "retried",
  "rejected",
  "interrupted in mid-answer",
  "seeded",
  "shell",
  "interrupted before an answer",
  "failed for good",
  "interrupted in a tool",
  "cancelled at once",
] as const;
type Kind = (typeof kinds)[number];

interface Planned {
  readonly index: number;
  readonly kind: Kind;
  readonly traceId: string;
  /** In the prompt, so that the stand-in knows whom it answers. */
  readonly mark: string;
}

interface Done extends Planned {
  readonly seen: SeenTurn;
}

const isInteraction = ({ name }: SinkSpan) => name === "claude_code.interaction";
const hex = (bytes: number) => randomBytes(bytes).toString("hex");
const canary = (what: string) => `canary-${what}-${hex(6)}`;
const canaries = {
  prompt: canary("prompt"),
  answer: canary("answer"),
  historyQuestion: canary("history-question"),
  historyAnswer: canary("history-answer"),
  command: canary("command"),
  fileContent: canary("file-content"),
  fileName: canary("file-name"),
  upstreamError: canary("upstream-error"),
  systemPrompt: canary("system-prompt"),
};

const planned: readonly Planned[] = Array.from({ length: turnCount }, (_, index) => ({
  index,
  kind: kinds[index % kinds.length]!,
  traceId: hex(16),
  mark: `turn${index}end`,
}));

const isInterrupted = (kind: Kind) => kind.startsWith("interrupted");
/** Claude Code may have taken such a prompt or not, and made spans for it or not: the count has to be right either way. */
const isOpen = (kind: Kind) => kind === "cancelled at once";
/** Turns of which there are spans. */
const certain = planned.filter(({ kind }) => !isOpen(kind));
const usesShell = (kind: Kind) => kind === "shell" || kind === "interrupted in a tool";

describe("the spans of Claude Code itself", () => {
  let sink: OtlpSink;
  let scene: Scene;
  let workspace: string;
  let metrics: string;
  let environments: readonly string[];
  const done: Done[] = [];

  beforeAll(async () => {
    sink = await openOtlpSink();
    workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
    const file = join(workspace, `${canaries.fileName}.txt`);
    await writeFile(file, canaries.fileContent);
    const tools = { isolation: "none", tenant: "acme", reuse: true, upstreamMaxRetries: 2 } as const;
    scene = await openScene({
      settings: {
        admin: { enabled: true, port: 0 },
        telemetry: { otlpEndpoint: sink.url, cliSpans: true, tracesIntervalMs: 100, prometheus: true },
        auth: { maxTurnsInFlightPerTenant: 100 },
        profiles: {
          default: { ...tools, maxWorkers: 3, tools: ["Read"], workspace: { path: workspace, access: "read-only" } },
          shell: { ...tools, maxWorkers: 1, tools: ["Bash"], workspace: { path: workspace } },
        },
      },
    });
    using _script = scene.standin.script((request) => answerTo(request, file));

    const left = [...planned];
    const call = async () => {
      for (let turn = left.shift(); turn !== undefined; turn = left.shift()) {
        done.push({ ...turn, seen: await run(scene, turn) });
      }
    };
    await Promise.all(Array.from({ length: callerCount }, call));
    environments = hasProc ? await environmentsOf(scene) : [];
    const address = `http://127.0.0.1:${scene.runner.adminAddress?.port}/metrics`;
    const joined = () => new Set(sink.spans.filter(isInteraction).map(({ traceId }) => traceId));
    await sink.until(() => certain.every(({ traceId }) => joined().has(traceId)));
    metrics = await (await fetch(address)).text();
    await scene.close();
  }, 240_000);
  afterAll(async () => {
    await sink.close();
    await rm(workspace, { recursive: true, force: true });
  });

  const spansOf = ({ traceId }: Planned) => sink.spans.filter((span) => span.traceId === traceId);
  const isCli = ({ scope }: SinkSpan) => scope === "claude-code";
  const cliSpansOf = (turn: Planned) => spansOf(turn).filter(isCli);
  const named = (spans: readonly SinkSpan[], name: string) => spans.filter((span) => span.name === name);
  const requestsOf = (turn: Planned) => named(cliSpansOf(turn), "claude_code.llm_request");
  const isMadeUp = ({ attributes }: SinkSpan) => attributes["runner.synthesized"] === true;

  it("are there for every turn: 200 turns of all kinds on four workers that are used again", () => {
    expect(done).toHaveLength(turnCount);
    for (const { kind, seen, index } of done) {
      if (isInterrupted(kind) || isOpen(kind)) continue;
      const outcome = kind === "rejected" || kind === "failed for good" ? Outcome.UPSTREAM_ERROR : Outcome.COMPLETED;
      expect(seen.result.outcome, `turn ${index}, ${kind}`).toBe(outcome);
    }
    const workers = new Set(sink.spans.map(({ attributes }) => attributes["runner.worker.id"]).filter(Boolean));
    expect(workers.size).toBe(4);
    for (const turn of done) {
      const where = `turn ${turn.index}, ${turn.kind}`;
      const interactions = cliSpansOf(turn).filter(isInteraction);
      if (isOpen(turn.kind)) {
        expect(interactions.length, where).toBeLessThan(2);
        continue;
      }
      expect(interactions, where).toHaveLength(1);
      if (!isInterrupted(turn.kind)) expect(requestsOf(turn).length, where).toBeGreaterThan(0);
    }
  });

  it("are in no trace but their own turn's", () => {
    const turns = new Map(done.map((turn) => [turn.traceId, turn]));
    let markedCount = 0;
    for (const span of sink.spans.filter(isCli)) {
      const turn = turns.get(span.traceId);
      expect(turn, `${span.name} is in a trace that nobody began`).toBeDefined();
      for (const key of ["runner.cli.request_id", "gen_ai.tool.call.id"]) {
        const mark = span.attributes[key];
        if (mark === undefined) continue;
        markedCount += 1;
        expect(mark, `${span.name} of turn ${turn?.index}`).toContain(turn?.mark);
      }
    }
    expect(markedCount).toBeGreaterThan(turnCount);
  });

  it("hang together: each under the turn's span, or under another of its trace", () => {
    for (const turn of done) {
      const spans = spansOf(turn);
      const byId = new Map(spans.map((span) => [span.spanId, span]));
      for (const span of spans.filter(isCli)) {
        const parent = byId.get(span.parentSpanId);
        const expected = {
          "claude_code.interaction": /^runner\.turn$/,
          "claude_code.llm_request": /^(claude_code\.interaction|runner\.turn)$/,
          "claude_code.tool.blocked_on_user": /^(runner\.tool|claude_code\.tool)$/,
          "claude_code.tool.execution": /^(runner\.tool|claude_code\.tool)$/,
          "claude_code.tool": /^claude_code\.interaction$/,
        }[span.name];
        expect(expected, `a span called ${span.name}`).toBeDefined();
        expect(parent?.name, `parent of ${span.name} in turn ${turn.index}`).toMatch(expected!);
      }
    }
  });

  it("follow each other on a worker as its turns do", () => {
    let seenCount = 0;
    const byWorker = new Map<unknown, { readonly written: bigint; readonly interaction: SinkSpan }[]>();
    for (const turn of done) {
      const spans = spansOf(turn);
      const [interaction] = named(spans, "claude_code.interaction");
      if (interaction === undefined) continue; // a turn that was cancelled at once may have none
      seenCount += 1;
      const worker = spans.find(({ kind }) => kind === 2)?.attributes["runner.worker.id"];
      const [write] = named(spans, "runner.stdin_write");
      byWorker.set(worker, [...(byWorker.get(worker) ?? []), { written: write!.startTime, interaction }]);
    }
    expect(seenCount, "turns with an interaction").toBeGreaterThanOrEqual(certain.length);
    const aMillisecond = 1_000_000n;
    for (const turns of byWorker.values()) {
      turns.sort((a, b) => Number(a.written - b.written));
      for (const [at, { written, interaction }] of turns.entries()) {
        expect(interaction.startTime + 2n * aMillisecond).toBeGreaterThanOrEqual(written);
        const next = turns[at + 1];
        if (next !== undefined) expect(interaction.endTime).toBeLessThanOrEqual(next.written + 2n * aMillisecond);
      }
    }
  });

  it("show what each request to the model took: tokens, tries, and what it failed with", () => {
    for (const turn of done) {
      const requests = requestsOf(turn).filter((span) => !isMadeUp(span));
      const where = `turn ${turn.index}, ${turn.kind}`;
      switch (turn.kind) {
        case "plain":
        case "seeded":
          expect(requests, where).toHaveLength(1);
          expect(requests[0], where).toMatchObject({
            statusCode: 0,
            attributes: {
              "gen_ai.request.model": "claude-opus-5-5",
              "gen_ai.usage.output_tokens": expect.any(Number),
              "gen_ai.response.finish_reasons": ["end_turn"],
              "runner.cli.attempt_count": 1,
              "runner.cli.request_id": `req_${turn.mark}_0`,
            },
          });
          break;
        case "read":
        case "shell":
          expect(requests.map(({ attributes }) => attributes["runner.cli.request_id"]).toSorted(), where).toEqual([
            `req_${turn.mark}_0`,
            `req_${turn.mark}_1`,
          ]);
          break;
        case "retried":
          expect(requests, where).toHaveLength(1);
          expect(attemptsOf(requests[0]!), where).toEqual([1, 2]);
          expect(requests[0]?.statusCode, where).toBe(0);
          break;
        case "rejected":
          expect(requests[0]?.attributes, where).toMatchObject({
            "http.response.status_code": 400,
            "error.type": "client_error",
          });
          expect(requests[0]?.statusCode, where).toBe(2);
          break;
        case "failed for good":
          expect(requests[0]?.attributes, where).toMatchObject({
            "http.response.status_code": 500,
            "error.type": "server_error",
            "runner.cli.attempt_count": 3,
          });
          expect(attemptsOf(requests[0]!), where).toEqual([1, 2, 3]);
          break;
        default:
          break;
      }
    }
  });

  it("say what came of the turn by our own result, not by Claude Code's silence", () => {
    let seenCount = 0;
    for (const turn of done) {
      const [interaction] = named(cliSpansOf(turn), "claude_code.interaction");
      if (interaction === undefined) continue; // a turn that was cancelled at once may have none
      seenCount += 1;
      const server = spansOf(turn).find(({ kind }) => kind === 2);
      expect(interaction.attributes).toEqual({
        "runner.turn.id": server?.attributes["runner.turn.id"],
        "runner.turn.outcome": server?.attributes["runner.turn.outcome"],
      });
    }
    expect(seenCount, "turns with an interaction").toBeGreaterThanOrEqual(certain.length);
  });

  it("show a tool use once, with what Claude Code did for it below", () => {
    for (const turn of done.filter(({ kind }) => kind === "read" || kind === "shell")) {
      const spans = spansOf(turn);
      const tools = named(spans, "runner.tool");
      expect(tools.length, `turn ${turn.index}`).toBeGreaterThan(0);
      expect(named(spans, "claude_code.tool")).toEqual([]);
      for (const { spanId } of tools) {
        const below = spans.filter(({ parentSpanId }) => parentSpanId === spanId).map(({ name }) => name);
        expect(below.toSorted()).toEqual(["claude_code.tool.blocked_on_user", "claude_code.tool.execution"]);
      }
    }
  });

  it("tell of a request that was interrupted, which Claude Code does not, and say that it is made up", () => {
    const cut = done.filter(({ kind }) => kind === "interrupted in mid-answer");
    expect(cut.length).toBeGreaterThan(10);
    for (const turn of cut) {
      const requests = requestsOf(turn);
      expect(requests, `turn ${turn.index}`).toHaveLength(1);
      expect(requests[0]?.attributes, `turn ${turn.index}`).toMatchObject({
        "runner.synthesized": true,
        "gen_ai.request.model": "claude-opus-5-5",
        "gen_ai.response.model": "claude-opus-5-5",
        "runner.cli.time_to_first_token_ms": expect.any(Number),
      });
    }
    // Elsewhere nothing is made up.
    for (const turn of done.filter(({ kind }) => !isInterrupted(kind) && !isOpen(kind))) {
      expect(requestsOf(turn).filter(isMadeUp), `turn ${turn.index}, ${turn.kind}`).toEqual([]);
    }
  });

  it("hold nothing private: only attributes of the list, no text of anybody, no id of user or session, no key", () => {
    const listed = new Set([
      "runner.turn.id",
      "runner.turn.outcome",
      "runner.tool.name",
      "runner.synthesized",
      "runner.cli.attempt_count",
      "runner.cli.request_id",
      "runner.cli.request_source",
      "runner.cli.time_to_first_token_ms",
      "runner.cli.decision",
      "runner.cli.decision_source",
      "gen_ai.operation.name",
      "gen_ai.provider.name",
      "gen_ai.request.model",
      "gen_ai.response.model",
      "gen_ai.response.finish_reasons",
      "gen_ai.usage.input_tokens",
      "gen_ai.usage.output_tokens",
      "gen_ai.usage.cache_read.input_tokens",
      "gen_ai.usage.cache_creation.input_tokens",
      "gen_ai.tool.call.id",
      "http.response.status_code",
      "error.type",
    ]);
    const sessions = new Set(scene.standin.requests.map(({ headers }) => String(headers["x-claude-code-session-id"])));
    const users = new Set(scene.standin.requests.flatMap(({ body }) => userIdsIn(body)));
    expect(sessions.size).toBe(4);
    expect(users.size).toBeGreaterThan(0);
    for (const span of sink.spans.filter(isCli)) {
      expect(span.statusText).toBe("");
      for (const key of Object.keys(span.attributes)) expect(listed, span.name).toContain(key);
      for (const event of span.events) {
        expect(event.name).toBe("gen_ai.request.attempt");
        expect(Object.keys(event.attributes)).toEqual(["runner.cli.attempt"]);
      }
      // Our own server span names the session, as `gen_ai.conversation.id`; theirs do not.
      const text = JSON.stringify(span.attributes);
      for (const session of sessions) expect(text.includes(session), span.name).toBe(false);
    }
    const secrets = { ...canaries, key: canaryKey, token: tenants.acme };
    for (const { path, bytes } of sink.bodies) {
      for (const [what, secret] of Object.entries(secrets)) {
        expect(bytes.includes(secret), `the ${what} is in ${path}`).toBe(false);
      }
      for (const user of users) expect(bytes.includes(user), `a user id is in ${path}`).toBe(false);
      for (const word of ["bash_argv0", "user.id", "session.id", "user_prompt", "terminal.type"]) {
        expect(bytes.includes(word), `${word} is in ${path}`).toBe(false);
      }
    }
    // They were there to be found.
    const asked = scene.standin.requests.map(({ bodyText }) => bodyText).join("\n");
    for (const what of ["prompt", "historyAnswer", "command", "fileContent"] as const) {
      expect(asked, what).toContain(canaries[what]);
    }
  });

  it("are counted, and none was dropped because the accounts did not agree", () => {
    expect(counterOf(metrics, "runner_cli_spans_joined")).toBeGreaterThan(2 * turnCount);
    expect(metrics).not.toMatch(
      /runner_cli_spans_dropped_total\{[^}]*drop_reason="(mismatch|late|full|invalid|unknown_name)"[^}]*\} [1-9]/,
    );
    expect(counterOf(metrics, "runner_cli_spans_turns_without")).toBe(0);
    expect(counterOf(metrics, "runner_cli_spans_failures")).toBe(0);
    // The seeded questions.
    expect(metrics).toMatch(/runner_cli_spans_dropped_total\{[^}]*drop_reason="not_a_turn"[^}]*\} [1-9]/);
  });

  it.runIf(hasProc)("need seven variables in a worker's environment, none of which lets content out", () => {
    expect(environments.length).toBeGreaterThan(0);
    for (const environment of environments) {
      const names = environment
        .split("\0")
        .map((pair) => pair.split("=", 1)[0] ?? "")
        .filter((name) => /OTEL|TELEMETRY|TRACE/.test(name) && name !== "DISABLE_TELEMETRY");
      expect(names.toSorted()).toEqual([
        "CLAUDE_CODE_ENABLE_TELEMETRY",
        "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA",
        "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_EXPORT_INTERVAL",
      ]);
    }
  });

  it("do not reach the model API: no trace header goes there", () => {
    for (const { headers } of scene.standin.requests) expect(headers).not.toHaveProperty("traceparent");
  });
});

describe("the spans of Claude Code itself, turn by turn", () => {
  let sink: OtlpSink;
  let scene: Scene;
  let workspace: string;
  let metrics: string;
  const trace = { unsampled: hex(16), text: hex(16), agent: hex(16), killed: hex(16) };

  beforeAll(async () => {
    sink = await openOtlpSink();
    workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
    scene = await openScene({
      settings: {
        admin: { enabled: true, port: 0 },
        telemetry: { otlpEndpoint: sink.url, cliSpans: true, tracesIntervalMs: 100, prometheus: true },
        profiles: {
          default: {
            tools: ["Bash", "Agent"],
            isolation: "none",
            tenant: "acme",
            workspace: { path: workspace },
            reuse: true,
          },
        },
      },
    });
    const call = (prompt: string, traceId: string, detail: Detail, flags = "01") =>
      scene.client.streamChat({ prompt, detail }, { headers: { traceparent: `00-${traceId}-${hex(8)}-${flags}` } });
    const bash = "[[scenario bash]]";
    await readTurn(call(bash, trace.unsampled, Detail.STANDARD, "00"));
    await readTurn(call(bash, trace.text, Detail.TEXT));
    const input = { description: "Looks", prompt: "Look around.", subagent_type: "general-purpose" };
    const agent = `[[scenario tool ${JSON.stringify({ name: "Agent", input })}]]`;
    expect((await readTurn(call(agent, trace.agent, Detail.STANDARD))).result.outcome).toBe(Outcome.COMPLETED);
    const pids = await scene.workerPids();
    await readTurn(call("[[scenario stall]]", trace.killed, Detail.STANDARD), ({ event }) => {
      if (event.case === "textDelta") for (const pid of pids.values()) killGroup(pid);
    });
    await sink.until(() =>
      sink.spans.some(({ traceId, scope }) => traceId === trace.killed && scope === "claude-code"),
    );
    const address = `http://127.0.0.1:${scene.runner.adminAddress?.port}/metrics`;
    metrics = await (await fetch(address)).text();
    await scene.close();
  });
  afterAll(async () => {
    await sink.close();
    await rm(workspace, { recursive: true, force: true });
  });

  const spansOf = (traceId: string) => sink.spans.filter((span) => span.traceId === traceId);
  /** The names from a span up to the call. */
  const pathOf = (span: SinkSpan): readonly string[] => {
    const parent = spansOf(span.traceId).find(({ spanId }) => spanId === span.parentSpanId);
    return [span.name, ...(parent === undefined || span.kind === 2 ? [] : pathOf(parent))];
  };

  it("are dropped, and counted, when the turn is not traced", () => {
    expect(spansOf(trace.unsampled)).toEqual([]);
    expect(metrics).toMatch(/runner_cli_spans_dropped_total\{[^}]*drop_reason="not_sampled"[^}]*\} [1-9]/);
  });

  it("show a tool use by Claude Code's own span where the turn streams text only and we have none", () => {
    const execution = spansOf(trace.text).find(({ name }) => name === "claude_code.tool.execution");
    expect(pathOf(execution!).slice(0, -1)).toEqual([
      "claude_code.tool.execution",
      "claude_code.tool",
      "claude_code.interaction",
      "runner.turn",
    ]);
    expect(spansOf(trace.text).some(({ name }) => name === "runner.tool")).toBe(false);
  });

  it("show the requests of a sub-agent below the tool use that started it", () => {
    const ofAgent = spansOf(trace.agent).filter(({ attributes }) =>
      String(attributes["runner.cli.request_source"]).startsWith("agent."),
    );
    expect(ofAgent.length).toBeGreaterThan(0);
    expect(pathOf(ofAgent[0]!).slice(0, -1)).toEqual([
      "claude_code.llm_request",
      "claude_code.tool.execution",
      "runner.tool",
      "runner.turn",
    ]);
  });

  it("tell of the request that was under way when a worker died", () => {
    const [request, ...more] = spansOf(trace.killed).filter(({ scope }) => scope === "claude-code");
    expect(more).toEqual([]);
    expect(pathOf(request!).slice(0, -1)).toEqual(["claude_code.llm_request", "runner.turn"]);
    expect(request?.attributes).toMatchObject({ "runner.synthesized": true });
    expect(metrics).toMatch(/runner_cli_spans_turns_without_total\{[^}]*\} 1/);
  });
});

describe("without the setting", () => {
  let sink: OtlpSink;
  let scene: Scene;

  beforeAll(async () => {
    sink = await openOtlpSink();
    scene = await openScene({ settings: { telemetry: { otlpEndpoint: sink.url, tracesIntervalMs: 100 } } });
  });
  afterAll(async () => {
    await scene.close();
    await sink.close();
  });

  it.runIf(hasProc)("workers have no variable that makes them send spans, and nothing of them is sent", async () => {
    const traceId = hex(16);
    const headers = { traceparent: `00-${traceId}-${hex(8)}-01` };
    await readTurn(scene.client.streamChat({ prompt: "hello" }, { headers }));
    const environments = await environmentsOf(scene);
    expect(environments.length).toBeGreaterThan(0);
    for (const environment of environments) {
      expect(environment).not.toMatch(/OTEL|CLAUDE_CODE_(ENABLE|ENHANCED)_TELEMETRY|TRACEPARENT/);
    }
    await sink.until(() => sink.spans.some((span) => span.traceId === traceId && span.kind === 2));
    expect(sink.spans.filter(({ scope }) => scope === "claude-code")).toEqual([]);
  });
});

/** The environments of the living workers, as the system has them. */
async function environmentsOf(scene: Scene): Promise<readonly string[]> {
  const pids = [...(await scene.workerPids()).values()];
  return await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/environ`, "utf8")));
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

/** What the model answers to a turn, with the turn's mark in every id. */
function answerTo({ body }: RecordedRequest, file: string): ScenarioInput | undefined {
  const mark = /turn\d+end/.exec(lastPromptOf(body))?.[0];
  const turn = planned.find((one) => one.mark === mark);
  if (turn === undefined) return undefined;
  const headers = (step: number) => ({ "request-id": `req_${turn.mark}_${step}` });
  const text = (step: number, more: object = {}): AnswerInput => ({
    answer: "message",
    blocks: [{ type: "text", text: `${canaries.answer} some words that are streamed in pieces` }],
    headers: headers(step),
    ...more,
  });
  const uses = (
    ...tools: readonly { readonly name: string; readonly input: Record<string, string> }[]
  ): AnswerInput => ({
    answer: "message",
    blocks: tools.map((tool, at) => ({ type: "tool_use", ...tool, id: `toolu_${turn.mark}_${at}` })),
    stopReason: "tool_use",
    headers: headers(0),
  });
  const bash = (command: string) => ({ name: "Bash", input: { command, description: "Runs a command" } });
  const failure = (status: number): AnswerInput => ({
    answer: "error",
    status,
    message: canaries.upstreamError,
    headers: headers(0),
  });
  switch (turn.kind) {
    case "plain":
    case "seeded":
    case "cancelled at once":
      return { steps: [{ play: text(0) }] };
    case "read":
      return { steps: [{ play: uses({ name: "Read", input: { file_path: file } }) }, { play: text(1) }] };
    case "shell":
      return {
        steps: [
          { play: uses(bash(`echo ${canaries.command}`), bash(`printf ${canaries.command}`)) },
          { play: text(1) },
        ],
      };
    case "retried":
      return { steps: [{ play: text(0), failsFirst: { times: 1, play: failure(500) } }] };
    case "rejected":
      return { steps: [{ play: failure(400) }] };
    case "failed for good":
      return { steps: [{ play: failure(500) }] };
    case "interrupted in mid-answer":
      return { steps: [{ play: text(0, { beforeEndMs: 60_000 }) }] };
    case "interrupted before an answer":
      return { steps: [{ play: { answer: "silence" } }] };
    case "interrupted in a tool":
      return { steps: [{ play: uses(bash("sleep 60")) }, { play: text(1) }] };
  }
}

async function run({ client, standin, book }: Scene, { index, kind, traceId, mark }: Planned): Promise<SeenTurn> {
  const stop = new AbortController();
  const stream = client.streamChat(
    {
      profile: usesShell(kind) ? "shell" : "default",
      prompt: `${mark} ${canaries.prompt}`,
      detail: Detail.STANDARD,
      ...(kind === "seeded" && {
        history: [
          { role: Role.USER, text: canaries.historyQuestion },
          { role: Role.ASSISTANT, text: canaries.historyAnswer },
          { role: Role.USER, text: `${canaries.historyQuestion} again` },
          { role: Role.ASSISTANT, text: `${canaries.historyAnswer} again` },
        ],
      }),
    },
    { headers: { traceparent: `00-${traceId}-${hex(8)}-01` }, signal: stop.signal },
  );
  if (kind === "interrupted before an answer") {
    // At different moments: with the request to the model under way, or as soon as the turn has begun.
    if (index % 2 === 0)
      void standin.waitForRequest(({ bodyText }) => bodyText.includes(mark)).then(() => stop.abort());
    return readTurn(stream, ({ event }) => {
      if (event.case === "started" && index % 2 === 1) stop.abort();
    });
  }
  if (kind === "cancelled at once") {
    // When a worker is claimed, whoever's that is: before the prompt is written, or just behind.
    void book.wait(({ to }) => to === "claimed", book.position).then(() => stop.abort());
  }
  return readTurn(stream, ({ event }) => {
    if (kind === "interrupted in mid-answer" && event.case === "textDelta") stop.abort();
    if (kind === "interrupted in a tool" && event.case === "toolUse") stop.abort();
  });
}

/** The text that the user wrote last. */
function lastPromptOf(body: unknown): string {
  const { messages = [] } = body as { messages?: readonly { role: string; content: unknown }[] };
  const prompts = messages.filter(({ role, content }) => role === "user" && JSON.stringify(content).includes("end "));
  return JSON.stringify(prompts.at(-1)?.content ?? "");
}

/** The ids of the device and of the account that Claude Code tells the model API. */
function userIdsIn(body: unknown): readonly string[] {
  const { metadata } = body as { metadata?: { user_id?: string } };
  if (metadata?.user_id === undefined) return [];
  const { device_id } = JSON.parse(metadata.user_id) as { device_id?: string };
  return device_id === undefined ? [] : [device_id];
}

function attemptsOf({ events }: SinkSpan): readonly unknown[] {
  return events.map(({ attributes }) => attributes["runner.cli.attempt"]);
}

/** The value of a counter, all its attributes together. */
function counterOf(metrics: string, name: string): number {
  const lines = metrics.split("\n").filter((line) => line.startsWith(`${name}_total`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
