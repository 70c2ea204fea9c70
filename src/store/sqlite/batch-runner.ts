/**
 * Runs batches of operations on the tables: one transaction for all that write, a savepoint for each of them, so that one
 * that fails takes nothing of the others along.
 *
 * When the disk is full it gives up the reserve and refuses what is new; what ends or makes room goes on in that space.
 */
import { statfsSync } from "node:fs";
import { isRunnerError } from "../../runner-error.ts";
import { LeaseLost } from "../store.ts";
import type { StoreLimits } from "../store-limits.ts";
import type { BatchEntry, Condition, Failure, OwnersFound, Reply } from "./batch.ts";
import type { Context } from "./handler.ts";
import { inTransaction } from "./open-file.ts";
import { isAddition, isRead, runOperation } from "./operations.ts";
import { hasDeadOwner, tendOwners } from "./owners.ts";
import { PieceReader } from "./parcel.ts";
import type { Sql } from "./sql.ts";
import { type Fault, faultOf } from "./sqlite-faults.ts";
import { giveUpReserve, makeReserve, reserveBytes, type StorePaths } from "./store-files.ts";

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

/** How often a server says in its row that it lives. Whether it does is decided by its lock. */
const beatIntervalMs = 60_000;
/** So many free pages go back to the disk at a time, some milliseconds' work. */
const vacuumPages = 500;

export class BatchRunner {
  readonly #options: BatchRunnerOptions;
  #fault: Fault | undefined;
  /** Whether the WAL has something that the next look after the store should bring home, and clean. */
  #hasWritten = true;
  #synchronous: "normal" | "full" | undefined;
  #beatAtMs = 0;

  constructor(options: BatchRunnerOptions) {
    this.#options = options;
  }

  condition(): Condition {
    const { sql } = this.#options;
    const pragma = (name: string) => Object.values(sql.get<Record<string, number>>(`pragma ${name}`) ?? {})[0] ?? 0;
    let usedBytes = 0;
    try {
      usedBytes = (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
    } catch (error) {
      this.#fault ??= faultOf(error);
    }
    return { usedBytes, fault: this.#fault };
  }

  run(entries: readonly BatchEntry[], bytes: Uint8Array, isPowerSafe: boolean): BatchResult {
    const { paths } = this.#options;
    try {
      const result = this.#attempt(entries, bytes, isPowerSafe);
      // A full disk is over when there is a reserve again.
      if (this.#fault !== "full" && !entries.every(({ name }) => isRead(name))) this.#fault = undefined;
      return result;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      const wasFull = this.#fault === "full";
      this.#fault = fault;
      if (fault === "full" && !wasFull && paths !== undefined && giveUpReserve(paths)) {
        return this.run(entries, bytes, isPowerSafe);
      }
      return failed(entries, { kind: "fault", fault, detail: (error as Error).message });
    }
  }

  /** Beats, ends what dead servers left, brings the WAL home and makes room again. */
  tend(nowMs: number): OwnersFound {
    const { paths } = this.#options;
    if (paths === undefined) return nobody;
    try {
      const found = this.#tendOwners(paths, nowMs);
      this.#cleanUp();
      if (this.#fault === "full") this.#recoverFromFull(paths);
      else this.#fault = undefined;
      return found;
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      if (fault === "full") giveUpReserve(paths);
      this.#fault = fault;
      return nobody;
    }
  }

  #attempt(entries: readonly BatchEntry[], bytes: Uint8Array, isPowerSafe: boolean): BatchResult {
    const { sql, paths } = this.#options;
    const onlyReads = entries.every(({ name }) => isRead(name));
    if (paths !== undefined && !onlyReads) this.#setSynchronous(isPowerSafe ? "full" : "normal");
    // What is read alone need not wait for another server that writes.
    sql.exec(onlyReads ? "begin" : "begin immediate");
    try {
      const reader = new PieceReader(bytes);
      const pieces: Uint8Array[] = [];
      const replies = entries.map((entry) => this.#runOne(entry, reader.take(entry.sizes), pieces));
      sql.exec("commit");
      if (!onlyReads) this.#hasWritten = true;
      return { replies, pieces };
    } catch (error) {
      if (sql.db.isTransaction) sql.exec("rollback");
      throw error;
    }
  }

  /** What is wrong with the store is thrown: it concerns the whole batch. */
  #runOne(entry: BatchEntry, pieces: readonly Uint8Array[], back: Uint8Array[]): Reply {
    const { sql } = this.#options;
    const { name, input, nowMs } = entry;
    if (this.#fault === "full" && isAddition(name)) return { failure: { kind: "fault", fault: "full", detail: "" } };
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
    const moved = sql.get<{ busy: number }>("pragma wal_checkpoint(truncate)");
    // A reader of the other server was in the way: the next look tries again.
    this.#hasWritten = moved?.busy !== 0;
  }

  #recoverFromFull(paths: StorePaths): void {
    const { bavail, bsize } = statfsSync(paths.folder);
    if (bavail * bsize < 2 * reserveBytes) return;
    try {
      makeReserve(paths);
      this.#fault = undefined;
    } catch {
      // Still full: the next look tries again.
    }
  }
}

const nobody: OwnersFound = { ownerIds: [], lostTurnCount: 0, freedSessionCount: 0 };

function failed(entries: readonly BatchEntry[], failure: Failure): BatchResult {
  return { replies: entries.map(() => ({ failure })), pieces: [] };
}

function failureOf(error: unknown): Failure {
  if (error instanceof LeaseLost) return { kind: "leaseLost", message: error.message };
  if (isRunnerError(error)) {
    return { kind: "refused", reason: error.reason, message: error.message, facts: error.facts };
  }
  return { kind: "bug", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
