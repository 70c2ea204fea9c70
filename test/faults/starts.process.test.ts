/**
 * Starts that fail: a program that is missing, appears, is replaced, crashes or hangs; and that all of it heals.
 */
import { chmod, copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { failureOf } from "../contract/transports.ts";
import { readTurn, type SeenTurn } from "../contract/turn.ts";
import { openScene, type Scene } from "../e2e/scene.ts";
import { makeFakeCli } from "../fakes/fake-cli.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene, recorded, slowAnswer } from "./fake-scene.ts";

const opened: (() => PromiseLike<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const run = (scene: Scene, prompt: string): Promise<SeenTurn> => readTurn(scene.client.streamChat({ prompt }));

const scene = async (...options: Parameters<typeof openFakeScene>): Promise<FakeScene> => {
  const made = await openFakeScene(...options);
  opened.push(() => made.close());
  return made;
};

const healthOf = async (of: Scene) => (await of.client.checkHealth("")).status;

/** How many processes were started, the probe's among them. */
const startCount = async (of: FakeScene) => (await recorded(of.fake, ({ started }) => started !== undefined)).length;

describe("a program that is not there", () => {
  it("leaves the server up and NOT_SERVING, is told with what to do, and is found when it appears", async () => {
    const folder = await mkdtemp(join(tmpdir(), "late-claude-"));
    opened.push(() => rm(folder, { recursive: true, force: true }));
    const fake = await makeFakeCli();
    opened.push(() => fake[Symbol.asyncDispose]());
    const path = join(folder, "claude");
    const late = await openScene({ settings: { cli: { path, recheckIntervalMs: 100 } }, untilWarm: false });
    opened.push(() => late.close());

    await late.book.wait(({ message }) => message === "Claude Code cannot be used");
    await until(async () => (await healthOf(late)) === Status.NOT_SERVING);
    const failure = await failureOf(late.client.streamChat({ prompt: "Anybody there?" }));
    expect(failure).toMatchObject({ code: Code.Unavailable, reason: "CLI_UNAVAILABLE" });
    expect(failure.message).toContain("cli.path");
    expect(failure.message).not.toContain(folder);
    expect(failure.retryAfterMs).toBeGreaterThan(0);
    expect(failure.pushbackMs).toBeGreaterThan(0);
    expect((await late.client.getInfo()).cliVersion).toBe("");

    // Put there in one step, as an installer does.
    await copyFile(fake.path, `${path}.new`);
    await chmod(`${path}.new`, 0o755);
    await rename(`${path}.new`, path);
    await until(async () => (await healthOf(late)) === Status.SERVING);
    expect((await run(late, "Anybody there?")).text).toBe("You said: Anybody there?");
    expect((await late.client.getInfo()).cliVersion).toBe("2.1.332");
  });

  it.each([
    ["is too old", { version: "2.1.100 (Claude Code)" }],
    ["does not tell its version", { version: "I am not Claude Code" }],
  ])("or %s, is not used", async (_, script) => {
    const fake = await makeFakeCli(script);
    opened.push(() => fake[Symbol.asyncDispose]());
    const old = await openScene({ settings: { cli: { path: fake.path } }, untilWarm: false });
    opened.push(() => old.close());
    await old.book.wait(({ message }) => message === "Claude Code cannot be used");
    const failure = await failureOf(old.client.chat({ prompt: "Are you new enough?" }));
    expect(failure).toMatchObject({ code: Code.Unavailable, reason: "CLI_UNAVAILABLE" });
    expect((await fake.record()).filter(({ started }) => started !== undefined)).toEqual([]);
  });
});

describe("a program that is replaced while it runs", () => {
  it("serves new starts with the new one; running turns end on the old one", async () => {
    const of = await scene();
    const before = await run(of, "Which version?");
    expect(before.started.cliVersion).toBe("2.1.332");
    const running = run(of, '[[fake answer {"flood":{"deltas":100,"chars":20},"perSecond":100}]]');
    await until(() => of.workersIn("claimed").length === 1, { see: () => of.workers() });

    const launcher = await readFile(of.fake.path, "utf8");
    await of.follow({ version: "2.1.333 (Claude Code)" });
    await writeFile(`${of.fake.path}.new`, `${launcher}\n# replaced\n`, { mode: 0o755 });
    await rename(`${of.fake.path}.new`, of.fake.path);

    // The spare is still of the old one: it was started before.
    expect((await run(of, "And you?")).failure).toBeUndefined();
    await of.book.wait(({ message, cliVersion }) => message === "Claude Code found" && cliVersion === "2.1.333");
    expect((await running).failure).toBeUndefined();
    await until(() => of.workers().spare > 0, { see: () => of.workers() });
    const info = await of.client.getInfo();
    expect(info.cliVersion).toBe("2.1.333");
  });
});

describe("starts that fail", () => {
  it("in a row open the breaker: few starts, push-back; and it closes by itself", async () => {
    const of = await scene({
      pool: { startFailuresToBreak: 3, startRetryMs: 400 },
      profiles: { default: {}, other: { minSpares: 0 } },
    });
    await of.follow({ acts: [{ do: "exit", at: "start", code: 1, stderr: "something is broken" }] });
    // No worker of this profile has ever started.
    const failure = await failureOf(of.client.streamChat({ profile: "other", prompt: "Will you start?" }));
    expect(failure).toMatchObject({ code: Code.Unavailable, reason: "WORKER_START_FAILED" });
    expect(failure.pushbackMs).toBeGreaterThan(0);
    expect(failure.sawHeaders).toBe(false);
    expect(failure.message).not.toContain("something is broken");

    // One at a time from now on: two more failures take at least a pause of 400 ms.
    const before = await startCount(of);
    const firstOpenMs = performance.now();
    while ((await startCount(of)) - before < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(performance.now() - firstOpenMs).toBeGreaterThan(350);

    const [spare = ""] = of.workersIn("spare");
    const pid = (await of.workerPids()).get(spare);
    if (pid === undefined) throw new Error("there is no spare");
    process.kill(pid, "SIGKILL");
    await until(() => of.runner.pool.snapshot().profiles[0]?.starts === "failing", {
      see: () => of.runner.pool.snapshot().profiles[0],
    });
    await of.follow({});
    await until(() => of.runner.pool.snapshot().profiles[0]?.starts === "normal", {
      see: () => of.runner.pool.snapshot().profiles[0],
    });
    expect((await run(of, "Will you start?")).text).toBe("You said: Will you start?");
    expect(await healthOf(of)).toBe(Status.SERVING);
  });

  it("because the process never answers are given up, and the next one serves", async () => {
    const of = await scene({ pool: { startTimeoutMs: 3_000 }, profiles: { default: {}, cold: { minSpares: 0 } } });
    await of.follow({ processes: [{ acts: [{ do: "hang", at: "start" }] }] });
    const from = of.book.position;
    const turn = await readTurn(of.client.streamChat({ profile: "cold", prompt: "Anybody?" }));
    expect(turn.text).toBe("You said: Anybody?");
    expect(of.book.since(from, "worker did not start")).toHaveLength(1);
  });

  it("while a turn waits for them end at its deadline, as DEADLINE_EXCEEDED, and nothing of it is left", async () => {
    const of = await scene({ profiles: { default: { minSpares: 0, maxWorkers: 1 } } });
    await of.follow({ acts: [{ do: "hang", at: "start" }] });
    const from = of.book.position;
    const failure = await failureOf(of.client.streamChat({ prompt: "Soon?" }, { timeoutMs: 500 }));
    expect(failure.code).toBe(Code.DeadlineExceeded);
    const line = await of.book.wait(({ message }) => message === "turn refused", from);
    expect(["queue_timeout", "deadline_exceeded", "cancelled"]).toContain(line.reason);
    expect(of.claimCount()).toBe(0);
  });

  it("because the process hangs do not keep a server from stopping, nor does looking at what the program can do", async () => {
    const fake = await makeFakeCli({ acts: [{ do: "hang", at: "start" }] });
    opened.push(() => fake[Symbol.asyncDispose]());
    const hung = await openScene({ settings: { cli: { path: fake.path } }, untilWarm: false });
    await until(async () => (await fake.record()).filter(({ started }) => started !== undefined).length === 2);
    // Both the worker and the probe had 20 seconds and more.
    await hung.close();
  }, 15_000);
});

describe("a worker that grows", () => {
  it("is ended between turns, never in one", async () => {
    const of = await scene({ pool: { maxWorkerMemoryBytes: 150 * 1024 * 1024, sampleIntervalMs: 100 } });
    const turn = await run(
      of,
      `[[fake grow {"bytes":200000000,"at":"afterInit"}]] ${slowAnswer.replace("3000", "100")}`,
    );
    expect(turn.failure).toBeUndefined();
    await of.book.wait(
      ({ message, workerId, why }) => message === "recycle" && workerId === turn.started.workerId && why !== "died",
    );
    expect((await run(of, "Are you lean?")).started.workerId).not.toBe(turn.started.workerId);
  });
});
