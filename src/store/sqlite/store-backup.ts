/**
 * A backup: a copy of a store, of one moment, that a server opens as it is. A server may have the store open meanwhile.
 *
 * Turns that ran at that moment have ended as lost in the copy: whoever had them is not there when it is put back.
 */
import { existsSync } from "node:fs";
import type { LostCounts } from "./lost-turns.ts";
import { connect } from "./open-file.ts";
import { faultOf, storeUnavailable } from "./sqlite-faults.ts";
import { makePrivateFile, makePrivateFolder, removeDatabase, sizeOf, storePaths } from "./store-files.ts";
import { makeClosed } from "./store-upkeep.ts";
import type { StoreVisit } from "./store-visit.ts";

export interface Backup extends LostCounts {
  readonly bytes: number;
}

/** `folder`: where it goes; there must be no store. */
export function backUpStore({ sql }: Pick<StoreVisit, "sql">, folder: string, nowMs: number): Backup {
  const paths = storePaths(folder);
  const { database, sideFile } = paths;
  if (existsSync(database) || existsSync(sideFile)) {
    throw storeUnavailable(`there is a store in ${folder} already: name another folder`);
  }
  makePrivateFolder(folder);
  makePrivateFile(database);
  try {
    sql.run("vacuum into ?1", database);
    const copy = connect(database);
    try {
      const verdict = copy.get<{ quick_check: string }>("pragma quick_check(1)")?.quick_check;
      if (verdict !== "ok") throw storeUnavailable(`the store is damaged (${verdict})`);
      const counts = makeClosed(copy, paths, nowMs);
      return { bytes: sizeOf(database) ?? 0, ...counts };
    } finally {
      copy.db.close();
    }
  } catch (error) {
    removeDatabase(paths);
    if (faultOf(error) === undefined) throw error;
    throw storeUnavailable(`the backup could not be made: ${(error as Error).message}`, error);
  }
}
