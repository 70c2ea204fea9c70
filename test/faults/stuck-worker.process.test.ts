/**
 * Workers that stop: silent in mid-turn, deaf to their input, to interrupts and to TERM, frozen while idle, outlived by
 * what they started.
 */
import { Code } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene, recorded, slowAnswer } from "./fake-scene.ts";
import { isAlive, untilGone } from "./processes.ts";

describe("a worker that is stuck", () => {
  let scene: FakeScene;
  beforeAll(async () => {
    scene = await openFakeScene({
      pool: { checkIdleAfterMs: 100, checkTimeoutMs: 500 },
      profiles: { default: {}, cold: { minSpares: 0, reuse: false } },
    });
  });
  afterAll(() => scene.close());
  afterEach(async () => {
    await scene.follow({});
    const turn = await run("Are you well?");
    expect(turn.failure).toBeUndefined();
    expect(turn.text).toBe("You said: Are you well?");
  });

  const run = (prompt: string, profile = "default", signal?: AbortSignal): Promise<SeenTurn> =>
    readTurn(scene.client.streamChat({ prompt, profile }, signal && { signal }));

  const pidOf = async (workerId: string) => {
    const pid = (await scene.workerPids()).get(workerId);
    if (pid === undefined) throw new Error(`worker ${workerId} has no process`);
    return pid;
  };

  const long = "Tell me something that is long enough.";
  /** One that answers while nothing comes waits for the model, and is waited for. */
  const deaf = '[[fake stopReading {"at":"midText"}]]';

  it.each([
    ["says nothing more", `${long} ${deaf} [[fake hang]]`],
    ["says nothing at all", `${long} [[fake hang {"at":"beforeInit"}]]`],
    ["never comes to its result", `${long} [[fake hang {"at":"beforeResult"}]]`],
    ["no longer hears interrupts either", `${long} [[fake ignoreInterrupts]] ${deaf} [[fake hang]]`],
  ])("in a turn and %s is ended after its silence: ABORTED, not to be repeated", async (_, prompt) => {
    const turn = await run(prompt);
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED", pushbackMs: -1 });
    expect(turn.failure?.facts.turnId).toMatch(/^[0-9a-f-]{36}$/);
    if (turn.responses.length > 0) expect(turn.result.outcome).toBe(Outcome.WORKER_DIED);
  });

  it("since somebody froze it is ended all the same: a frozen process hears TERM no more", async () => {
    const started = Promise.withResolvers<string>();
    const reading = readTurn(scene.client.streamChat({ prompt: slowAnswer }), ({ event }) => {
      if (event.case === "started") started.resolve(event.value.workerId);
    });
    const pid = await pidOf(await started.promise);
    process.kill(pid, "SIGSTOP");
    const turn = await reading;
    expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "WORKER_DIED" });
    await untilGone(pid);
  });

  it("while it is idle is asked before it is given out, and another serves the turn", async () => {
    await until(() => scene.workersIn("bound_idle").length > 0 && scene.workers().spare > 0, {
      see: () => scene.workers(),
    });
    const frozen = await Promise.all(scene.workersIn("bound_idle").map(pidOf));
    for (const pid of frozen) process.kill(pid, "SIGSTOP");
    const from = scene.book.position;
    // Longer idle than it may be without being asked.
    await new Promise((resolve) => setTimeout(resolve, 150));
    const turn = await run("Who serves me?");
    expect(turn.text).toBe("You said: Who serves me?");
    await scene.book.wait(({ message, why }) => message === "recycle" && why === "unresponsive", from);
    for (const pid of frozen) await untilGone(pid);
  });

  it("and takes no prompt costs its caller nothing: another takes the turn", async () => {
    await scene.follow({ processes: [{ acts: [{ do: "stopReading", at: "initialize" }] }] });
    const from = scene.book.position;
    const turn = await run(`[[fake answer {"text":"Taken."}]] No pipe holds this: ${"x".repeat(900_000)}`, "cold");
    expect(turn.failure).toBeUndefined();
    expect(turn.text).toBe("Taken.");
    expect(scene.book.since(from, "the worker died before it had the prompt; another one takes the turn")).toHaveLength(
      1,
    );
  });

  it("and does not answer when it is bound costs its caller nothing either", async () => {
    await scene.follow({ processes: [{ controls: { initialize: { silent: true } } }] });
    const turn = await run("bound elsewhere", "cold");
    expect(turn.text).toBe("You said: bound elsewhere");
  });

  it("after its turn, so that it cannot be reset, is not used again", async () => {
    const turn = await run(`${long} [[fake stopReading]]`);
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    const next = await run("Another one, please.");
    expect(next.text).toBe("You said: Another one, please.");
    expect(next.started.workerId).not.toBe(turn.started.workerId);
  });

  it.each([
    ["once, is interrupted again", '{"count":1}', "cancelled"],
    ["for good, is killed", "{}", "cancelled"],
  ])("deaf to interrupts: %s", async (_, count, outcome) => {
    const stop = new AbortController();
    const from = scene.book.position;
    const started = Promise.withResolvers<string>();
    const prompt = `[[fake ignoreInterrupts ${count}]] ${slowAnswer}`;
    const reading = readTurn(scene.client.streamChat({ prompt }, { signal: stop.signal }), ({ event }) => {
      if (event.case === "started") started.resolve(event.value.workerId);
    });
    const pid = await pidOf(await started.promise);
    stop.abort();
    expect((await reading).failure?.code).toBe(Code.Canceled);
    expect(await scene.book.wait(({ message }) => message === "turn ended", from)).toMatchObject({ outcome });
    if (count === "{}") await untilGone(pid);
  });

  it("deaf to the end of its input and to TERM is killed, with all that it started", async () => {
    const from = scene.book.position;
    const turn = await run("[[fake ignoreEof]] [[fake ignoreTerm]] [[fake grandchild]] last words", "cold");
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    const pid = await pidOf(turn.started.workerId).catch(() => undefined);
    const [{ grandchild } = {}] = (await recorded(scene.fake, (entry) => entry.grandchild !== undefined)).slice(-1);
    expect(grandchild).toBeGreaterThan(1);
    await scene.book.wait(
      ({ message, workerId }) => message === "a worker is gone" && workerId === turn.started.workerId,
      from,
    );
    if (pid !== undefined) expect(isAlive(pid)).toBe(false);
    await untilGone(grandchild!);
  });

  it("because what it started holds its output is not waited for for ever", async () => {
    const from = scene.book.position;
    const turn = await run('[[fake grandchild {"ignoreTerm":true}]] [[fake exit {"code":0,"at":"afterResult"}]] bye');
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
    await scene.book.wait(
      ({ message, workerId }) => message === "a worker is gone" && workerId === turn.started.workerId,
      from,
    );
    const [{ grandchild } = {}] = (await recorded(scene.fake, (entry) => entry.grandchild !== undefined)).slice(-1);
    await untilGone(grandchild!);
  });
});
