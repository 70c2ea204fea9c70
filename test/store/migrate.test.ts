import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { migrate } from "../../src/store/sqlite/migrate.ts";
import { Sql } from "../../src/store/sqlite/sql.ts";
import { newFolder } from "./store-folder.ts";

const nobody = () => [];

describe("a migration", () => {
  const first = {
    version: 1,
    oldestReader: 1,
    sql: "create table meta(key text primary key, value text); create table a(x)",
  };
  const compatible = { version: 2, oldestReader: 1, sql: "alter table a add column y" };
  const breaking = { version: 3, oldestReader: 3, sql: "alter table a rename to b" };

  const databaseIn = (folder: string) => {
    mkdirSync(folder, { recursive: true });
    return new Sql(new DatabaseSync(join(folder, "store.db")));
  };

  it("is made once, in order, and needs no copy while older versions can read the result", () => {
    const folder = newFolder();
    const sql = databaseIn(folder);
    expect(migrate(sql, { migrations: [first], folder, readers: nobody })).toEqual([]);
    expect(migrate(sql, { migrations: [first, compatible], folder, readers: nobody })).toEqual([]);
    expect(migrate(sql, { migrations: [first, compatible], folder, readers: nobody })).toEqual([]);
    sql.run("insert into a(x, y) values(1, 2)");
    expect(migrate(sql, { migrations: [first], folder, readers: nobody })).toEqual([]);
    sql.db.close();
  });

  it("that older versions cannot read leaves a copy, and says how to go back", () => {
    const folder = newFolder();
    const sql = databaseIn(folder);
    migrate(sql, { migrations: [first], folder, readers: nobody });
    sql.run("insert into a(x) values(7)");
    const [note] = migrate(sql, { migrations: [first, compatible, breaking], folder, readers: nobody });
    expect(note).toMatch(/from version 1 to 3; to go back .*store-v1\.db/);
    sql.db.close();
    const copy = new Sql(new DatabaseSync(join(folder, "store-v1.db")));
    expect(statSync(join(folder, "store-v1.db")).mode & 0o777).toBe(0o600);
    expect(copy.all("select x from a")).toEqual([{ x: 7 }]);
    copy.db.close();
  });

  it("that older versions cannot read is refused while one of them has the store open", () => {
    const folder = newFolder();
    const sql = databaseIn(folder);
    migrate(sql, { migrations: [first], folder, readers: nobody });
    const readers = () => [4711];
    const all = [first, compatible, breaking];
    expect(() => migrate(sql, { migrations: all, folder, readers })).toThrow(/\(process 4711\) .* stop that one first/);
    // What the old one can read, it may have.
    expect(migrate(sql, { migrations: [first, compatible], folder, readers })).toEqual([]);
    sql.db.close();
  });

  it("that fails changes nothing", () => {
    const folder = newFolder();
    const sql = databaseIn(folder);
    migrate(sql, { migrations: [first], folder, readers: nobody });
    const broken = { version: 2, oldestReader: 1, sql: "alter table a add column y; no sql" };
    expect(() => migrate(sql, { migrations: [first, broken], folder, readers: nobody })).toThrow(/syntax error/);
    expect(() => sql.all("select y from a")).toThrow(/no such column/);
    sql.db.close();
  });
});
