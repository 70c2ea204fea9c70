/**
 * Runs batches of operations on the tables: one transaction for all that write, a savepoint for each of them, so that one
 * that fails takes nothing of the others along.
 *
 * When the disk is full it gives up the reserve and refuses what is new; what ends or makes room goes on in that space.
 * What is new is refused as well once the file was found damaged, until somebody has started the server anew, and for as
 * long as the files are not where they were: nothing written then would be there afterwards.
 */
import { existsSync, statfsSync } from "node:fs";
import { isRunnerError } from "../../runner-error.ts";
import { LeaseLost } from "../store.ts";
import type { StoreLimits } from "../store-limits.ts";
import type { BatchEntry, Condition, Failure, OwnersFound, Reply } from "./batch.ts";
import type { Context } from "./handler.ts";
import { busyWaitMs, inTransaction } from "./open-file.ts";
import { isAddition, isRead, runOperation } from "./operations.ts";
import { hasDeadOwner, tendOwners } from "./owners.ts";
import { PieceReader } from "./parcel.ts";
import type { Sql } from "./sql.ts";
import { type Fault, faultOf } from "./sqlite-faults.ts";
import { giveUpReserve, inodeOf, makeReserve, reserveBytes, type StorePaths, sizeOf } from "./store-files.ts";

export interface BatchRunnerOptions {
  readonly sql: Sql;
  readonly limits: StoreLimits;
  readonly ownerId: string;
  /** Absent: in memory. */
  readonly paths: StorePaths | undefined;
}

export interface BatchResult {
  readonly replies: readonly Reply[];
  readonly pieces: readonly Uint8Array[];
}

/** An operation with its bytes. */
interface Work {
  readonly entry: BatchEntry;
  readonly pieces: readonly Uint8Array[];
}

/** What is new is refused at once while one of these is known. */
const refusesNew: ReadonlySet<Fault | undefined> = new Set<Fault>(["full", "corrupt", "missing"]);

/** How long a write waits for another program's that has had the file for longer than `busyWaitMs`. */
const lockedWaitMs = 250;
/** How long bringing the WAL home waits for readers: a backup or an export reads for minutes, and turns must not wait for it. */
const checkpointWaitMs = 50;
/** How often a server says in its row that it lives. Whether it does is decided by its lock. */
const beatIntervalMs = 60_000;
/** So many free pages go back to the disk at a time, some milliseconds' work. */
const vacuumPages = 500;

export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  readonly #inode: string | undefined;
  #fault: Fault | undefined;
  /** Whether the WAL has something that the next look after the store should bring home, and clean. */
  #hasWritten = true;
  #synchronous: "normal" | "full" | undefined;
  #beatAtMs = 0;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
    this.#inode = options.paths && inodeOf(options.paths.database);
  }

  condition(): Condition {
    const { sql } = this.#options;
    const pragma = (name: string) => Object.values(sql.get<Record<string, number>>(`pragma ${name}`) ?? {})[0] ?? 0;
    let usedBytes = 0;
    try {
      usedBytes = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
    } catch (error) {
      const fault = faultOf(error);
      if (fault !== undefined) this.#met(fault);
    }
    return { usedBytes, fault: this.#fault };
  }

  run(entries: readonly BatchEntry[], bytes: Uint8Array, isPowerSafe: boolean): BatchResult {
    const reader = new PieceReader(bytes);
    const works = entries.map((entry) => ({ entry, pieces: reader.take(entry.sizes) }));
    return this.#run(works, isPowerSafe);
  }

  #run(works: readonly Work[], isPowerSafe: boolean): BatchResult {
    const { paths } = this.#options;
    try {
      const result = this.#attempt(works, isPowerSafe);
      // Of the others it is known when they are over (`tend`).
      if (!refusesNew.has(this.#fault) && !works.every(isReading)) this.#become(undefined);
      return result;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      const wasFull = this.#fault === "full";
      this.#met(fault);
      if (fault === "full" && !wasFull && paths !== undefined && giveUpReserve(paths)) {
        return this.#run(works, isPowerSafe);
      }
      return this.#readingsOf(works, { kind: "fault", fault, detail: (error as Error).message });
    }
  }

  /** Does what a batch with a fault has to read, each by itself: what is there can be read while nothing can be written. */
  #readingsOf(works: readonly Work[], failure: Failure): BatchResult {
    const results = works.map((work): BatchResult => {
      const failed = { replies: [{ failure }], pieces: [] };
      if (works.length === 1 || !isReading(work)) return failed;
      try {
        return this.#attempt([work], false);
      } catch (error) {
        if (faultOf(error) === undefined) throw error;
        return failed;
      }
    });
    return {
      replies: results.flatMap(({ replies }) => replies),
      pieces: results.flatMap(({ pieces }) => pieces),
    };
  }

  /** A file that is damaged stays so, whatever else is the matter with it. */
  #met(fault: Fault): void {
    if (this.#fault !== "corrupt") this.#become(fault);
  }

  /** A store that is known to be locked is not waited for as long again: whoever reads would wait each time as well. */
  #become(fault: Fault | undefined): void {
    if ((fault === "busy") !== (this.#fault === "busy")) {
      this.#options.sql.exec(`pragma busy_timeout = ${fault === "busy" ? lockedWaitMs : busyWaitMs}`);
    }
    this.#fault = fault;
  }

  /** Beats, ends what dead servers left, brings the WAL home and makes room again. */
  tend(nowMs: number): OwnersFound {
    const { paths } = this.#options;
    if (paths === undefined) return nobody;
    try {
      // Of a folder that was moved every lock looks free, and every other server dead.
      if (this.#isMissing(paths)) {
        this.#met("missing");
        return nobody;
      }
      const found = this.#tendOwners(paths, nowMs);
      this.#cleanUp();
      const hasReserve = this.#hasReserve(paths);
      const isOver = this.#fault !== "corrupt" && (this.#fault !== "full" || hasReserve);
      if (isOver) this.#become(undefined);
      return found;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      if (fault === "full") giveUpReserve(paths);
      this.#met(fault);
      return nobody;
    }
  }

  /** SQLite goes on without a word with files that were deleted or moved: what it writes is gone with the process. */
  #isMissing({ database, wal }: StorePaths): boolean {
    return sizeOf(database) === undefined || inodeOf(database) !== this.#inode || !existsSync(wal);
  }

  #attempt(works: readonly Work[], isPowerSafe: boolean): BatchResult {
    const { sql, paths } = this.#options;
    const onlyReads = works.every(isReading);
    if (paths !== undefined && !onlyReads) this.#setSynchronous(isPowerSafe ? "full" : "normal");
    // What is read alone need not wait for another server that writes.
    sql.exec(onlyReads ? "begin" : "begin immediate");
    try {
      const pieces: Uint8Array[] = [];
      const replies = works.map((work) => this.#runOne(work, pieces));
      sql.exec("commit");
      if (!onlyReads) this.#hasWritten = true;
      return { replies, pieces };
    } catch (error) {
      if (sql.db.isTransaction) sql.exec("rollback");
      throw error;
    }
  }

  /** What is wrong with the store is thrown: it concerns the whole batch. */
  #runOne({ entry, pieces }: Work, back: Uint8Array[]): Reply {
    const { sql } = this.#options;
    const { name, input, nowMs } = entry;
    if (this.#fault !== undefined && refusesNew.has(this.#fault) && isAddition(name)) {
      return { failure: { kind: "fault", fault: this.#fault, detail: "" } };
    }
    const own: Uint8Array[] = [];
    sql.exec("savepoint one");
    try {
      const output = runOperation(
        name,
        this.#context(nowMs, pieces, (piece) => own.push(piece)),
        input,
      );
      sql.exec("release one");
      back.push(...own);
      return { output, sizes: own.map(({ byteLength }) => byteLength) };
    } catch (error) {
      if (faultOf(error) !== undefined) throw error;
      sql.exec("rollback to one; release one");
      return { failure: failureOf(error) };
    }
  }

  #context(
    nowMs: number,
    pieces: readonly Uint8Array[] = [],
    sendBack: (piece: Uint8Array) => void = () => undefined,
  ): Context {
    const { sql, limits, ownerId } = this.#options;
    return { sql, limits, ownerId, nowMs, pieces, sendBack };
  }

  /** Writes only when there is something to write: an idle server lets its disk sleep. */
  #tendOwners(paths: StorePaths, nowMs: number): OwnersFound {
    const { sql, ownerId } = this.#options;
    const sinceBeatMs = Math.abs(nowMs - this.#beatAtMs);
    if (sinceBeatMs < beatIntervalMs && !hasDeadOwner(sql, paths, ownerId)) return nobody;
    const found = inTransaction(sql, () => tendOwners(this.#context(nowMs), paths));
    this.#beatAtMs = nowMs;
    this.#hasWritten = true;
    return found;
  }

  /** Cannot be changed within a transaction. */
  #setSynchronous(level: "normal" | "full"): void {
    if (this.#synchronous === level) return;
    this.#options.sql.exec(`pragma synchronous = ${level}`);
    this.#synchronous = level;
  }

  /** What was deleted is overwritten in the file, and its old pages in the WAL go. */
  #cleanUp(): void {
    const { sql } = this.#options;
    if (!this.#hasWritten) return;
    sql.exec(`pragma incremental_vacuum(${vacuumPages})`);
    const moved = this.#withPatience(checkpointWaitMs, () => {
      return sql.get<{ busy: number }>("pragma wal_checkpoint(truncate)");
    });
    // A reader was in the way, of the other server or of a command: the next look tries again.
    this.#hasWritten = moved?.busy !== 0;
  }

  /** Within this wait nothing else is done here. */
  #withPatience<T>(waitMs: number, work: () => T): T {
    const { sql } = this.#options;
    sql.exec(`pragma busy_timeout = ${waitMs}`);
    try {
      return work();
    } finally {
      sql.exec(`pragma busy_timeout = ${this.#fault === "busy" ? lockedWaitMs : busyWaitMs}`);
    }
  }

  /** Whether there is a reserve; makes it, when there is room again. */
  #hasReserve(paths: StorePaths): boolean {
    if (sizeOf(paths.reserve) === reserveBytes) return true;
    try {
      const { bavail, bsize } = statfsSync(paths.folder);
      if (bavail * bsize < 2 * reserveBytes) return false;
      makeReserve(paths);
      return true;
    } catch {
      return false; // still full, or gone: the next look tries again
    }
  }
}

const nobody: OwnersFound = { ownerIds: [], lostTurnCount: 0, freedSessionCount: 0 };

const isReading = ({ entry }: Work) => isRead(entry.name);

function failureOf(error: unknown): Failure {
  if (error instanceof LeaseLost) return { kind: "leaseLost", message: error.message };
  if (isRunnerError(error)) {
    return { kind: "refused", reason: error.reason, message: error.message, facts: error.facts };
  }
  return { kind: "bug", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
