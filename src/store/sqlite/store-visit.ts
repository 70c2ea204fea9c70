/**
 * A store opened by a command, beside a server or without one: as little of it is touched as can be.
 *
 * Whoever closes SQLite's last connection takes the WAL away. So a visitor that is the last one leaves the side file as a
 * server would: with `closed`, when everything is in the one file.
 */
import { existsSync } from "node:fs";
import { versionOf } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { checkSideFile, closeUnused, connect, underOpeningLock } from "./open-file.ts";
import { livingServers } from "./owners.ts";
import type { Sql } from "./sql.ts";
import { storeUnavailable } from "./sqlite-faults.ts";
import { inodeOf, readSideFile, type StorePaths, storePaths, writeSideFile } from "./store-files.ts";

export interface StoreVisit {
  readonly sql: Sql;
  readonly paths: StorePaths;
  /** The processes of the servers that have it open now. */
  readonly serverPids: readonly number[];
  close(): void;
}

/** Throws STORE_UNAVAILABLE, with words, when there is none or it cannot be trusted. */
export function visitStore(folder: string): StoreVisit {
  const paths = storePaths(folder);
  if (!existsSync(paths.sideFile) && !existsSync(paths.database)) {
    throw storeUnavailable(`there is no store in ${folder}`);
  }
  return underOpeningLock(paths, () => {
    const side = readSideFile(paths);
    if (side?.state === "creating") throw storeUnavailable(`there is no store in ${folder} yet`);
    const before = checkSideFile(paths, side);
    const sql = connect(paths.database);
    try {
      const version = versionOf(sql);
      const known = migrations.at(-1)?.version;
      if (version !== known) {
        throw storeUnavailable(`the store is of version ${version}, and this command knows ${known}: use the other's`);
      }
      const serverPids = livingServers(sql, paths);
      // One that was put back from a copy has another inode than its side file says.
      if (before.state !== "open") writeSideFile(paths, { ...before, state: "open", inode: inodeOf(paths.database) });
      return { sql, paths, serverPids, close: () => leave(sql, paths) };
    } catch (error) {
      closeUnused(sql, paths);
      throw error;
    }
  });
}

function leave(sql: Sql, paths: StorePaths): void {
  underOpeningLock(paths, () => {
    if (livingServers(sql, paths).length === 0) {
      const moved = sql.get<{ busy: number }>("pragma wal_checkpoint(truncate)");
      const side = readSideFile(paths);
      if (moved?.busy === 0 && side !== undefined) writeSideFile(paths, { ...side, state: "closed" });
    }
    sql.db.close();
  });
}
