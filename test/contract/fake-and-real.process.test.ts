/**
 * The fake CLI against the real one: the same turns on both, through the driver. Kinds and order of events agree, and so
 * do the members of every line that the CLI writes, so that what is proven on the fake is proven of the real one.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocatedCli } from "../../src/cli/program/locate.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import type { RunningTurn, WorkerProcess } from "../../src/worker-process.ts";
import { type Played, play, type Rig, rig, textOf, turnOf } from "../cli/real-cli.ts";
import { type FakeCli, makeFakeCli } from "../fakes/fake-cli.ts";
import { answered, said } from "../said.ts";

const text = "One answer, cut into a few pieces of text.";

interface Case {
  readonly name: string;
  /** What the stand-in answers the real CLI. */
  readonly scenario: string;
  /** What the fake is asked for. */
  readonly fake: string;
  readonly profile?: "default" | "tools" | "schema";
  /** Interrupts at this event. */
  readonly interruptAt?: TurnEvent["kind"];
  readonly seeded?: boolean;
  /** Names of events and lines that may or may not come. */
  readonly leavesOpen?: RegExp;
}

const errors: readonly [status: number, type: string, retries: number][] = [
  [400, "invalid_request_error", 0],
  [401, "authentication_error", 1],
  [404, "not_found_error", 0],
  [429, "rate_limit_error", 1],
  [500, "api_error", 1],
];

/** The body ends too early; the request is made once more. */
const brokenOnce = {
  play: { answer: "message", blocks: [{ type: "text", text }] },
  failsFirst: {
    times: 1,
    play: {
      answer: "message",
      blocks: [{ type: "text", text: "This is taken back.", deltas: 4 }],
      breaks: { how: "end", afterDeltas: 2 },
    },
  },
};

const cases: readonly Case[] = [
  { name: "text", scenario: `text {"text":"${text}"}`, fake: `answer {"text":"${text}"}` },
  {
    name: "thinking and text",
    scenario: `thinking {"thinking":"Hm.","text":"${text}"}`,
    fake: `answer {"text":"${text}","thinking":"Hm."}`,
  },
  {
    name: "a tool",
    profile: "tools",
    scenario: `tool {"name":"Bash","input":{"command":"echo hi"},"text":"${text}"}`,
    fake: `answer {"text":"${text}","tool":{"name":"Bash","input":{"command":"echo hi"},"result":"hi"}}`,
  },
  {
    name: "retries",
    scenario: `retry-then-answer {"times":1,"status":500,"text":"${text}"}`,
    fake: `answer {"text":"${text}","retries":{"count":1,"status":500,"delayMs":10}}`,
  },
  {
    name: "text that is taken back",
    scenario: JSON.stringify({ steps: [brokenOnce] }),
    fake: `answer {"text":"${text}","retracts":true}`,
    // The real one says so for some of the ways in which a stream can break.
    leavesOpen: /^apiRetry|^system\/api_retry/,
  },
  ...errors.map(([status, type, count]) => ({
    name: `an error ${status}`,
    scenario: `error-${status}`,
    fake: `answer {"error":{"status":${status},"type":"${type}"},"retries":{"count":${count},"status":${status},"delayMs":1000}}`,
  })),
  {
    name: "an interrupt in mid-text",
    scenario: 'long-text {"deltaCount":2000,"betweenDeltasMs":20}',
    fake: 'answer {"flood":{"deltas":2000,"chars":20},"perSecond":50}',
    interruptAt: "textDelta",
  },
  {
    name: "an interrupt before the first text",
    scenario: "silence",
    fake: 'hang {"at":"afterInit"}',
    interruptAt: "init",
  },
  {
    name: "structured output",
    profile: "schema",
    scenario: 'structured {"value":{"answer":"42"}}',
    fake: 'answer {"structuredOutput":{"answer":"42"}}',
  },
  { name: "a seeded history", scenario: `text {"text":"${text}"}`, fake: `answer {"text":"${text}"}`, seeded: true },
];

const schema = JSON.stringify({ type: "object", properties: { answer: { type: "string" } }, required: ["answer"] });

describe("the fake CLI and the real one", () => {
  let fake: FakeCli;
  let workspace: string;
  const rigs: Rig[] = [];
  const workers = new Map<string, WorkerProcess>();
  let found: LocatedCli;

  beforeAll(async () => {
    fake = await makeFakeCli();
    workspace = await mkdtemp(join(tmpdir(), "fake-and-real-"));
    found = { kind: "found", path: fake.path, version: "2.1.332", source: "settings", fingerprint: "" };
  });
  afterAll(async () => {
    for (const made of rigs) await made[Symbol.asyncDispose]();
    await fake[Symbol.asyncDispose]();
    await rm(workspace, { recursive: true, force: true });
  });

  /** A worker of one of the two, bound for the profile; kept for the next case. */
  const workerOf = async (which: "fake" | "real", profile: NonNullable<Case["profile"]>) => {
    const key = `${which} ${profile}`;
    const known = workers.get(key);
    if (known !== undefined) return known;
    const tools = { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "t" };
    const made = await rig({
      profile: { upstreamMaxRetries: 1, ...(profile === "tools" && tools) },
      ...(which === "fake" && { cli: found }),
    });
    rigs.push(made);
    const worker = await made.worker();
    await worker.bind({ systemPrompt: "Answer.", ...(profile === "schema" && { outputSchemaJson: schema }) });
    workers.set(key, worker);
    return worker;
  };

  const playOn = async (which: "fake" | "real", of: Case): Promise<Played> => {
    const worker = await workerOf(which, of.profile ?? "default");
    if (of.seeded) {
      await worker.seed([said("First?"), answered("First.")]);
    }
    const prompt = which === "real" ? `A question. [[scenario ${of.scenario}]]` : `A question. [[fake ${of.fake}]]`;
    const binding = of.profile === "schema" ? { outputSchemaJson: schema } : {};
    const interrupt = (event: TurnEvent, running: RunningTurn) => {
      if (event.kind === of.interruptAt) running.interrupt("costLimit");
    };
    const played = await play(worker, turnOf(prompt, { detail: "full", binding }), interrupt);
    expect(await worker.reset()).toEqual({ clean: true });
    return played;
  };

  it.each(cases)("do the same: $name", async (of) => {
    const [real, faked] = [await playOn("real", of), await playOn("fake", of)];
    const seen = ({ events }: Played) =>
      [kindsOf(events), linesOf(events)].map((names) => steady(names.filter((name) => !of.leavesOpen?.test(name))));
    expect(seen(faked)).toEqual(seen(real));
    expect(endOf(faked)).toEqual(endOf(real));
    if (real.end.outcome === "completed") expect(textOf(faked.events)).toBe(textOf(real.events));
  });
});

/** The kinds in order, but for those that are there for their line only. */
function kindsOf(events: readonly TurnEvent[]): readonly string[] {
  return events.map(({ kind }) => kind).filter((kind) => kind !== "unknown");
}

/** Each line of the CLI by its name, with its members. */
function linesOf(events: readonly TurnEvent[]): readonly string[] {
  return events.flatMap(({ raw }) => (raw === undefined ? [] : lineOf(JSON.parse(raw) as JsonObject)));
}

type JsonObject = Readonly<Record<string, unknown>>;

function lineOf(line: JsonObject): string {
  const event = line.event as JsonObject | undefined;
  const name = [line.type, line.subtype, event?.type, (event?.delta as JsonObject | undefined)?.type].filter(Boolean);
  // Of the first request's size the result speaks or not, by what the model API said of it.
  const members = Object.keys(line).filter((member) => !member.startsWith("first_request_"));
  return `${name.join("/")}: ${members.toSorted().join(" ")}`;
}

const isDelta = (name: string) => /Delta$|_delta:/.test(name);
const isStop = (name: string | undefined) => name === "messageStop" || name?.startsWith("stream_event/message_stop:");

/**
 * Names in order, without what is a matter of pace: how many deltas there are, how often the length of thinking is
 * estimated (the fake never does), whether the process was idle in between, and whether a quick tool has answered before
 * its message has ended.
 */
function steady(names: readonly string[]): readonly string[] {
  const kept = names.filter((name) => !/thinkingProgress|thinking_tokens|session_state_changed/.test(name));
  const merged = kept.filter((name, at) => name !== kept[at - 1] || !isDelta(name));
  for (const [at, name] of merged.entries()) {
    if (!/^toolResult|^user:/.test(name) || !isStop(merged[at + 1])) continue;
    [merged[at], merged[at + 1]] = [merged[at + 1]!, name];
  }
  return merged;
}

function endOf({ end }: Played) {
  const { outcome, error, upstreamFailure, modelCallCount, stopReason, terminalReason, cliSubtype, workerReusable } =
    end;
  return {
    outcome,
    reason: error?.reason,
    httpStatus: upstreamFailure?.httpStatus,
    modelCallCount,
    stopReason,
    terminalReason,
    cliSubtype,
    workerReusable,
    structuredOutputJson: end.structuredOutputJson,
    hasUsage: end.usage.outputTokens > 0,
    hasCost: end.costUsdMicros > 0,
  };
}
