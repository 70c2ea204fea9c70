import { describe, expect, test } from "vitest";
import {
  hasRoomForAll,
  memoryRoom,
  type ProfileCounts,
  placesFor,
  placesToFreeForSpares,
  type SharedRoom,
  type Sizing,
  workersToEndForMemory,
  workersToStart,
} from "../../src/pool/sizing.ts";

const nobody: ProfileCounts = {
  starting: 0,
  startingOwn: 0,
  spare: 0,
  boundIdle: 0,
  claimed: 0,
  resetting: 0,
  stopping: 0,
};
const plenty: SharedRoom = { startCount: 100, memoryCount: 100, memoryCountSoon: 100 };
const limits = { minSpares: 2, maxWorkers: 8 };

const sizing = (counts: Partial<ProfileCounts>, unfittedCount = 0, room: Partial<SharedRoom> = {}): Sizing => ({
  counts: { ...nobody, ...counts },
  wanting: { anyCount: unfittedCount, ownCount: 0 },
  room: { ...plenty, ...room },
});

describe("the number of workers to start", () => {
  test.each<[string, Sizing, number]>([
    ["as many as there should be spares", sizing({}), 2],
    ["none beyond the spares that are there or starting", sizing({ spare: 1, starting: 1 }), 0],
    ["spares beside bound idle workers, which are none", sizing({ boundIdle: 3 }), 2],
    ["one more for each turn without a worker", sizing({}, 3), 5],
    ["none for turns for which workers are starting", sizing({ starting: 5 }, 3), 0],
    ["one for a turn that does not get the spare that is being checked", sizing({ spare: 2 }, 1), 1],
    ["no more than there are places", sizing({ claimed: 7 }, 3), 1],
    ["none without a place", sizing({ claimed: 5, boundIdle: 3 }, 3), 0],
    ["no more than may start at once", sizing({}, 6, { startCount: 2 }), 2],
    ["no more than there is memory for", sizing({}, 6, { memoryCount: 1 }), 1],
    ["in the places of a few that are being ended", sizing({ claimed: 6, stopping: 2 }, 2), 2],
    ["not in the places of many that are being ended", sizing({ claimed: 6, stopping: 4 }, 2), 0],
  ])("is %s", (_, now, count) => {
    expect(workersToStart(now, limits, limits.minSpares)).toBe(count);
  });
});

test("a profile for one worker starts none beside one that has not ended yet", () => {
  const one = { minSpares: 1, maxWorkers: 1 };
  expect(workersToStart(sizing({ stopping: 1 }, 1), one, 0)).toBe(0);
  expect(workersToStart(sizing({}, 1), one, 0)).toBe(1);
});

describe("the number of bound idle workers to end for waiting turns", () => {
  test.each<[string, Sizing, number]>([
    ["none while there are places", sizing({ claimed: 5, boundIdle: 2 }, 1), 0],
    ["one for each turn without a place", sizing({ claimed: 5, boundIdle: 3 }, 2), 2],
    ["none for turns for which workers are starting", sizing({ claimed: 3, boundIdle: 3, starting: 2 }, 2), 0],
    ["no more than there are", sizing({ claimed: 7, boundIdle: 1 }, 5), 1],
    ["no more than can be replaced at once", sizing({ claimed: 3, boundIdle: 5 }, 5, { startCount: 2 }), 2],
    ["none while nothing may start", sizing({ claimed: 3, boundIdle: 5 }, 5, { startCount: 0 }), 0],
    ["none while ended ones are about to leave their places", sizing({ claimed: 4, boundIdle: 2, stopping: 4 }, 2), 0],
    ["one where memory is short, and nobody else's can be had", sizing({ boundIdle: 2 }, 1, { memoryCountSoon: 0 }), 1],
    ["none where memory is short, but will be free", sizing({ boundIdle: 2 }, 1, { memoryCountSoon: 1 }), 0],
  ])("is %s", (_, now, count) => {
    expect(placesFor(now, limits).endCount).toBe(count);
  });
});

describe("there is room for all waiting turns", () => {
  test.each<[string, Sizing, boolean]>([
    ["while workers for them are starting", sizing({ claimed: 6, starting: 2 }, 2), true],
    ["while there are places", sizing({ claimed: 6, starting: 1 }, 2), true],
    ["while bound workers are idle that can give theirs", sizing({ claimed: 6, boundIdle: 2 }, 2), true],
    ["but not beyond", sizing({ claimed: 6, boundIdle: 2 }, 3), false],
    ["nor without memory", sizing({ claimed: 1 }, 1, { memoryCountSoon: 0 }), false],
  ])("%s", (_, now, hasRoom) => {
    expect(hasRoomForAll(now, limits)).toBe(hasRoom);
  });
});

describe("the number of long unused workers to end for spares", () => {
  test("is that of the missing spares, at most half of the places", () => {
    expect(placesToFreeForSpares(sizing({ boundIdle: 8 }), limits)).toBe(2);
    expect(placesToFreeForSpares(sizing({ boundIdle: 8 }), { minSpares: 20, maxWorkers: 8 })).toBe(4);
    expect(placesToFreeForSpares(sizing({ boundIdle: 1 }), { minSpares: 2, maxWorkers: 1 })).toBe(0);
  });

  test("is 0 while there are places, or nothing may start", () => {
    expect(placesToFreeForSpares(sizing({ boundIdle: 7 }), limits)).toBe(0);
    expect(placesToFreeForSpares(sizing({ boundIdle: 8 }, 0, { startCount: 0 }), limits)).toBe(0);
    expect(placesToFreeForSpares(sizing({ boundIdle: 8 }, 0, { memoryCount: 0 }), limits)).toBe(0);
  });
});

describe("memory", () => {
  const mebibytes = 1024 * 1024;

  test("has room for as many workers as fit by the estimate", () => {
    const use = { workerCount: 2, usedBytes: 200 * mebibytes, limitBytes: 700 * mebibytes };
    expect(memoryRoom({ ...use, estimateBytes: 150 * mebibytes })).toBe(3);
  });

  test("has room for the first worker whatever the budget", () => {
    const use = { usedBytes: 0, limitBytes: 100 * mebibytes, estimateBytes: 150 * mebibytes };
    expect(memoryRoom({ ...use, workerCount: 0 })).toBe(1);
    expect(memoryRoom({ ...use, workerCount: 1 })).toBe(0);
  });

  test("that ending workers will leave is not asked of idle ones too", () => {
    const now = sizing({}, 3, { memoryCount: 0 });
    expect(workersToEndForMemory(now, limits, 0)).toBe(3);
    expect(workersToEndForMemory(now, limits, 2)).toBe(1);
  });
});

describe("turns that need a worker of their own", () => {
  const own = (
    counts: Partial<ProfileCounts>,
    ownCount: number,
    room: Partial<SharedRoom> = {},
    anyCount = 0,
  ): Sizing => ({
    ...sizing(counts, 0, room),
    wanting: { anyCount, ownCount },
  });

  test("get a start each, whatever else is starting or idle", () => {
    expect(workersToStart(own({ starting: 2, spare: 2 }, 2), limits, 2)).toBe(2);
    expect(workersToStart(own({ starting: 2 }, 1, {}, 3), limits, 0)).toBe(2);
    expect(workersToStart(own({ startingOwn: 3 }, 0, {}, 1), limits, 0)).toBe(1);
  });

  test("have starts that take places like all others", () => {
    expect(workersToStart(own({ startingOwn: 6, claimed: 1 }, 3), limits, 0)).toBe(1);
    expect(workersToStart(own({}, 3, { startCount: 1 }), limits, 0)).toBe(1);
    expect(workersToStart(own({}, 3, { memoryCount: 0 }), limits, 0)).toBe(0);
  });

  test("get the places of spares, which they cannot use", () => {
    const one = { minSpares: 1, maxWorkers: 1 };
    expect(placesFor(own({ spare: 1 }, 1), one)).toEqual({ coveredCount: 0, endCount: 1 });
    expect(placesFor(sizing({ spare: 1 }, 1), one)).toEqual({ coveredCount: 0, endCount: 0 });
    expect(placesFor(own({ spare: 2, boundIdle: 1, claimed: 5 }, 5), limits).endCount).toBe(3);
    expect(hasRoomForAll(own({ spare: 1 }, 1), one)).toBe(true);
    expect(hasRoomForAll(own({ claimed: 1 }, 1), one)).toBe(false);
  });

  test("are waited for by none of the others: a starting worker of theirs serves nobody else", () => {
    expect(placesFor(own({ startingOwn: 1, boundIdle: 7 }, 0, {}, 1), limits)).toEqual({
      coveredCount: 0,
      endCount: 1,
    });
    expect(workersToEndForMemory(own({ starting: 1 }, 1, { memoryCount: 0 }), limits, 0)).toBe(1);
  });
});
