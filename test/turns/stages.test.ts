/**
 * The clock of a turn's stages: they tile the time, and each is told once.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Measured, type MilestoneName, StageClock, type StageName } from "../../src/turns/stages.ts";
import { FakeClock } from "../fake-clock.ts";

/** A clock that writes down what it tells. */
function scene() {
  const clock = new FakeClock();
  const left: Measured<StageName>[] = [];
  const reached: Measured<MilestoneName>[] = [];
  const failures: (string | undefined)[] = [];
  const stages = new StageClock(
    clock,
    { arrivedAtMs: clock.now(), startedMs: clock.now() },
    {
      stageEntered: () => {},
      stageLeft: (stage, failure) => {
        left.push(stage);
        failures.push(failure);
      },
      milestoneReached: (milestone) => void reached.push(milestone),
    },
  );
  return { clock, stages, left, reached, failures };
}

const ways = ["check", "queueWait", "bind", "configure", "seedHistory", "stdinWrite"] as const;

test("between the arrival and the end no time is lost and none is counted twice, whatever the stages are", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...ways), fc.nat(500)), { minLength: 1, maxLength: 12 }),
      fc.nat(500),
      async (steps, replyMs) => {
        const { clock, stages, left } = scene();
        for (const [name, ms] of steps) {
          stages.enter(name);
          await clock.advance(ms);
        }
        stages.written();
        await clock.advance(7);
        stages.finish();
        await clock.advance(replyMs);
        expect(stages.replied()).toBe(clock.now());
        expect(left[0]?.sinceMs).toBe(0);
        expect(left.at(-1)?.atMs).toBe(clock.now());
        expect(left.slice(1).map(({ sinceMs }) => sinceMs)).toEqual(left.slice(0, -1).map(({ atMs }) => atMs));
        const sum = left.filter(({ name }) => name !== "reply").reduce((all, one) => all + one.atMs - one.sinceMs, 0);
        expect(stages.times.total).toBe(sum);
      },
    ),
    { numRuns: 60 },
  );
});

test("the wait ends where the pool says, and what came after it is the claim", async () => {
  const { clock, stages, left } = scene();
  stages.enter("queueWait");
  await clock.advance(102);
  stages.claimed(100);
  stages.enter("bind");
  expect(left.map(({ name, sinceMs, atMs }) => [name, sinceMs, atMs])).toEqual([
    ["queueWait", 0, 100],
    ["claim", 100, 102],
  ]);
});

test("a stage that happens on two workers is one time, and a failed one says why", async () => {
  const { clock, stages, failures } = scene();
  for (const tookMs of [30, 12]) {
    stages.enter("bind");
    await clock.advance(tookMs);
    stages.fail("WORKER_DIED");
  }
  expect(stages.times.bind).toBe(42);
  expect(failures).toEqual(["WORKER_DIED", "WORKER_DIED"]);
});

test("the first event and the first text are told once, from the turn's beginning; none that had not come by its end", async () => {
  const { clock, stages, reached } = scene();
  stages.enter("stdinWrite");
  await clock.advance(10);
  stages.written();
  await clock.advance(5);
  stages.saw(false);
  stages.saw(false);
  await clock.advance(5);
  stages.saw(true);
  stages.saw(true);
  expect(reached).toEqual([
    { name: "firstEvent", sinceMs: 10, atMs: 15 },
    { name: "firstText", sinceMs: 10, atMs: 20 },
  ]);
  expect(stages.times.arrivalToFirstText).toBe(20);
  const silent = scene();
  silent.stages.written();
  silent.stages.finish("CANCELLED");
  silent.stages.saw(true);
  expect(silent.reached).toEqual([]);
  expect(silent.failures).toEqual(["CANCELLED"]);
});

test("a reader who goes while the turn waits changes nothing of its stages", async () => {
  const { clock, stages, left } = scene();
  stages.enter("queueWait");
  await clock.advance(20);
  expect(stages.replied()).toBe(20);
  await clock.advance(30);
  stages.enter("bind");
  expect(left).toEqual([{ name: "queueWait", sinceMs: 0, atMs: 50 }]);
});

test("a reader who goes mid-turn gets no reply: the turn is still the stage that is open", async () => {
  const { clock, stages, left } = scene();
  stages.written();
  await clock.advance(20);
  expect(stages.replied()).toBe(20);
  expect(left).toEqual([]);
  await clock.advance(15);
  stages.finish("CANCELLED");
  expect(left).toEqual([{ name: "turn", sinceMs: 0, atMs: 35 }]);
});
