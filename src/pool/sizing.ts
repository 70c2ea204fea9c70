/**
 * How many workers a profile should have: how many to start, and how many idle ones to end for them. Pure functions of
 * counts.
 *
 * Two bounds hold at once. `maxWorkers` bounds a profile; the memory budget and `maxStartingWorkers` bound all of them.
 * A worker that is being ended still has its memory, but not its place: ending takes up to ten seconds, and a
 * single-use profile would pay them between any two turns. So that slow ends cannot pile up either, this holds for a
 * few of them only, a quarter of `maxWorkers`, rounded down; more than that keep their places until they are gone. So
 * where `maxWorkers` is 1, because turns share a folder, no worker runs beside one that has not let go of it yet.
 */
import type { Wanting } from "./starts-for.ts";

export interface ProfileCounts {
  /** Those left out that are started for one session. */
  readonly starting: number;
  /** Those that are started for one session, and serve no other turn. */
  readonly startingOwn: number;
  /** Those that are being checked included. */
  readonly spare: number;
  readonly boundIdle: number;
  readonly claimed: number;
  readonly resetting: number;
  readonly stopping: number;
}

/** What all profiles leave to one of them. */
export interface SharedRoom {
  /** Workers that may begin to start now. */
  readonly startCount: number;
  /** Workers for which there is memory. */
  readonly memoryCount: number;
  /** Workers for which there will be memory: some are being ended, others could be. */
  readonly memoryCountSoon: number;
}

/** The memory of all profiles. */
export interface MemoryUse {
  /** Workers that are not gone. */
  readonly workerCount: number;
  /** Measured where a worker was measured, else estimated. */
  readonly usedBytes: number;
  readonly limitBytes: number;
  /** What one more worker will take. */
  readonly estimateBytes: number;
}

export interface SizingLimits {
  readonly minSpares: number;
  readonly maxWorkers: number;
}

export interface Sizing {
  readonly counts: ProfileCounts;
  /** Waiting turns for which there is no worker, nor one that is started for them. */
  readonly wanting: Wanting;
  readonly room: SharedRoom;
}

/** How many to start: one for each turn that has none, and spares up to `spareTarget`. */
export function workersToStart(now: Sizing, limits: SizingLimits, spareTarget: number): number {
  const { counts, room, wanting } = now;
  const missingSpares = Math.max(0, spareTarget - counts.spare); // bound idle ones are no spares
  const wanted = starts({ ...wanting, anyCount: wanting.anyCount + missingSpares }, counts);
  return Math.min(wanted, places(counts, limits), room.startCount, room.memoryCount);
}

/** Whether each turn without a worker can have one without waiting for another turn to end. */
export function hasRoomForAll(now: Sizing, limits: SizingLimits): boolean {
  const { counts, room, wanting } = now;
  return starts(wanting, counts) <= Math.min(places(counts, limits), room.memoryCountSoon) + endable(now);
}

/**
 * For how many of the waiting turns there will be a worker without anybody's end, and how many idle workers of the profile
 * have to end now so that the others get theirs.
 */
export function placesFor(
  now: Sizing,
  limits: SizingLimits,
): { readonly coveredCount: number; readonly endCount: number } {
  const { counts, room, wanting } = now;
  const needed = starts(wanting, counts);
  const free = Math.min(places(counts, limits), room.memoryCountSoon);
  const missing = needed - free - lateStops(counts, limits);
  // Not before a start can follow: until then a bound worker may still serve its own tenant.
  const endCount = Math.max(0, Math.min(missing, room.startCount - Math.min(free, needed), endable(now)));
  return { coveredCount: wanting.anyCount + wanting.ownCount - Math.max(0, missing), endCount };
}

/** How many long unused bound workers have to end so that spares find a place. At most half of the places are spares. */
export function placesToFreeForSpares(now: Sizing, limits: SizingLimits): number {
  const { counts, room, wanting } = now;
  const target = Math.min(limits.minSpares, Math.floor(limits.maxWorkers / 2));
  const missingSpares = Math.max(0, target - counts.spare);
  const missing = starts({ ...wanting, anyCount: wanting.anyCount + missingSpares }, counts);
  if (places(counts, limits) > 0 || room.memoryCount === 0) return 0;
  return Math.max(0, Math.min(missing - lateStops(counts, limits), room.startCount, counts.boundIdle));
}

/** How many idle workers have to end, in whatever profile, so that there is memory for the waiting turns of this one. */
export function workersToEndForMemory(now: Sizing, limits: SizingLimits, stoppingInAll: number): number {
  const { counts, room, wanting } = now;
  const startable = Math.min(starts(wanting, counts), places(counts, limits), room.startCount);
  return Math.max(0, startable - room.memoryCount - stoppingInAll);
}

/** For how many more workers the memory budget has room. One is always allowed. */
export function memoryRoom(now: MemoryUse): number {
  const count = Math.max(0, Math.floor((now.limitBytes - now.usedBytes) / now.estimateBytes));
  return now.workerCount === 0 ? Math.max(1, count) : count;
}

/** How many more starts would give each turn its worker. A worker that is starting serves any turn but a session's. */
function starts({ anyCount, ownCount }: Wanting, counts: ProfileCounts): number {
  return Math.max(0, anyCount - counts.starting) + ownCount;
}

/** Idle workers that may have to end for waiting turns. A spare is ended for none but those that it cannot serve. */
function endable({ counts, wanting }: Sizing): number {
  return counts.boundIdle + Math.min(counts.spare, wanting.ownCount);
}

function places(counts: ProfileCounts, limits: SizingLimits): number {
  const living =
    counts.starting + counts.startingOwn + counts.spare + counts.boundIdle + counts.claimed + counts.resetting;
  return Math.max(0, limits.maxWorkers - living - lateStops(counts, limits));
}

/** Workers that are being ended and keep their places until they are gone. */
function lateStops(counts: ProfileCounts, limits: SizingLimits): number {
  return Math.max(0, counts.stopping - Math.floor(limits.maxWorkers / 4));
}
