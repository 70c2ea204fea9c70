/**
 * Turns in memory: found while they run and for a while afterwards, their events bounded over all turns.
 */
import { expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import type { LiveTurn, TurnFacts } from "../../src/turns/live-turn.ts";
import { LiveTurns } from "../../src/turns/live-turns.ts";
import type { TurnLog } from "../../src/turns/log/turn-log.ts";
import { FakeClock } from "../fake-clock.ts";

function scene({ maxEventBytes = 1_000_000, maxEndedCount = 100 } = {}) {
  const clock = new FakeClock();
  const turns = new LiveTurns<string>(clock, { retentionMs: 10_000, maxEventBytes, maxEndedCount });
  /** A turn as far as this is concerned. */
  const add = (id: string, text = "", facts: Partial<TurnFacts> = {}) => {
    const log = turns.newLog();
    const over = Promise.withResolvers<void>();
    const stops: RunnerError[] = [];
    turns.add({
      turn: { id, tenant: "acme", ...facts },
      log,
      over: over.promise,
      get state() {
        return log.end === undefined ? "running" : "ended";
      },
      stop: (reason: RunnerError) => stops.push(reason),
    } as unknown as LiveTurn<string>);
    const end = async () => {
      (log as TurnLog<unknown>).finish({ kind: "ended", result: "", text });
      over.resolve();
      await clock.settle();
    };
    return { log, end, stops };
  };
  return { clock, turns, add };
}

test("a turn is found while it runs, for a while after its end, and then no more", async () => {
  const { clock, turns, add } = scene();
  const { end } = add("a");
  await clock.advance(60_000);
  expect(turns.find("a")).toBeDefined();
  await end();
  await clock.advance(9_999);
  expect(turns.find("a")).toBeDefined();
  await clock.advance(1);
  expect([turns.find("a"), turns.count, clock.pendingTimerCount]).toEqual([undefined, 0, 0]);
});

test("the turn that ended first is forgotten first when memory runs short; those that run keep their events", async () => {
  const { turns, add } = scene({ maxEventBytes: 200_000 });
  const [running, first, second] = [add("running"), add("first"), add("second")];
  for (const { log } of [running, first, second]) log.append(0, Buffer.alloc(60_000));
  await first.end();
  await second.end();
  add("new").log.append(0, Buffer.alloc(60_000));
  expect([running, first, second].map(({ log }) => log.firstSequence)).toEqual([1, 0, 1]);
  expect([turns.find("first"), turns.find("second")?.turn.id]).toEqual([undefined, "second"]);
  expect(turns.eventBytes).toBeLessThanOrEqual(200_000);
});

test("an ended turn that is still read is not forgotten, but lets go of events that nobody has to get", async () => {
  const { turns, add } = scene({ maxEventBytes: 200_000 });
  const [read, held] = [add("read"), add("held")];
  for (const { log } of [read, held]) for (let at = 0; at < 2; at += 1) log.append(0, Buffer.alloc(60_000));
  using _reader = read.log.follow(1);
  using holder = held.log.follow(0, { holds: true });
  await read.end();
  await held.end();
  add("new").log.append(0, Buffer.alloc(120_000));
  expect([turns.find("read")?.turn.id, read.log.firstSequence]).toEqual(["read", 2]);
  expect(holder.poll()).toBeDefined();
});

test("long answers count, and so does each turn", async () => {
  const { turns, add } = scene({ maxEventBytes: 200_000 });
  const ids = Array.from({ length: 50 }, (_, at) => `${at}`);
  for (const id of ids) await add(id, "x".repeat(30_000)).end();
  expect(turns.count).toBeGreaterThan(3);
  expect(turns.count).toBeLessThan(7);
  for (const id of ids) await add(`short ${id}`).end();
  expect(turns.count).toBeLessThan(60);
  turns.close();
  expect(turns.eventBytes).toBe(0);
});

test("only so many ended turns are remembered", async () => {
  const { turns, add } = scene({ maxEndedCount: 2 });
  for (const id of ["a", "b", "c"]) await add(id).end();
  expect(["a", "b", "c"].map((id) => turns.find(id) !== undefined)).toEqual([false, true, true]);
});

test("a tenant with many of them makes room among its own", async () => {
  const { turns, add } = scene({ maxEndedCount: 4 });
  await add("other", "", { tenant: "other" }).end();
  for (const id of ["a", "b", "c", "d", "e"]) await add(id).end();
  expect(["other", "a", "b", "c", "d", "e"].filter((id) => turns.find(id) !== undefined)).toEqual([
    "other",
    "c",
    "d",
    "e",
  ]);
});

test("a forgotten turn leaves nothing, and its readers are told what is missing", async () => {
  const { turns, add } = scene();
  const { log, end } = add("a");
  log.append(0, Buffer.alloc(10));
  const reader = log.follow(0);
  await end();
  turns.forget("a");
  expect(turns.find("a")).toBeUndefined();
  expect(reader.poll()).toBeUndefined();
  expect(reader.missing).toEqual({ firstSequence: 1, lastSequence: 1 });
  expect(turns.eventBytes).toBe(0);
});

test("that none runs any more is known when the last has ended, also one that came meanwhile", async () => {
  const { clock, turns, add } = scene();
  const first = add("a");
  let isIdle = false;
  void turns.idle().then(() => {
    isIdle = true;
  });
  const second = add("b");
  await first.end();
  expect(isIdle).toBe(false);
  turns.stopAll(new RunnerError("DRAINED", "shutting down"));
  expect([first.stops.length, second.stops[0]?.reason]).toEqual([0, "DRAINED"]);
  await second.end();
  await clock.settle();
  expect(isIdle).toBe(true);
});
