/** Turns of a session with a worker of its own, through the pool, on processes that keep a transcript. */
import { randomUUID } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import type { LocatedCli } from "../../src/cli/program/locate.ts";
import { systemClock } from "../../src/clock.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { conversationSource } from "../../src/conversations/conversation-source.ts";
import { keptNames } from "../../src/conversations/kept-names.ts";
import { Pool } from "../../src/pool/worker-pool.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { TurnLife } from "../../src/turns/life.ts";
import { rig, turnOf } from "../cli/real-cli.ts";
import { makeFakeCli } from "../fakes/fake-cli.ts";

const opened: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const stack of opened.splice(0)) await stack.disposeAsync();
});

const usual = { model: "claude-opus-5-5", effort: "medium" } as const;
const other = { model: "claude-haiku-4-5", effort: "medium" } as const;

/** A session as its transcript is written down after each turn. */
async function session() {
  const stack = new AsyncDisposableStack();
  opened.push(stack);
  const fake = stack.use(await makeFakeCli());
  const cli: LocatedCli = { kind: "found", path: fake.path, version: "2.1.332", source: "settings", fingerprint: "" };
  const workers = stack.use(await rig({ cli, profile: { allowedModels: [other.model] } }));
  const profile = { minSpares: 0, maxWorkers: 1, keptPlaces: 0, reuse: false, keepConversationMs: 0 };
  const pool = new Pool({
    profiles: { default: { ...profile, parkedIdleMs: 60_000, maxParkedWorkers: 1 } },
    settings: settingsSchema.parse({}),
    tenants: { weightOf: () => 1, areSeveral: () => false },
    startWorker: (_profile, _signal, launch) => workers.start(launch),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
  stack.defer(() => pool.stop());
  pool.start();

  const cliSessionId = randomUUID();
  let transcript: Uint8Array = new Uint8Array();
  let lastTurnId: string | undefined;

  async function next(prompt: string, settings: typeof usual | typeof other = usual) {
    const plain = turnOf(prompt, { id: randomUUID(), settings });
    const resume = transcript.length > 0 ? ({ transcript, origin: "own", files: [] } as const) : undefined;
    const turn = {
      ...plain,
      conversation: keptNames({ sessionId: "s", lastTurnId, turn: plain }),
      sessionLaunch: { cliSessionId, ...settings, binding: plain.binding, resume },
    };
    const idle = Promise.withResolvers<void>();
    const nowMs = systemClock.now();
    const life = new TurnLife(
      turn,
      { signal: new AbortController().signal, deadlineMs: nowMs + 60_000, arrivedAtMs: nowMs, startedMs: nowMs },
      { clock: systemClock, pool, admit: () => ({ leave: () => idle.resolve() }) },
      [],
    );
    const { ended, claim } = await life.begin();
    const end = await ended;
    transcript = Buffer.concat([transcript, await claim.worker.transcript!.read(transcript.length)]);
    await idle.promise;
    lastTurnId = turn.id;
    return { end, source: conversationSource(turn, claim), workerId: claim.worker.id, worker: claim.worker };
  }
  const words = () =>
    new TextDecoder()
      .decode(transcript)
      .split("\n")
      .flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { text: string }).text]));
  return { next, words };
}

it("a session goes on in its parked worker, in another one for another model, and after its worker was killed", async () => {
  const { next, words } = await session();
  const first = await next("one");
  expect(first).toMatchObject({ source: "new", end: { outcome: "completed", text: "You said: one" } });
  const second = await next("two");
  expect(second).toMatchObject({ source: "kept", workerId: first.workerId });
  const third = await next("three", other);
  expect(third).toMatchObject({ source: "resumed", end: { outcome: "completed" } });
  expect(third.workerId).not.toBe(first.workerId);
  process.kill(third.worker.pid!, "SIGKILL");
  await third.worker.exited;
  const fourth = await next("four", other);
  expect(fourth).toMatchObject({ source: "resumed", end: { outcome: "completed" } });
  expect(words()).toEqual(["one", "two", "three", "four"].flatMap((word) => [word, `You said: ${word}`]));
});
