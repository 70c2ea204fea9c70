/**
 * Workers that die: before they have the prompt, in the middle of a turn, and by whose hand.
 */
import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome, TurnResultSchema, WorkerFate } from "../../gen/claude/runner/v1/result_pb.ts";
import { Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { transportKinds } from "../contract/transports.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene, recorded, slowAnswer } from "./fake-scene.ts";
import { untilGone } from "./processes.ts";

describe("a worker that dies", () => {
  let scene: FakeScene;
  beforeAll(async () => {
    scene = await openFakeScene({ profiles: { default: {}, cold: { minSpares: 0 } } });
  });
  afterAll(() => scene.close());
  afterEach(() => scene.follow({}));

  const run = (prompt: string, profile = "default"): Promise<SeenTurn> =>
    readTurn(scene.client.streamChat({ prompt, profile }));

  const expectGoodTurn = async () => {
    const turn = await run("Are you well?");
    expect(turn.failure).toBeUndefined();
    expect(turn.text).toBe("You said: Are you well?");
  };

  const pidOf = async (turn: { readonly workerId: string }) => {
    const pid = (await scene.workerPids()).get(turn.workerId);
    if (pid === undefined) throw new Error(`worker ${turn.workerId} has no process`);
    return pid;
  };

  /** The profile's next turn needs a new process. */
  const endBound = async (profile: string) => {
    await until(() => scene.workers(profile).resetting === 0 && scene.workers(profile).claimed === 0, {
      see: () => scene.workers(profile),
    });
    const idle = await run("Who are you?", profile);
    await until(() => scene.workers(profile).boundIdle === 1, { see: () => scene.workers(profile) });
    process.kill(await pidOf(idle.started), "SIGKILL");
    await until(() => scene.workers(profile).boundIdle === 0, { see: () => scene.workers(profile) });
  };

  describe("before it has the prompt", () => {
    it.each([
      ["exits when it is bound", { do: "exit", at: "initialize" }],
      ["is killed when it is bound", { do: "kill", at: "initialize" }],
    ] as const)("and %s costs the caller nothing: another takes the turn, unseen", async (_, act) => {
      await scene.follow({ processes: [{ acts: [act] }] });
      const from = scene.book.position;
      const prompt = `taken over ${randomUUID()}`;
      const turn = await run(prompt, "cold");
      expect(turn.failure).toBeUndefined();
      expect(turn.text).toBe(`You said: ${prompt}`);
      expect(turn.started.claimSource).toBe(ClaimSource.COLD_POOL_OFF);
      expect(
        scene.book.since(from, "the worker died before it had the prompt; another one takes the turn"),
      ).toHaveLength(1);
      expect(scene.book.since(from, "turn ended")).toHaveLength(1);
      // The prompt was written once, to the second one.
      const prompts = await recorded(scene.fake, ({ in: line }) => JSON.stringify(line ?? "").includes(prompt));
      expect(new Set(prompts.map(({ pid }) => pid)).size).toBe(1);
      await scene.book.wait(({ message, why }) => message === "recycle" && why === "died_unprepared", from);
      await endBound("cold");
    });

    it("and ends while it takes the history costs the caller nothing either", async () => {
      await scene.follow({ processes: [{ acts: [{ do: "exit", at: "seeding" }] }] });
      const from = scene.book.position;
      const history = [
        { role: Role.USER, text: "First?" },
        { role: Role.ASSISTANT, text: "First." },
      ];
      const turn = await readTurn(scene.client.streamChat({ prompt: "And then?", profile: "cold", history }));
      expect(turn.failure).toBeUndefined();
      expect(turn.text).toBe("You said: And then?");
      expect(turn.started.seededMessageCount).toBe(2);
      expect(
        scene.book.since(from, "the worker died before it had the prompt; another one takes the turn"),
      ).toHaveLength(1);
      await endBound("cold");
    });

    it("twice is UNAVAILABLE with a push-back, and no headers were sent", async () => {
      const dies = { acts: [{ do: "exit", at: "initialize" }] } as const;
      await scene.follow({ processes: [dies, dies] });
      const turn = await run("never answered", "cold");
      expect(turn.responses).toEqual([]);
      expect(turn.failure).toMatchObject({ code: Code.Unavailable, reason: "WORKER_DIED", sawHeaders: false });
      expect(turn.failure?.pushbackMs).toBeGreaterThan(0);
      expect(turn.failure?.retryAfterMs).toBeGreaterThan(0);
      await expectGoodTurn();
    });
  });

  describe("when it has the prompt", () => {
    it("but has not begun: ABORTED without headers, not to be repeated, the result among the details", async () => {
      const turn = await run('[[fake exit {"at":"beforeInit"}]]');
      expect(turn.responses).toEqual([]);
      expect(turn.failure).toMatchObject({
        code: Code.Aborted,
        reason: "WORKER_DIED",
        pushbackMs: -1,
        sawHeaders: false,
      });
      expect(turn.failure?.retryAfterMs).toBeUndefined();
      expect(turn.failure?.facts.turnId).toMatch(/^[0-9a-f-]{36}$/);
      expect(turn.failure?.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.WORKER_DIED });
      await expectGoodTurn();
    });

    it.each([
      ["exits with an error", '[[fake exit {"code":1}]]'],
      ["exits as if all were well", '[[fake exit {"code":0}]]'],
      ["exits after its last word", '[[fake exit {"code":0,"at":"beforeResult"}]]'],
      ["is killed", "[[fake kill]]"],
      ["is told to end by somebody else", '[[fake kill {"signal":"SIGTERM"}]]'],
      ["runs out of memory", '[[fake kill {"signal":"SIGABRT"}]]'],
      ["breaks off in the middle of a line", "[[fake halfLine]]"],
    ])("and %s: ABORTED behind the result, with turn id and last sequence", async (_, marker) => {
      const turn = await run(`Tell me something that is long enough. ${marker}`);
      expect(turn.text.length).toBeGreaterThan(0);
      expect(turn.result).toMatchObject({ outcome: Outcome.WORKER_DIED, workerFate: WorkerFate.RECYCLED });
      expect(turn.result.text).toBe(turn.text);
      expect(turn.failure).toMatchObject({
        code: Code.Aborted,
        reason: "WORKER_DIED",
        pushbackMs: -1,
        facts: { turnId: turn.turnId, lastSequence: String(turn.responses.length), contentStreamed: "true" },
      });
      expect(await scene.book.turnEnded(turn.turnId)).toMatchObject({ outcome: "worker_died", workerReusable: false });
      await expectGoodTurn();
    });

    it.each(transportKinds.filter(({ tls }) => !tls))("is told alike over every transport: $name", async (kind) => {
      const client = kind.connect(scene.target);
      const turn = await readTurn(client.streamChat({ prompt: "Tell me something long enough. [[fake kill]]" }));
      expect(turn.result.outcome).toBe(Outcome.WORKER_DIED);
      expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED", pushbackMs: -1 });
      client.close();
    });

    it("and took tools' processes along: nothing of its group is left", async () => {
      const turn = await run("[[fake grandchild]] Tell me something that is long enough. [[fake kill]]");
      expect(turn.result.outcome).toBe(Outcome.WORKER_DIED);
      const [{ grandchild } = {}] = (await recorded(scene.fake, (entry) => entry.grandchild !== undefined)).slice(-1);
      expect(grandchild).toBeGreaterThan(1);
      await untilGone(grandchild!);
      await expectGoodTurn();
    });

    it("only its own turn fails", async () => {
      const survivor = run(`[[fake answer {"flood":{"deltas":60,"chars":20},"perSecond":100}]]`);
      await scene.book.wait(({ to }) => to === "claimed", scene.book.position - 1);
      const turn = await run("Tell me something that is long enough. [[fake kill]]");
      expect(turn.failure?.code).toBe(Code.Aborted);
      expect((await survivor).failure).toBeUndefined();
    });
  });

  it("while it is idle is replaced, and no caller sees it", async () => {
    await expectGoodTurn();
    for (const [state, inLog] of [
      ["boundIdle", "bound_idle"],
      ["spare", "spare"],
    ] as const) {
      await until(() => scene.workers()[state] > 0 && scene.workers().resetting + scene.workers().starting === 0, {
        see: () => scene.workers(),
      });
      const from = scene.book.position;
      const [killed] = scene.workersIn(inLog);
      process.kill(await pidOf({ workerId: killed! }), "SIGKILL");
      await scene.book.wait(({ message, workerId }) => message === "recycle" && workerId === killed, from);
      await expectGoodTurn();
    }
    await until(() => scene.workers().spare === 1, { see: () => scene.workers() });
    expect(scene.runner.pool.isServing()).toBe(true);
  });

  it("by somebody's hand in mid-text is told like any other, and found at once", async () => {
    const started = Promise.withResolvers<string>();
    const stream = scene.client.streamChat({ prompt: slowAnswer });
    const reading = readTurn(stream, ({ event }) => {
      if (event.case === "started") started.resolve(event.value.workerId);
    });
    process.kill(await pidOf({ workerId: await started.promise }), "SIGKILL");
    const turn = await reading;
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED", pushbackMs: -1 });
    await expectGoodTurn();
  });
});
