/** Turns of a conversation through the pool, on processes that write down what they read. */
import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type { LocatedCli } from "../../src/cli/program/locate.ts";
import { systemClock } from "../../src/clock.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { keptNames } from "../../src/conversations/kept-names.ts";
import { Pool } from "../../src/pool/worker-pool.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import type { HistoryMessage, ModelSettings } from "../../src/turn.ts";
import type { EndCause, TurnEnd } from "../../src/turn-end.ts";
import { TurnLife } from "../../src/turns/life.ts";
import { rig, turnOf } from "../cli/real-cli.ts";
import { makeFakeCli } from "../fakes/fake-cli.ts";
import type { FakeScript } from "../fakes/script.ts";

const opened: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const stack of opened.splice(0)) await stack.disposeAsync();
});

const settings = { model: "claude-opus-5-5", effort: "medium" } as const;

/** A session's turns on a pool with one worker. */
async function session(script: FakeScript = {}) {
  const stack = new AsyncDisposableStack();
  opened.push(stack);
  const fake = stack.use(await makeFakeCli({ answer: { text: "An answer." }, ...script }));
  const cli: LocatedCli = { kind: "found", path: fake.path, version: "2.1.332", source: "settings", fingerprint: "" };
  const workers = stack.use(await rig({ cli }));
  const pool = new Pool({
    profiles: {
      default: {
        minSpares: 0,
        maxWorkers: 1,
        keptPlaces: 0,
        reuse: true,
        keepConversationMs: 60_000,
        parkedIdleMs: 0,
        maxParkedWorkers: 0,
      },
    },
    settings: settingsSchema.parse({}),
    tenants: { weightOf: () => 1, areSeveral: () => false },
    startWorker: () => workers.worker(),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
  stack.defer(() => pool.stop());
  pool.start();

  const history: HistoryMessage[] = [];
  let lastTurnId: string | undefined;

  /** Runs the session's next turn, and gives what was read since the prompt before it. */
  async function next(prompt: string, asked: { settings?: ModelSettings; endedFor?: EndCause } = {}) {
    const turn = turnOf(prompt, { id: randomUUID(), history: [...history], settings: asked.settings ?? settings });
    const conversation = keptNames({ sessionId: "s", lastTurnId, turn });
    const { signal } = new AbortController();
    const idle = Promise.withResolvers<void>();
    const nowMs = systemClock.now();
    const life = new TurnLife(
      { ...turn, sessionId: "s", conversation },
      { signal, deadlineMs: nowMs + 60_000, arrivedAtMs: nowMs, startedMs: nowMs },
      { clock: systemClock, pool, admit: () => ({ leave: () => idle.resolve() }) },
      [],
    );
    const { ended, claim } = await life.begin();
    if (asked.endedFor !== undefined) life.interrupt(asked.endedFor);
    const end: TurnEnd = await ended;
    await idle.promise;
    if (end.outcome === "completed") {
      history.push({ role: "user", content: turn.content }, { role: "assistant", texts: end.answerBlocks });
      lastTurnId = turn.id;
    }
    // A reset may be read at any time behind its turn: it counts for the turn that comes next.
    const read = (await fake.record()).flatMap(({ in: line }) => (line === undefined ? [] : [inShort(line)]));
    const prompts = read.flatMap((line, at) => (line.startsWith("asked") ? [at] : []));
    const own = read.slice((prompts.at(-2) ?? -1) + 1, (prompts.at(-1) ?? -1) + 1);
    return { end, holds: claim.holds.kind, worker: claim.worker, workerId: claim.worker.id, read: own };
  }
  return { next };
}

/** A line of the input in a word. */
function inShort(line: Readonly<Record<string, unknown>>): string {
  const { type, request, message, shouldQuery } = line as {
    type: string;
    request?: { subtype: string };
    message?: { content: string | { text: string }[] };
    shouldQuery?: false;
  };
  if (request !== undefined) return request.subtype;
  const text = typeof message?.content === "string" ? message.content : message?.content.map((b) => b.text).join("|");
  return type === "assistant" ? `answered ${text}` : shouldQuery === false ? `said ${text}` : `asked ${text}`;
}

describe("the turns of a session", () => {
  it("go on in the worker that has the conversation, which reads nothing but the prompt", async () => {
    const { next } = await session();
    const first = await next("one");
    expect(first).toMatchObject({ holds: "nothing", end: { answerBlocks: ["An answer."], answerBeside: "nothing" } });
    for (const prompt of ["two", "three"]) {
      expect(await next(prompt)).toMatchObject({
        holds: "conversation",
        workerId: first.workerId,
        read: [`asked ${prompt}`],
      });
    }
  });

  it("are handed the conversation again after one that was stopped, in a worker that has forgotten all", async () => {
    const { next } = await session();
    const { workerId } = await next("one");
    const stopped = await next("two [[fake hang]]", { endedFor: "interrupted" });
    expect(stopped).toMatchObject({ holds: "conversation", end: { outcome: "interrupted" } });
    const after = await next("two again");
    expect(after).toMatchObject({ holds: "binding", workerId });
    expect(after.read).toEqual([
      "interrupt",
      "rewind_conversation",
      "said one",
      "answered An answer.",
      "asked two again",
    ]);
    expect(await next("three")).toMatchObject({ holds: "conversation", read: ["asked three"] });
  });

  it("never have another model or effort set on a kept conversation: it is forgotten, set, handed over", async () => {
    const { next } = await session();
    await next("one");
    const { read, holds } = await next("two", { settings: { model: "claude-haiku-4-5", effort: "high" } });
    expect(holds).toBe("binding");
    expect(read).toEqual([
      "rewind_conversation",
      "apply_flag_settings",
      "get_settings",
      "said one",
      "answered An answer.",
      "asked two",
    ]);
    const back = await next("three");
    expect(back.read.slice(0, 3)).toEqual(["rewind_conversation", "apply_flag_settings", "get_settings"]);
    expect(back.read).toContain("said two");
  });

  it("go on in a new worker when the one that had the conversation has died meanwhile", async () => {
    const { next } = await session({
      processes: [{ answer: { text: "An answer." }, acts: [{ at: "idle", do: "exit" }] }],
    });
    const first = await next("one");
    await first.worker.exited;
    const second = await next("two");
    expect(second.workerId).not.toBe(first.workerId);
    expect(second.read).toEqual(expect.arrayContaining(["said one", "answered An answer.", "asked two"]));
    expect(second.end.outcome).toBe("completed");
  });
});
