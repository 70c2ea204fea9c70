/**
 * The servers that have the store: a row with a heartbeat for each, and a lock that goes with its process.
 *
 * Two may have it at once, so that one can take over from another without a failed call.
 */
import type { OwnersFound } from "./batch.ts";
import type { Context } from "./handler.ts";
import { isFree, removeLockFile } from "./lock-file.ts";
import { endTurnsOf } from "./lost-turns.ts";
import { type Machine, relation } from "./machine.ts";
import type { Sql } from "./sql.ts";
import { storeUnavailable } from "./sqlite-faults.ts";
import type { StorePaths } from "./store-files.ts";

/** The one that drains, and the one that takes over. */
const maxOwners = 2;

interface OwnerRow {
  readonly id: string;
  readonly machine_id: string;
  readonly boot_id: string;
  readonly host: string;
  readonly pid: number;
}

/** The processes of the servers that have the store open now. */
export function livingServers(sql: Sql, paths: StorePaths): readonly number[] {
  return allOwners(sql)
    .filter(({ id }) => !isFree(paths.ownerLock(id)))
    .map(({ pid }) => pid);
}

/** Ends what dead servers left, and enters this one. Throws when the store is another's. */
export function enterOwner(context: Context, paths: StorePaths, machine: Machine): OwnersFound {
  const { sql, ownerId, nowMs } = context;
  const living: OwnerRow[] = [];
  const dead: OwnerRow[] = [];
  for (const owner of allOwners(sql)) {
    const then = { machineId: owner.machine_id, bootId: owner.boot_id, host: owner.host };
    const related = relation(then, machine);
    if (related === "other") throw storeUnavailable(anothersText(owner));
    const lives = related === "same" && !isFree(paths.ownerLock(owner.id));
    (lives ? living : dead).push(owner);
  }
  if (living.length >= maxOwners) {
    const pids = living.map(({ pid }) => pid).join(" and ");
    throw storeUnavailable(
      `two servers have the store in ${paths.folder} already (processes ${pids}): a third one has to wait until one of them has ended`,
    );
  }
  const found = endAll(context, paths, dead);
  sql.run(
    `insert into owners(id, machine_id, boot_id, host, pid, started_at, heartbeat_at)
     values(?1, ?2, ?3, ?4, ?5, ?6, ?6)`,
    ownerId,
    machine.machineId,
    machine.bootId,
    machine.host,
    process.pid,
    nowMs,
  );
  return found;
}

/** Whether another server has died, and left its row. */
export function hasDeadOwner(sql: Sql, paths: StorePaths, ownerId: string): boolean {
  return deadOwners(sql, paths, ownerId).length > 0;
}

/** Beats, and ends what a server left that died beside this one. */
export function tendOwners(context: Context, paths: StorePaths): OwnersFound {
  const { sql, ownerId, nowMs } = context;
  sql.run("update owners set heartbeat_at = ?2 where id = ?1", ownerId, nowMs);
  return endAll(context, paths, deadOwners(sql, paths, ownerId));
}

function deadOwners(sql: Sql, paths: StorePaths, ownerId: string): OwnerRow[] {
  return allOwners(sql).filter(({ id }) => id !== ownerId && isFree(paths.ownerLock(id)));
}

/**
 * Leaves: what is open here has its end, and what a server left that died beside this one. Returns how many servers stay.
 */
export function leaveOwner(context: Context, paths: StorePaths): number {
  const { sql, ownerId } = context;
  endTurnsOf(context, ownerId);
  sql.run("delete from owners where id = ?1", ownerId);
  endAll(context, paths, deadOwners(sql, paths, ownerId));
  return allOwners(sql).length;
}

function allOwners(sql: Sql): OwnerRow[] {
  return sql.all<OwnerRow>("select id, machine_id, boot_id, host, pid from owners order by started_at, id");
}

function endAll(context: Context, paths: StorePaths, dead: readonly OwnerRow[]): OwnersFound {
  let lostTurnCount = 0;
  let freedSessionCount = 0;
  for (const { id } of dead) {
    const counts = endTurnsOf(context, id);
    lostTurnCount += counts.lostTurnCount;
    freedSessionCount += counts.freedSessionCount;
    context.sql.run("delete from owners where id = ?1", id);
    removeLockFile(paths.ownerLock(id));
  }
  return { ownerIds: dead.map(({ id }) => id), lostTurnCount, freedSessionCount };
}

function anothersText({ host, pid }: OwnerRow): string {
  return (
    `the store was opened on another machine (host ${host}, process ${pid}) and not closed there, or was copied from ` +
    "it while it was open: end that server, or, if it is gone for certain, run `claude-runner store adopt`"
  );
}
