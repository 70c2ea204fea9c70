/**
 * The thread that has a store's only connection. A disk that stalls stops this thread, and not the one that serves.
 */
import { DatabaseSync } from "node:sqlite";
import { serveThread } from "../../threads/thread.ts";
import type { FromStore, SetUp, ToStore } from "./batch.ts";
import { BatchRunner } from "./batch-runner.ts";
import type { Context } from "./handler.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { type OpenedFile, openFile } from "./open-file.ts";
import { joined } from "./parcel.ts";
import { Sql } from "./sql.ts";
import { faultOf, faultText, storeUnavailable } from "./sqlite-faults.ts";
import { storePaths } from "./store-files.ts";

class StoreThread {
  readonly #setUp: SetUp;
  #runner: BatchRunner | undefined;
  #file: OpenedFile | undefined;
  #sql: Sql | undefined;

  constructor(setUp: SetUp) {
    this.#setUp = setUp;
  }

  work(message: ToStore): { readonly output: FromStore; readonly transfer: readonly ArrayBuffer[] } {
    switch (message.kind) {
      case "open":
        return { output: this.#open(message.nowMs), transfer: [] };
      case "batch": {
        const runner = this.#opened();
        const { replies, pieces } = runner.run(message.entries, message.bytes, message.isPowerSafe);
        const bytes = joined(pieces);
        return { output: { kind: "batch", replies, bytes, condition: runner.condition() }, transfer: [bytes.buffer] };
      }
      case "tend": {
        const runner = this.#opened();
        const recovered = runner.tend(message.nowMs);
        return { output: { kind: "tended", recovered, condition: runner.condition() }, transfer: [] };
      }
      case "close":
        this.#close(message.nowMs);
        return { output: { kind: "closed" }, transfer: [] };
      default:
        return message satisfies never;
    }
  }

  #open(nowMs: number): FromStore {
    const { ownerId, limits, file } = this.#setUp;
    const paths = file && storePaths(file.folder);
    if (file !== undefined && paths !== undefined) {
      const contextOf = (sql: Sql) => this.#context(sql, nowMs);
      this.#file = inWords(() => openFile({ paths, machine: file.machine, migrations, contextOf }));
    }
    const sql = this.#file?.sql ?? inMemory();
    this.#sql = sql;
    this.#runner = new BatchRunner({ sql, limits, ownerId, paths });
    return {
      kind: "opened",
      recovered: this.#file?.recovered ?? { ownerIds: [], lostTurnCount: 0, freedSessionCount: 0 },
      notes: this.#file?.notes ?? [],
      condition: this.#runner.condition(),
    };
  }

  #close(nowMs: number): void {
    const sql = this.#sql;
    if (sql === undefined) return;
    this.#sql = undefined;
    const file = this.#file;
    if (file === undefined) sql.db.close();
    else inWords(() => file.close(this.#context(sql, nowMs)));
  }

  #opened(): BatchRunner {
    if (this.#runner === undefined) throw new Error("bug: the store is not open");
    return this.#runner;
  }

  #context(sql: Sql, nowMs: number): Context {
    const { ownerId, limits } = this.#setUp;
    return { sql, limits, ownerId, nowMs, pieces: [], sendBack: () => undefined };
  }
}

function inMemory(): Sql {
  const sql = new Sql(new DatabaseSync(":memory:", { enableForeignKeyConstraints: true }));
  migrate(sql, { migrations, folder: undefined, readers: () => [] });
  return sql;
}

/** What SQLite and the system refuse, in words for the person who starts or stops a server. */
function inWords<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const fault = faultOf(error);
    if (fault !== undefined) throw storeUnavailable(`${faultText(fault)}: ${(error as Error).message}`, error);
    const { code, syscall, path } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    throw storeUnavailable(`the store cannot be opened: ${path ?? syscall} (${code})`, error);
  }
}

serveThread<SetUp, ToStore, FromStore>((setUp) => {
  const thread = new StoreThread(setUp);
  return (message) => thread.work(message);
});
