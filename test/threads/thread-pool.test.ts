import { afterEach, describe, expect, it } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import { ThreadPool, type ThreadPoolOptions } from "../../src/threads/thread-pool.ts";
import { FakeClock } from "../fake-clock.ts";
import type { TestAnswer, TestTask } from "./test-thread.ts";

const clock = new FakeClock();
const pools: ThreadPool<TestTask, TestAnswer>[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop()));
});

function pool(options: Partial<ThreadPoolOptions> = {}): ThreadPool<TestTask, TestAnswer> {
  const made = new ThreadPool<TestTask, TestAnswer>({
    module: new URL("./test-thread.ts", import.meta.url),
    setUp: () => "set up",
    maxThreads: 1,
    maxWaiting: 2,
    taskTimeoutMs: 5_000,
    idleMs: 30_000,
    maxHeapMib: 32,
    clock,
    ...options,
  });
  pools.push(made);
  return made;
}

const never = new AbortController().signal;
const run = (one: ThreadPool<TestTask, TestAnswer>, act: TestTask["act"], signal = never) =>
  one.run(act === "answer" ? { act, bytes: new Uint8Array(8) } : { act }, { what: "a test", signal, transfer: [] });

describe("threads for heavy work", () => {
  it("start when there is work, serve one task after the other, and know nothing of the environment", async () => {
    const one = pool();
    expect(one.threadCount).toBe(0);
    expect(await run(one, "answer")).toMatchObject({ setUp: "set up", servedCount: 1, environmentCount: 0 });
    expect(await run(one, "answer")).toMatchObject({ servedCount: 2 });
    expect(one.threadCount).toBe(1);
  });

  it("move buffers in both directions instead of copying them", async () => {
    const bytes = new Uint8Array(1_000_000).fill(7);
    const answer = await pool().run(
      { act: "answer", bytes },
      { what: "a test", signal: never, transfer: [bytes.buffer] },
    );
    expect(bytes.length).toBe(0);
    expect(answer.bytes).toEqual(new Uint8Array(1_000_000).fill(7));
  });

  it("end when there has been nothing to do", async () => {
    const one = pool();
    await run(one, "answer");
    await clock.advance(30_000);
    expect(one.threadCount).toBe(0);
    expect(await run(one, "answer")).toMatchObject({ servedCount: 1 });
  });

  it("answer with the reason that the work gives", async () => {
    const error = await run(pool(), "refuse").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RunnerError);
    expect(error).toMatchObject({ reason: "INVALID_REQUEST", message: "not today", facts: { days: 1 } });
  });

  it.each(["crash", "exit"] as const)("that end with a %s take their own task with them and no other", async (act) => {
    const one = pool();
    const [ended, next] = await Promise.allSettled([run(one, act), run(one, "answer")]);
    expect(ended.status).toBe("rejected");
    expect(next).toMatchObject({ status: "fulfilled", value: { servedCount: 1 } });
  });

  it("that run out of memory say that the request was too large", async () => {
    await expect(run(pool(), "hoard")).rejects.toMatchObject({ reason: "REQUEST_TOO_LARGE", facts: { limitMib: 32 } });
  });

  it("that take too long are ended, and the next task gets another", async () => {
    const one = pool();
    const both = Promise.allSettled([run(one, "hang"), run(one, "answer")]);
    await clock.advance(5_000);
    expect(await both).toMatchObject([
      { status: "rejected", reason: { reason: "DEADLINE_EXCEEDED", facts: { taskTimeoutMs: 5_000 } } },
      { status: "fulfilled", value: { servedCount: 1 } },
    ]);
  });

  it("whose caller has gone are ended, waiting tasks are taken out", async () => {
    const one = pool();
    const caller = new AbortController();
    const both = Promise.allSettled([run(one, "hang", caller.signal), run(one, "hang", caller.signal)]);
    const next = run(one, "answer");
    caller.abort(new Error("gone"));
    expect(await both).toMatchObject([
      { status: "rejected", reason: { message: "gone" } },
      { status: "rejected", reason: { message: "gone" } },
    ]);
    expect(await next).toMatchObject({ servedCount: 1 });
  });

  it("let so many tasks wait and no more", async () => {
    const one = pool();
    const caller = new AbortController();
    const tasks = [1, 2, 3].map(() => run(one, "hang", caller.signal));
    await expect(run(one, "hang")).rejects.toMatchObject({ reason: "QUEUE_FULL", facts: { waiting: 2, limit: 2 } });
    caller.abort(new Error("gone"));
    await Promise.allSettled(tasks);
  });

  it("take nothing more once they are stopped", async () => {
    const one = pool();
    const both = Promise.allSettled([run(one, "hang"), run(one, "hang")]);
    await one.stop();
    expect(await both).toMatchObject([
      { status: "rejected", reason: { message: expect.stringContaining("has ended") } },
      { status: "rejected", reason: { reason: "POOL_DRAINING" } },
    ]);
    await expect(run(one, "answer")).rejects.toMatchObject({ reason: "POOL_DRAINING" });
    expect(one.threadCount).toBe(0);
  });
});
