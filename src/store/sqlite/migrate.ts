/**
 * Brings the tables to this version, and refuses those of a version that this one cannot read.
 */
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Migration } from "./migrations.ts";
import type { Sql } from "./sql.ts";
import { storeUnavailable } from "./sqlite-faults.ts";
import { makePrivateFile, sizeOf } from "./store-files.ts";

export interface MigrateOptions {
  readonly migrations: readonly Migration[];
  /** Where a copy of the old tables may lie. Absent: there are no files. */
  readonly folder: string | undefined;
  /** The processes of older servers that have the store open now, and go on reading it. */
  readonly readers: () => readonly number[];
}

/** Returns what is worth a line in the log. */
export function migrate(sql: Sql, { migrations, folder, readers }: MigrateOptions): readonly string[] {
  const newest = migrations.at(-1) as Migration;
  const version = versionOf(sql);
  if (version > newest.version) {
    const oldestReader = Number(
      sql.get<{ value: string }>("select value from meta where key = 'oldest_reader'")?.value,
    );
    if (oldestReader <= newest.version) return [];
    const message =
      `the store is of a newer version (${version}; this server reads up to ${newest.version}): start the newer ` +
      "server again, or put back the copy that it made before it changed the store";
    throw storeUnavailable(message);
  }
  const due = migrations.filter((one) => one.version > version);
  if (due.length === 0) return [];
  const breaks = version > 0 && due.some(({ oldestReader }) => oldestReader > version);
  const pids = breaks ? readers() : [];
  if (pids.length > 0) {
    const message = `the store must be changed for this version, and the server that has it open (process ${pids.join(", ")}) could not read it then: stop that one first`;
    throw storeUnavailable(message);
  }
  const notes = breaks && folder !== undefined ? [copyBefore(sql, { version, to: newest.version, folder })] : [];
  sql.exec("begin immediate");
  try {
    for (const one of due) {
      sql.exec(one.sql);
      sql.run(
        "insert into meta(key, value) values('oldest_reader', ?1) on conflict(key) do update set value = ?1",
        String(one.oldestReader),
      );
      sql.exec(`pragma user_version = ${one.version}`);
    }
    sql.exec("commit");
  } catch (error) {
    if (sql.db.isTransaction) sql.exec("rollback");
    throw error;
  }
  return notes;
}

export function versionOf(sql: Sql): number {
  return sql.get<{ user_version: number }>("pragma user_version")?.user_version ?? 0;
}

/** Twice the size: the copy, and what the change itself may need. */
const roomFactor = 2;

function copyBefore(
  sql: Sql,
  { version, to, folder }: { readonly version: number; readonly to: number; readonly folder: string },
): string {
  const copy = join(folder, `store-v${version}.db`);
  const bytes = sizeOf(join(folder, "store.db")) ?? 0;
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < roomFactor * bytes) {
    return `the store goes from version ${version} to ${to}, and the disk has no room for a copy: there is no way back`;
  }
  rmSync(copy, { force: true });
  makePrivateFile(copy);
  sql.run("vacuum into ?1", copy);
  return (
    `the store goes from version ${version} to ${to}; to go back to an older server, stop this one, replace ` +
    `store.db by ${copy}, delete store.db-wal, and run \`claude-runner store adopt\` with the older server. ` +
    "The copy has the words of that moment: delete it when you will not go back"
  );
}
