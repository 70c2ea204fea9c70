/**
 * Opens and closes the file of a store.
 *
 * SQLite opens a missing or an empty file, and one without its WAL, as if nothing had ever been in it. What has to be
 * there is written down beside it (`SideFile`), in an order that a kill at any point leaves truthful: the new generation
 * goes into the database before it goes there, `closed` is written when everything is in the one file, and `opening` before
 * anything is not any more.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { OwnersFound } from "./batch.ts";
import type { Context } from "./handler.ts";
import { type LockFile, removeLockFile, takeLock } from "./lock-file.ts";
import type { Machine } from "./machine.ts";
import { migrate } from "./migrate.ts";
import { applicationId, type Migration } from "./migrations.ts";
import { enterOwner, leaveOwner, livingServers } from "./owners.ts";
import { Sql } from "./sql.ts";
import { storeUnavailable } from "./sqlite-faults.ts";
import {
  inodeOf,
  makeEmptyWal,
  makePrivateFile,
  makePrivateFolder,
  makeReserve,
  readSideFile,
  removeDatabase,
  restore,
  type SideFile,
  type StorePaths,
  sizeOf,
  writeSideFile,
} from "./store-files.ts";

export interface OpenedFile {
  readonly sql: Sql;
  readonly recovered: OwnersFound;
  readonly notes: readonly string[];
  /** Ends what is open, and leaves everything in the one file if nobody else has it. */
  close(context: Context): void;
}

export interface OpenFileOptions {
  readonly paths: StorePaths;
  readonly machine: Machine;
  readonly migrations: readonly Migration[];
  /** The context of the opening, once there is a connection. */
  readonly contextOf: (sql: Sql) => Context;
}

/** How long another server may take to open or close the store. */
const openingWaitMs = 15_000;
/** How long a write waits for another program's, such as a server that takes over. */
export const busyWaitMs = 5_000;
/** Larger files are checked by `claude-runner store check`: to read all of one would take longer than a start may. */
const maxQuickCheckBytes = 256 * 1024 * 1024;

export function openFile(options: OpenFileOptions): OpenedFile {
  const { paths } = options;
  makePrivateFolder(paths.folder);
  return underOpeningLock(paths, () => openUnderLock(options));
}

function openUnderLock({ paths, machine, migrations, contextOf }: OpenFileOptions): OpenedFile {
  const side = sideFileBefore(paths);
  // From here on a WAL is the store's own.
  if (side.state === "closed") writeSideFile(paths, { ...side, state: "opening" });
  const sql = connect(paths.database);
  const ownerLock = paths.ownerLock(contextOf(sql).ownerId);
  let lock: LockFile | undefined;
  try {
    checkHeader(sql, paths, side);
    const notes = migrate(sql, { migrations, folder: paths.folder, readers: () => livingServers(sql, paths) });
    const generation = checkMeta(sql, paths, side) + 1;
    const context = contextOf(sql);
    lock = takeLock(ownerLock, 0);
    // Powered off a moment later, the generation must not be behind the side file's.
    sql.exec("pragma synchronous = full");
    const recovered = inTransaction(sql, () => {
      const found = enterOwner(context, paths, machine);
      sql.run("update meta set value = ?1 where key = 'generation'", String(generation));
      return found;
    });
    writeSideFile(paths, { ...side, state: "open", generation, inode: inodeOf(paths.database) });
    const noReserve = tryReserve(paths);
    return {
      sql,
      recovered,
      notes: [...notes, ...noReserve],
      close: (closing) => closeFile(closing, paths, lock as LockFile),
    };
  } catch (error) {
    lock?.release();
    removeLockFile(ownerLock);
    closeUnused(sql, paths);
    throw error;
  }
}

/**
 * Closes a database that stays open for others, or turned out not to be usable, and leaves the rest as it was. The last connection that closes takes the WAL away,
 * when all that was in it is in the database; the next start would take that for a loss.
 */
export function closeUnused(sql: Sql, paths: StorePaths): void {
  sql.db.close();
  if (readSideFile(paths)?.state === "open" && !existsSync(paths.wal)) makeEmptyWal(paths);
}

/** What the side file says. A first start makes it, and the database. */
function sideFileBefore(paths: StorePaths): SideFile {
  const side = readSideFile(paths);
  const isFirst = side === undefined && sizeOf(paths.database) === undefined;
  return isFirst || side?.state === "creating" ? beginStore(paths) : checkSideFile(paths, side);
}

/** Refuses what has lost something, as far as it shows from outside. */
export function checkSideFile(paths: StorePaths, side: SideFile | undefined): SideFile {
  const { database, sideFile, wal } = paths;
  if (side === undefined) throw storeUnavailable(`${sideFile}, which belongs to the store, is missing${restore}`);
  const databaseBytes = sizeOf(database);
  if (databaseBytes === undefined) throw storeUnavailable(`${database} is missing${restore}`);
  if (databaseBytes === 0) throw storeUnavailable(`${database} is empty${restore}`);
  if (side.state === "closed") {
    // SQLite would write what is in it into the database, whosever it is.
    if (sizeOf(wal)) {
      throw storeUnavailable(
        `${wal} does not belong to ${database}, which was closed: if you put back a backup, delete it; ` +
          "if not, `claude-runner store adopt` uses both",
      );
    }
    return side;
  }
  if (side.state === "opening") return side;
  if (side.inode !== inodeOf(database)) {
    throw storeUnavailable(
      `${database} is a copy that was made while a server had the store open, so it may lack what was written last${restore}`,
    );
  }
  if (!existsSync(wal)) {
    throw storeUnavailable(
      `${wal} is missing, and with it what was written last, unless another program has opened the database since${restore}`,
    );
  }
  return side;
}

function beginStore(paths: StorePaths): SideFile {
  const side: SideFile = { storeId: randomUUID(), state: "creating", generation: 0, inode: "" };
  removeDatabase(paths);
  writeSideFile(paths, side);
  makePrivateFile(paths.database);
  return side;
}

/** Only a file that is there: SQLite would make a new one in silence. */
export function connect(database: string): Sql {
  const url = pathToFileURL(database);
  url.search = "?mode=rw";
  return new Sql(new DatabaseSync(url, { timeout: busyWaitMs, enableForeignKeyConstraints: true }));
}

function checkHeader(sql: Sql, paths: StorePaths, side: SideFile): void {
  const { database } = paths;
  if (side.state === "creating") {
    // Before the WAL: afterwards it would be ignored in silence.
    sql.exec(`pragma auto_vacuum = incremental; pragma application_id = ${applicationId}`);
  } else {
    const found = sql.get<{ application_id: number }>("pragma application_id")?.application_id;
    if (found !== applicationId) throw storeUnavailable(`${database} is no store of claude-runner`);
    if ((sizeOf(database) ?? 0) <= maxQuickCheckBytes) {
      const verdict = sql.get<{ quick_check: string }>("pragma quick_check(1)")?.quick_check;
      if (verdict !== "ok") throw storeUnavailable(`${database} is damaged (${verdict})${restore}`);
    }
  }
  sql.exec("pragma journal_mode = wal; pragma secure_delete = on");
}

/** The generation that the database has. */
function checkMeta(sql: Sql, { database }: StorePaths, side: SideFile): number {
  if (side.state === "creating") {
    inTransaction(sql, () => {
      sql.run("insert into meta(key, value) values('store_id', ?1), ('generation', '0')", side.storeId);
    });
    return 0;
  }
  const values = metaOf(sql);
  if (values.storeId !== side.storeId) throw storeUnavailable(`${database} is of another store${restore}`);
  if (values.generation < side.generation) {
    throw storeUnavailable(`${database} is older than it was, or has lost what was written last${restore}`);
  }
  return values.generation;
}

export function metaOf(sql: Sql): { readonly storeId: string; readonly generation: number } {
  const value = (key: string) => sql.get<{ value: string }>("select value from meta where key = ?1", key)?.value ?? "";
  return { storeId: value("store_id"), generation: Number(value("generation")) };
}

function closeFile(context: Context, paths: StorePaths, lock: LockFile): void {
  const { sql, ownerId } = context;
  try {
    underOpeningLock(paths, () => {
      const others = inTransaction(sql, () => leaveOwner(context, paths));
      if (others > 0) return closeUnused(sql, paths);
      const moved = sql.get<{ busy: number; log: number; checkpointed: number }>("pragma wal_checkpoint(truncate)");
      const side = readSideFile(paths);
      // Written before the WAL goes: killed in between, an empty one is left.
      if (moved?.busy === 0 && side !== undefined) writeSideFile(paths, { ...side, state: "closed" });
      // Still under the lock: closing takes the WAL away.
      sql.db.close();
    });
  } finally {
    if (sql.db.isOpen) closeUnused(sql, paths);
    lock.release();
    removeLockFile(paths.ownerLock(ownerId));
  }
}

/** A disk that has no room for the reserve has none for a full disk either: worth a line, no reason not to start. */
function tryReserve(paths: StorePaths): readonly string[] {
  try {
    makeReserve(paths);
    return [];
  } catch (error) {
    return [
      `there is no room for the store's reserve (${(error as NodeJS.ErrnoException).code}): the disk is nearly full`,
    ];
  }
}

export function underOpeningLock<T>(paths: StorePaths, work: () => T): T {
  const lock = takeLock(paths.openingLock, openingWaitMs);
  if (lock === undefined) {
    throw storeUnavailable(
      `another server opens or closes the store in ${paths.folder} for more than ${openingWaitMs} ms`,
    );
  }
  try {
    return work();
  } finally {
    lock.release();
  }
}

export function inTransaction<T>(sql: Sql, work: () => T): T {
  sql.exec("begin immediate");
  try {
    const result = work();
    sql.exec("commit");
    return result;
  } catch (error) {
    // Some faults roll back by themselves.
    if (sql.db.isTransaction) sql.exec("rollback");
    throw error;
  }
}
