/**
 * The log of a turn and its readers: what was written comes once and in order, whoever reads when, and what is gone is said
 * to be gone.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogCursor } from "../../../src/turns/log/log-cursor.ts";
import { levels } from "../../../src/turns/log/slab.ts";
import { type LogLimits, logLimits, TurnLog } from "../../../src/turns/log/turn-log.ts";

const event = (sequence: number, bytes = 10) => Buffer.alloc(bytes, `${sequence} `);

function filled(count: number, bytes?: number, limits?: Partial<LogLimits>): TurnLog<string> {
  const log = new TurnLog<string>({ ...logLimits, ...limits });
  for (let sequence = 1; sequence <= count; sequence += 1) log.append(levels.standard, event(sequence, bytes));
  return log;
}

/** Takes all that is there, and checks that each event is what was written under its number. */
function taken(cursor: LogCursor<string>, bytes?: number): number[] {
  const sequences: number[] = [];
  for (let got = cursor.poll(); got !== undefined; got = cursor.poll()) {
    expect(got.equals(event(cursor.sequence, bytes))).toBe(true);
    sequences.push(cursor.sequence);
  }
  return sequences;
}

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at);

describe("a reader", () => {
  test("gets every event once, also those that come while it reads", () => {
    const log = filled(3);
    const cursor = log.follow(0);
    expect(taken(cursor)).toEqual([1, 2, 3]);
    log.append(levels.standard, event(4));
    expect(taken(cursor)).toEqual([4]);
  });

  test("begins after any event", () => {
    const log = filled(1_000);
    for (const after of [0, 1, 2, 400, 999, 1_000]) expect(taken(log.follow(after))).toEqual(range(after + 1, 1_000));
  });

  test("sees the flags of each event", () => {
    const log = new TurnLog<string>();
    log.append(levels.text, event(1));
    log.append(levels.full | 0b100, event(2));
    const cursor = log.follow(0);
    cursor.poll();
    expect(cursor.flags).toBe(levels.text);
    cursor.poll();
    expect(cursor.flags).toBe(levels.full | 0b100);
  });

  test("waits without missing what comes meanwhile", async () => {
    const log = filled(1);
    const cursor = log.follow(1);
    const changed = cursor.changed();
    log.append(levels.standard, event(2));
    await changed;
    expect(taken(cursor)).toEqual([2]);
  });

  test("can be woken without a change", async () => {
    const cursor = filled(1).follow(1);
    const changed = cursor.changed();
    cursor.wake();
    await changed;
    expect(taken(cursor)).toEqual([]);
  });

  test("sees the end only after the last event", async () => {
    const log = filled(2);
    const cursor = log.follow(0);
    log.finish("well");
    expect(cursor.end).toBeUndefined();
    taken(cursor);
    expect(cursor.end).toEqual({ value: "well" });
    await cursor.changed();
  });

  test("is counted until it has gone", () => {
    const log = filled(1);
    const [one, other] = [log.follow(0), log.follow(0)];
    expect(log.readerCount).toBe(2);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(log.readerCount).toBe(1);
    other[Symbol.dispose]();
    expect(log.readerCount).toBe(0);
  });
});

describe("a log beyond its bounds", () => {
  test("drops the oldest events, and says to a slow reader which ones", () => {
    const log = filled(500, 1_000, { maxBytes: 100_000 });
    expect(log.keptBytes).toBeLessThanOrEqual(170_000);
    const cursor = log.follow(0);
    expect(cursor.poll()).toBeUndefined();
    const { missing } = cursor;
    expect(missing).toEqual({ firstSequence: 1, lastSequence: log.firstSequence - 1 });
    cursor.skipTo(missing!.lastSequence);
    expect(taken(cursor, 1_000)).toEqual(range(log.firstSequence, 500));
  });

  test("says so to a reader who was in the middle of what was dropped", () => {
    const log = filled(10, 1_000, { maxBytes: 100_000 });
    const cursor = log.follow(0);
    cursor.poll();
    for (let sequence = 11; sequence <= 500; sequence += 1) log.append(levels.standard, event(sequence, 1_000));
    expect(taken(cursor, 1_000)).toEqual([]);
    expect(cursor.missing?.firstSequence).toBe(2);
  });

  test("loses nothing for a reader who had read all of it", () => {
    const log = filled(100, 1_000);
    const cursor = log.follow(100);
    log.dropEvents();
    expect(log.keptBytes).toBe(0);
    log.append(levels.standard, event(101, 1_000));
    expect(taken(cursor, 1_000)).toEqual([101]);
  });

  test("counts what it holds, and gives all of it back", () => {
    let heldBytes = 0;
    const log = new TurnLog<string>({ ...logLimits, maxBytes: 200_000 }, (byBytes) => {
      heldBytes += byBytes;
    });
    for (let sequence = 1; sequence <= 400; sequence += 1) log.append(levels.standard, event(sequence, 2_000));
    log.finish("well");
    expect(heldBytes).toBe(log.keptBytes);
    log.dropEvents();
    expect(heldBytes).toBe(log.keptBytes);
    log.forgetEvents();
    expect(heldBytes).toBe(0);
  });
});

describe("a reader who may hold the turn up", () => {
  test("does so by not reading, until it has read", async () => {
    const log = filled(31);
    const cursor = log.follow(0, { holds: true });
    expect(log.isHeldUp).toBe(false);
    log.append(levels.standard, event(32));
    expect(log.isHeldUp).toBe(true);
    let isReleased = false;
    const released = log.released().then(() => {
      isReleased = true;
    });
    await Promise.resolve();
    expect(isReleased).toBe(false);
    cursor.poll();
    await released;
  });

  test("does so by bytes as well", () => {
    const log = new TurnLog<string>();
    log.follow(0, { holds: true });
    log.append(levels.standard, event(1, 300_000));
    expect(log.isHeldUp).toBe(true);
  });

  test("does not any more when it has gone", async () => {
    const log = filled(100);
    const cursor = log.follow(0, { holds: true });
    const released = log.released();
    cursor[Symbol.dispose]();
    await released;
    expect(log.isHeldUp).toBe(false);
  });

  test("is the only one who does", () => {
    const log = filled(100);
    log.follow(0);
    expect(log.isHeldUp).toBe(false);
  });
});

test("what the caller has still to get is not dropped, however much comes at once or is needed elsewhere", () => {
  const log = filled(300);
  const holder = log.follow(0, { holds: true });
  while (holder.poll() !== undefined);
  const other = log.follow(0);
  for (let sequence = 301; sequence <= 320; sequence += 1) log.append(levels.standard, event(sequence, 256 * 1024));
  log.dropEvents();
  expect(taken(holder, 256 * 1024)).toEqual(range(301, 320));
  expect(other.poll()).toBeUndefined();
  expect(other.missing).toBeDefined();
  log.dropEvents();
  expect(log.keptBytes).toBe(0);
});

test("the last event of a turn that is over is there for its readers, however short memory is", () => {
  const log = filled(400, 2_000);
  const reader = log.follow(0);
  log.finish("well");
  log.dropEvents();
  const { missing } = reader;
  reader.skipTo(missing!.lastSequence);
  expect(taken(reader, 2_000).at(-1)).toBe(400);
  expect(reader.end).toEqual({ value: "well" });
});

test("what is to be forgotten is, whoever has still to get it", () => {
  const log = filled(40);
  const holder = log.follow(0, { holds: true });
  log.forgetEvents();
  expect([log.keptBytes, holder.poll(), holder.missing]).toEqual([
    0,
    undefined,
    { firstSequence: 1, lastSequence: 40 },
  ]);
});

test("any writing, reading, dropping and attaching: each event once, in order, or within a gap that was said", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("write" as const), bytes: fc.integer({ min: 0, max: 3_000 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("read" as const), reader: fc.nat(3), count: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("attach" as const), after: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "drop" as const }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const log = new TurnLog<string>({ ...logLimits, maxBytes: 20_000, maxEventCount: 30 });
      const written: Buffer[] = [];
      const readers: { cursor: LogCursor<string>; next: number }[] = [];
      const read = (reader: { cursor: LogCursor<string>; next: number }, count: number) => {
        for (let left = count; left > 0; left -= 1) {
          const got = reader.cursor.poll();
          if (got !== undefined) {
            expect(reader.cursor.sequence).toBe(reader.next);
            expect(got.equals(written[reader.next - 1]!)).toBe(true);
            reader.next += 1;
            continue;
          }
          const { missing } = reader.cursor;
          if (missing === undefined) {
            expect(reader.next).toBe(written.length + 1);
            return;
          }
          expect(missing.firstSequence).toBe(reader.next);
          reader.cursor.skipTo(missing.lastSequence);
          reader.next = missing.lastSequence + 1;
        }
      };
      for (const each of steps) {
        if (each.kind === "write") {
          const bytes = Buffer.alloc(each.bytes, written.length % 251);
          written.push(bytes);
          log.append(levels.standard, bytes);
        } else if (each.kind === "attach") {
          const after = Math.min(each.after, written.length);
          readers.push({ cursor: log.follow(after), next: after + 1 });
        } else if (each.kind === "drop") log.dropEvents();
        else if (readers[each.reader] !== undefined) read(readers[each.reader]!, each.count);
      }
      for (const reader of readers) read(reader, Number.POSITIVE_INFINITY);
    }),
    { numRuns: 300 },
  );
});
