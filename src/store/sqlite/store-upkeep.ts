/**
 * What a person does to a store by a command: gives room back to the disk, or goes on with what is left of one.
 */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { defaultStoreLimits } from "../store-limits.ts";
import { endTurnsOf, type LostCounts } from "./lost-turns.ts";
import { connect, inTransaction, metaOf, underOpeningLock } from "./open-file.ts";
import { livingServers } from "./owners.ts";
import type { Sql } from "./sql.ts";
import { storeUnavailable } from "./sqlite-faults.ts";
import { inodeOf, type StorePaths, sizeOf, writeSideFile } from "./store-files.ts";
import type { StoreVisit } from "./store-visit.ts";

export interface Compacting {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** `whole`: the file was written anew. `freePages`: a server has it open, so only free pages went. */
  readonly how: "whole" | "freePages";
}

/** So many free pages go at a time, so that a server beside it waits for some milliseconds only. */
const pagesAtOnce = 500;

/** Gives room back. `onProgress` gets how many free pages are left. */
export function compactStore({ sql, paths, serverPids }: StoreVisit, onProgress: (left: number) => void): Compacting {
  const beforeBytes = sizeOf(paths.database) ?? 0;
  // To write the whole file anew would hold up every turn of a server until it is done.
  const how = serverPids.length === 0 ? "whole" : "freePages";
  if (how === "whole") sql.exec("vacuum");
  for (let left = freePages(sql); left > 0; ) {
    sql.exec(`pragma incremental_vacuum(${pagesAtOnce})`);
    const now = freePages(sql);
    if (now >= left) break;
    left = now;
    onProgress(left);
  }
  sql.get("pragma wal_checkpoint(truncate)");
  return { beforeBytes, afterBytes: sizeOf(paths.database) ?? 0, how };
}

function freePages(sql: Sql): number {
  return sql.get<{ freelist_count: number }>("pragma freelist_count")?.freelist_count ?? 0;
}

/**
 * Makes a store of what is there: a copy, a file without its WAL, one of another machine. From then on it is a store of
 * this machine that has been closed; every turn that was open in it has ended as lost.
 */
export function adoptStore(paths: StorePaths, nowMs: number): LostCounts {
  if (!sizeOf(paths.database)) throw storeUnavailable(`there is nothing to adopt in ${paths.folder}`);
  return underOpeningLock(paths, () => {
    const sql = connect(paths.database);
    try {
      const verdict = sql.get<{ quick_check: string }>("pragma quick_check(1)")?.quick_check;
      if (verdict !== "ok") throw storeUnavailable(`${paths.database} is damaged (${verdict}), and cannot be adopted`);
      const pids = livingServers(sql, paths);
      if (pids.length > 0)
        throw storeUnavailable(`a server has the store open (process ${pids.join(", ")}): end it first`);
      sql.exec("pragma journal_mode = wal; pragma secure_delete = on");
      return makeClosed(sql, paths, nowMs);
    } finally {
      sql.db.close();
    }
  });
}

/** Makes a store of this machine that has been closed of the database that is connected. Every open turn ends as lost. */
export function makeClosed(sql: Sql, paths: StorePaths, nowMs: number): LostCounts {
  sql.exec("pragma synchronous = full");
  const storeId = randomUUID();
  const counts = inTransaction(sql, () => {
    sql.run("update meta set value = ?1 where key = 'store_id'", storeId);
    return endEverything(sql, paths, nowMs);
  });
  sql.get("pragma wal_checkpoint(truncate)");
  const { generation } = metaOf(sql);
  writeSideFile(paths, { storeId, generation, state: "closed", inode: inodeOf(paths.database) });
  return counts;
}

function endEverything(sql: Sql, paths: StorePaths, nowMs: number): LostCounts {
  const owners = sql.all<{ owner: string }>("select distinct owner from turns where state <> 'ended'");
  let lostTurnCount = 0;
  let freedSessionCount = 0;
  for (const { owner } of owners) {
    const context = { sql, limits: defaultStoreLimits, ownerId: owner, nowMs, pieces: [], sendBack: () => undefined };
    const counts = endTurnsOf(context, owner);
    lostTurnCount += counts.lostTurnCount;
    freedSessionCount += counts.freedSessionCount;
  }
  for (const { id } of sql.all<{ id: string }>("select id from owners")) rmSync(paths.ownerLock(id), { force: true });
  sql.run("delete from owners");
  return { lostTurnCount, freedSessionCount };
}
