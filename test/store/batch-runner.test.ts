import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BatchEntry } from "../../src/store/sqlite/batch.ts";
import { BatchRunner } from "../../src/store/sqlite/batch-runner.ts";
import { takeLock } from "../../src/store/sqlite/lock-file.ts";
import { migrate } from "../../src/store/sqlite/migrate.ts";
import { migrations } from "../../src/store/sqlite/migrations.ts";
import { Sql } from "../../src/store/sqlite/sql.ts";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import { newTurn } from "./samples.ts";

let folder: string;
let sql: Sql;
let runner: BatchRunner;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "store-")), "store");
  mkdirSync(folder);
  const paths = storePaths(folder);
  // Nobody waits for a lock here.
  sql = new Sql(new DatabaseSync(paths.database, { timeout: 0 }));
  sql.exec("pragma journal_mode = wal");
  migrate(sql, { migrations, folder, readers: () => [] });
  runner = new BatchRunner({ sql, limits: defaultStoreLimits, ownerId: "me", paths });
});
afterEach(() => {
  sql.db.close();
  rmSync(join(folder, ".."), { recursive: true });
});

const entry = (name: BatchEntry["name"], input: unknown): BatchEntry => ({ name, input, nowMs: 1, sizes: [] });
const submit = (turn = newTurn("acme")) => entry("acceptTurn", { ...turn, requestId: undefined, parts: [], weight: 1 });
const run = (entries: readonly BatchEntry[], isPowerSafe = false) =>
  runner.run(entries, new Uint8Array(), isPowerSafe).replies;
const turnCount = () => sql.get<{ count: number }>("select count(*) as count from turns")?.count;
/** The lock that another server holds while it lives. */
function lockOf(ownerId: string): Disposable {
  const lock = takeLock(storePaths(folder).ownerLock(ownerId), 0);
  if (lock === undefined) throw new Error("somebody has it");
  return { [Symbol.dispose]: () => lock.release() };
}

/** Makes the first page of a table unreadable. */
function damage(table: string): void {
  sql.exec("pragma wal_checkpoint(truncate)");
  const { rootpage = 0 } =
    sql.get<{ rootpage: number }>("select rootpage from sqlite_schema where name = ?1", table) ?? {};
  const file = openSync(storePaths(folder).database, "r+");
  writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, 4_096 * (rootpage - 1));
  closeSync(file);
  // What is in memory counts no more when another program has written.
  const other = new DatabaseSync(storePaths(folder).database);
  other.exec("insert into meta(key, value) values('test', 'written')");
  other.close();
}

const patienceMs = () => sql.get<{ timeout: number }>("pragma busy_timeout")?.timeout;
const synchronous = () => sql.get<{ synchronous: number }>("pragma synchronous")?.synchronous;

describe("a batch of operations", () => {
  it("waits for the disk exactly when one of them must survive the end of the machine", () => {
    run([submit()], true);
    expect(synchronous()).toBe(2);
    run([submit()]);
    expect(synchronous()).toBe(1);
    run([entry("turn", { tenant: "acme", turnId: "x" })], true);
    run([submit()], true);
    expect(synchronous()).toBe(2);
  });

  it("does without the one that fails, and without all that the one had done", () => {
    const lost = entry("endTurn", { turnId: "nobody", epoch: 1 });
    const bug = entry("acceptTurn", { ...newTurn("acme"), requestId: undefined, parts: [], weight: 1, model: null });
    const replies = run([submit(), lost, bug, submit()]);
    expect(replies.map((reply) => ("failure" in reply ? reply.failure.kind : reply.output))).toMatchObject([
      { kind: "accepted" },
      "leaseLost",
      "bug",
      { kind: "accepted" },
    ]);
    expect(turnCount()).toBe(2);
  });

  it("writes nothing while another program has the file, says so, and goes on when it is free", () => {
    const other = new DatabaseSync(storePaths(folder).database);
    other.exec("begin immediate");
    expect(run([submit(), submit()])).toMatchObject([{ failure: { fault: "busy" } }, { failure: { fault: "busy" } }]);
    expect(runner.condition().fault).toBe("busy");
    // Once is enough: nobody waits as long again, those who read least of all.
    expect(patienceMs()).toBe(250);
    // Reading goes on.
    expect(run([entry("turn", { tenant: "acme", turnId: "x" })])).toEqual([{ output: undefined, sizes: [] }]);
    other.exec("rollback");
    other.close();
    expect(run([submit()])).toMatchObject([{ output: { kind: "accepted" } }]);
    expect(runner.condition().fault).toBeUndefined();
    expect(patienceMs()).toBe(5_000);
    expect(turnCount()).toBe(1);
  });

  it("waits only for a moment for readers when the WAL is brought home, and tries again", () => {
    const waits: unknown[] = [];
    const get = sql.get.bind(sql) as typeof sql.get;
    sql.get = (text, ...values) => {
      if (text.includes("wal_checkpoint")) waits.push(get<{ timeout: number }>("pragma busy_timeout")?.timeout);
      return get(text, ...values);
    };
    run([submit()]);
    const reader = new DatabaseSync(storePaths(folder).database);
    reader.exec("begin");
    reader.prepare("select * from turns").all();
    run([submit()]);
    runner.tend(70_000);
    expect([waits, patienceMs()]).toEqual([[50], 5_000]);
    expect(statSync(storePaths(folder).wal).size).toBeGreaterThan(0);
    reader.close();
    runner.tend(70_001);
    expect(statSync(storePaths(folder).wal).size).toBe(0);
    expect(runner.condition().fault).toBeUndefined();
  });

  it("writes nothing into a file that takes no writing", () => {
    sql.exec("pragma query_only = 1");
    expect(run([submit()])).toMatchObject([{ failure: { fault: "readOnly" } }]);
    expect(runner.condition().fault).toBe("readOnly");
  });

  it("does not ask for the lock of writers when it only reads", () => {
    const other = new DatabaseSync(storePaths(folder).database);
    other.exec("begin immediate");
    expect(run([entry("sessions", { tenant: "acme", profiles: undefined, limit: 1 })])).toEqual([
      { output: [], sizes: [] },
    ]);
    other.close();
  });

  it("reads what it can when what it has to write fails", () => {
    run([submit()]);
    const other = new DatabaseSync(storePaths(folder).database);
    other.exec("begin immediate");
    const list = entry("sessions", { tenant: "acme", profiles: undefined, limit: 1 });
    expect(run([list, submit(), entry("census", undefined)])).toMatchObject([
      { output: [] },
      { failure: { fault: "busy" } },
      { output: { sessionCount: 0 } },
    ]);
    other.close();
  });

  it("that meets a damaged page spares what needs another one, and nothing new is taken from then on", () => {
    const turn = newTurn("acme");
    run([submit(turn)]);
    damage("events");
    const list = entry("events", { turnId: turn.id, afterSequence: 0, maxBytes: 1 });
    const known = entry("turn", { tenant: "acme", turnId: turn.id });
    expect(run([list, known])).toMatchObject([{ failure: { fault: "corrupt" } }, { output: { id: turn.id } }]);
    const end = { turnId: turn.id, epoch: 1, outcome: "completed", usage: {}, costUsdMicros: 0, costIsEstimate: false };
    expect(run([entry("endTurn", { ...end, lastSequence: 3 }), submit()])).toMatchObject([
      { output: undefined },
      { failure: { fault: "corrupt" } },
    ]);
    // Neither what goes well nor a look at it makes the file whole.
    runner.tend(2);
    expect(runner.condition().fault).toBe("corrupt");
    expect(run([submit()])).toMatchObject([{ failure: { fault: "corrupt" } }]);
  });

  it("brings nothing new while the files are not where they were, and says so", () => {
    const { database } = storePaths(folder);
    run([submit()]);
    renameSync(database, `${database}.moved`);
    runner.tend(2);
    expect(run([submit()])).toMatchObject([{ failure: { fault: "missing" } }]);
    writeFileSync(database, "another file");
    runner.tend(3);
    expect(runner.condition().fault).toBe("missing");
    renameSync(`${database}.moved`, database);
    runner.tend(4);
    expect(run([submit()])).toMatchObject([{ output: { kind: "accepted" } }]);
    expect(turnCount()).toBe(2);
  });

  it("takes no other server for dead, and ends no thread, while the whole folder is somewhere else", () => {
    run([submit()]);
    sql.run(
      `insert into owners(id, machine_id, boot_id, host, pid, started_at, heartbeat_at)
       values('other', 'm', 'b', 'h', 1, 1, 1)`,
    );
    using _other = lockOf("other");
    renameSync(folder, `${folder}.moved`);
    expect(runner.tend(2).ownerIds).toEqual([]);
    expect(run([submit()])).toMatchObject([{ failure: { fault: "missing" } }]);
    renameSync(`${folder}.moved`, folder);
    expect(runner.tend(3).ownerIds).toEqual([]);
    expect(run([submit()])).toMatchObject([{ output: { kind: "accepted" } }]);
  });

  it("that meets a full disk gives up the reserve, and then refuses only what is new", () => {
    const turn = newTurn("acme");
    run([submit(turn)]);
    // As many pages as there are, and the few more that the reserve stands for.
    const pages = sql.get<{ page_count: number }>("pragma page_count")?.page_count ?? 0;
    sql.exec(`pragma max_page_count = ${pages + 1}`);
    let refused = false;
    for (let at = 0; at < 200 && !refused; at += 1) refused = "failure" in (run([submit()])[0] ?? {});
    expect(refused).toBe(true);
    expect(runner.condition().fault).toBe("full");
    const ending = {
      turnId: turn.id,
      epoch: 1,
      outcome: undefined,
      usage: {},
      costUsdMicros: 0,
      costIsEstimate: false,
      lastSequence: 0,
    };
    sql.exec(`pragma max_page_count = ${pages + 100}`);
    expect(run([entry("endTurn", ending), submit()])).toMatchObject([
      { output: undefined },
      { failure: { kind: "fault", fault: "full" } },
    ]);
    // There is room here: the next look makes a reserve again, and what is new is welcome.
    runner.tend(2);
    expect(runner.condition().fault).toBeUndefined();
    expect(run([submit()])).toMatchObject([{ output: { kind: "accepted" } }]);
  });

  it("that finds no reserve makes one, whatever became of the last", () => {
    const { reserve } = storePaths(folder);
    runner.tend(1);
    expect(existsSync(reserve)).toBe(true);
  });
});
