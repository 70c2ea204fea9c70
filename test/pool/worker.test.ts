import { expect, test } from "vitest";
import { Worker } from "../../src/pool/worker.ts";
import type { WorkerState } from "../../src/pool/worker-state.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { WorkerProcess } from "../../src/worker-process.ts";
import { FakeClock } from "../fake-clock.ts";
import { InMemoryWorker } from "./in-memory-worker.ts";

const startTimeoutMs = 20_000;

class WorkerUnderTest {
  readonly clock = new FakeClock();
  readonly process = new InMemoryWorker(this.clock, "w1");
  readonly path: WorkerState["kind"][] = [];
  readonly worker: Worker;
  isGone = false;
  readonly names: string[] = [];
  #order = 0;

  constructor() {
    this.worker = new Worker(
      {
        clock: this.clock,
        profile: "default",
        startNumber: 1,
        nextOrder: () => ++this.#order,
        changed: (worker) => this.path.push(worker.state.kind),
        named: () => this.names.push(this.worker.id),
      },
      3_600_000,
    );
    void this.worker.gone.then(() => {
      this.isGone = true;
    });
  }

  start(launch: (signal: AbortSignal) => Promise<WorkerProcess> = async () => this.process) {
    return this.worker.start(launch, startTimeoutMs);
  }

  static async ready(): Promise<WorkerUnderTest> {
    const t = new WorkerUnderTest();
    void t.start();
    await t.clock.advance(500);
    return t;
  }

  claim(tenant = "acme", bindingKey = "b") {
    this.worker.claim({ turnId: "t", tenant, bindingKey });
  }

  async finish() {
    this.worker.countTurn();
    void this.worker.reset(1000);
    await this.clock.advance(10);
  }
}

test("has a name of its own until its process is there, and says when it has the process's", async () => {
  const t = new WorkerUnderTest();
  expect(t.worker.id).toBe("starting-1");
  void t.start();
  expect(t.names).toEqual([]);
  await t.clock.settle();
  expect(t.names).toEqual(["w1"]);
  expect(t.worker.state.kind).toBe("starting");
});

test("walks through a life", async () => {
  const t = await WorkerUnderTest.ready();
  t.claim();
  await t.finish();
  t.claim();
  await t.finish();
  t.worker.stop("max_turns");
  await t.clock.advance(20);
  expect(t.path).toEqual([
    "spare",
    "claimed",
    "resetting",
    "boundIdle",
    "claimed",
    "resetting",
    "boundIdle",
    "stopping",
    "exited",
  ]);
  expect(t.worker).toMatchObject({ finishedTurnCount: 2, state: { why: "max_turns" } });
  expect(t.isGone).toBe(true);
  expect(t.clock.pendingTimerCount).toBe(0);
});

test("belongs to one tenant for life", async () => {
  const t = await WorkerUnderTest.ready();
  t.claim("acme");
  await t.finish();
  expect(t.worker.tenant).toBe("acme");
  expect(() => t.claim("zeta")).toThrow("another tenant's");
  expect(() => t.claim("acme", "other")).toThrow("bound otherwise");
  expect(t.worker.state.kind).toBe("boundIdle");
});

test("cannot be claimed twice, nor while it starts, is reset or is being stopped", async () => {
  const t = new WorkerUnderTest();
  void t.start();
  expect(() => t.claim()).toThrow("cannot go from starting to claimed");
  await t.clock.advance(500);
  t.claim();
  expect(() => t.claim()).toThrow("cannot go from claimed to claimed");
  void t.worker.reset(1000);
  expect(() => t.claim()).toThrow("cannot go from resetting to claimed");
  t.worker.stop("stopped");
  expect(() => t.claim()).toThrow("cannot go from stopping to claimed");
});

test("keeps the first reason for its end", async () => {
  const t = await WorkerUnderTest.ready();
  t.worker.stop("evicted");
  t.worker.stop("stopped");
  t.process.die();
  await t.clock.settle();
  expect(t.worker.state).toMatchObject({ kind: "exited", why: "evicted" });
});

test("notices that its process is gone, whatever it was doing", async () => {
  const t = await WorkerUnderTest.ready();
  t.claim();
  void t.worker.reset(1000);
  t.process.die({ code: null, signal: "SIGKILL", detail: "" });
  await t.clock.advance(100);
  expect(t.worker).toMatchObject({ state: { kind: "exited", why: "died" }, exit: { signal: "SIGKILL" } });
  expect(t.isGone).toBe(true);
});

test("a start that is refused leaves nothing behind", async () => {
  const t = new WorkerUnderTest();
  const error = new RunnerError("CLI_UNAVAILABLE", "install it");
  expect(await t.start(() => Promise.reject(error))).toBe(error);
  expect(t.worker.state).toMatchObject({ kind: "exited", why: "start_failed" });
  expect(t.isGone).toBe(true);
  expect(t.clock.pendingTimerCount).toBe(0);
});

test("a process that dies while it starts is a failed start", async () => {
  const t = new WorkerUnderTest();
  const started = t.start();
  await t.clock.advance(100);
  t.process.die();
  expect(await started).toMatchObject({ reason: "WORKER_START_FAILED" });
  expect(t.worker.state).toMatchObject({ kind: "exited", why: "start_failed" });
});

test("a process that does not answer is stopped", async () => {
  const t = new WorkerUnderTest();
  t.process.isSilent = true;
  const started = t.start();
  await t.clock.advance(startTimeoutMs);
  expect(await started).toMatchObject({ reason: "WORKER_START_FAILED" });
  expect(t.process.isStopped).toBe(true);
  await t.clock.advance(20);
  expect(t.isGone).toBe(true);
});

test("a start that hangs before there is a process is given up, and a process that comes late is stopped", async () => {
  const t = new WorkerUnderTest();
  const launched = Promise.withResolvers<WorkerProcess>();
  const started = t.start(() => launched.promise);
  await t.clock.advance(startTimeoutMs);
  expect(await started).toMatchObject({ reason: "WORKER_START_FAILED" });
  expect(t.isGone).toBe(true);
  launched.resolve(t.process);
  await t.clock.settle();
  expect(t.process.isStopped).toBe(true);
  expect(t.worker.state.kind).toBe("exited");
});

test("being stopped while it starts is no failed start", async () => {
  const t = new WorkerUnderTest();
  const started = t.start();
  await t.clock.advance(100);
  t.worker.stop("drained");
  await t.clock.advance(20);
  expect(await started).toBeUndefined();
  expect(t.path).toEqual(["stopping", "exited"]);
  expect(t.clock.pendingTimerCount).toBe(0);
});

test("being stopped before there is a process takes the wish for one back", async () => {
  const t = new WorkerUnderTest();
  const started = t.start(
    (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  );
  t.worker.stop("drained");
  expect(await started).toBeUndefined();
  expect(t.worker.state).toMatchObject({ kind: "exited", why: "drained" });
});

test("a process that comes although its worker was stopped is stopped and waited for", async () => {
  const t = new WorkerUnderTest();
  const launched = Promise.withResolvers<WorkerProcess>();
  void t.start(() => launched.promise);
  t.worker.stop("drained");
  launched.resolve(t.process);
  await t.clock.settle();
  expect(t.process.isStopped).toBe(true);
  expect(t.isGone).toBe(false);
  await t.clock.advance(20);
  expect(t.isGone).toBe(true);
});

test("a check that is answered renews its verification and nothing else", async () => {
  const t = await WorkerUnderTest.ready();
  const before = t.worker.state;
  await t.clock.advance(1000);
  void t.worker.check(100);
  expect(t.worker.state.kind).toBe("checking");
  await t.clock.advance(1);
  expect(t.worker.state).toEqual({ ...before, verifiedAtMs: 1501 });
});

test("a check that is not answered ends it", async () => {
  const t = await WorkerUnderTest.ready();
  t.process.isSilent = true;
  void t.worker.check(100);
  await t.clock.advance(100);
  expect(t.worker.state).toMatchObject({ kind: "stopping", why: "unresponsive" });
});

test("measures idle CPU over ten seconds of one idleness", async () => {
  const t = await WorkerUnderTest.ready();
  const use = async (cpuMs: number, afterMs: number) => {
    await t.clock.advance(afterMs);
    t.process.processUsage = { privateBytes: 7, cpuMs };
    await t.worker.sample();
    return t.worker.idleCpuPercent;
  };
  expect(await use(1000, 0)).toBeUndefined();
  expect(await use(9000, 9_000)).toBeUndefined();
  expect(await use(4000, 1_000)).toBeCloseTo(30);
  t.claim();
  expect(await use(60_000, 10_000)).toBeCloseTo(30);
  await t.finish();
  expect(await use(60_000, 10_000)).toBeUndefined();
  expect(await use(60_100, 10_000)).toBeCloseTo(1);
  expect(t.worker.memoryBytes).toBe(7);
});
