import { existsSync, openSync, readdirSync, statSync, writeFileSync, writeSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { backUpStore } from "../../src/store/sqlite/store-backup.ts";
import { checkStore } from "../../src/store/sqlite/store-check.ts";
import { readSideFile, type SideFile, storePaths, writeSideFile } from "../../src/store/sqlite/store-files.ts";
import { visitStore } from "../../src/store/sqlite/store-visit.ts";
import { accept, answered, inSession, newTurn, say } from "./samples.ts";
import { closeStore, newFolder, openAt, problemsIn } from "./store-folder.ts";

describe("a backup", () => {
  it("is made beside a server, and is a store that can be opened, without what ran then", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    await say(one.store, "acme", "s", "a question", "an answer");
    const lease = await accept(one.store, newTurn("acme", { session: inSession("s") }));
    const copy = newFolder();
    expect(backUp(folder, copy)).toMatchObject({ lostTurnCount: 1, freedSessionCount: 1 });
    const { database, sideFile, wal } = storePaths(copy);
    expect([database, sideFile].map((file) => statSync(file).mode & 0o777)).toEqual([0o600, 0o600]);
    expect(existsSync(wal)).toBe(false);
    expect(problemsIn(copy)).toEqual([]);
    // Nobody's backup is written over.
    expect(() => backUp(folder, copy)).toThrow(/there is a store in .* already/);
    // Whoever it was copied from goes on, and the copy knows nothing of it.
    await one.store.endTurn(lease, answered("another answer"));
    const { store, recovered } = await openAt(copy);
    expect(recovered.ownerIds).toEqual([]);
    expect(await store.conversation("acme", "s")).toHaveLength(1);
    expect(await store.turn("acme", lease.turnId)).toMatchObject({ outcome: "lost", error: { reason: "TURN_LOST" } });
    expect(await store.acceptTurn(newTurn("acme", { session: inSession("s") }))).toMatchObject({ kind: "accepted" });
    expect(await one.store.conversation("acme", "s")).toHaveLength(2);
    // Space comes back in the copy as it does in a store that began by itself.
    expect(pragma(database, "auto_vacuum")).toBe(2);
  });

  it("of a damaged store is none, and leaves nothing", async () => {
    const folder = newFolder();
    await closeStore(await openAt(folder));
    damageTable(folder, "parts");
    const copy = newFolder();
    expect(() => backUp(folder, copy)).toThrow(expect.objectContaining({ reason: "STORE_UNAVAILABLE" }));
    expect(readdirSync(copy)).toEqual([]);
  });
});

describe("a store with a damaged page", () => {
  it("is checked to the end: what can be read is, and what cannot is named", async () => {
    const folder = newFolder();
    await closeStore(await openAt(folder));
    damageTable(folder, "sessions");
    const visit = visitStore(folder);
    const problems = checkStore(visit.sql);
    visit.close();
    expect(problems).toContainEqual(expect.stringMatching(/^the pages of the file are whole: /));
    expect(problems).toContainEqual(expect.stringMatching(/^a session counts .*: cannot be checked \(.*malformed\)$/));
    expect(problems).not.toContainEqual(expect.stringMatching(/^a turn has an end exactly when/));
  });

  it("is refused for that each time, and not for what the refusal before has left", async () => {
    const folder = newFolder();
    await closeStore(await openAt(folder));
    damageTable(folder, "owners");
    for (let time = 0; time < 2; time += 1) {
      expect(() => visitStore(folder)).toThrow(/malformed/);
      await expect(openAt(folder)).rejects.toThrow(/damaged/);
    }
  });
});

describe("a store of another machine that was not closed", () => {
  it("is refused for that each time, and not for what the refusal before has taken away", async () => {
    const folder = newFolder();
    await closeStore(await openAt(folder));
    const paths = storePaths(folder);
    const db = new DatabaseSync(paths.database);
    db.exec(
      "insert into owners(id, machine_id, boot_id, host, pid, started_at, heartbeat_at) values('x', 'm1', 'b1', 'one', 1, 1, 1)",
    );
    db.close();
    // As one leaves it that was killed.
    writeSideFile(paths, { ...(readSideFile(paths) as SideFile), state: "open" });
    writeFileSync(paths.wal, "");
    for (let time = 0; time < 2; time += 1) {
      await expect(openAt(folder, { machine: { machineId: "m2", bootId: "b2", host: "two" } })).rejects.toThrow(
        /on another machine/,
      );
    }
  });
});

function backUp(folder: string, copy: string) {
  const visit = visitStore(folder);
  try {
    return backUpStore(visit, copy, 0);
  } finally {
    visit.close();
  }
}

function pragma(file: string, name: string): unknown {
  const db = new DatabaseSync(file);
  try {
    return Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0];
  } finally {
    db.close();
  }
}

/** Makes the first page of a table unreadable, in a store that nobody has open. */
function damageTable(folder: string, table: string): void {
  const { database } = storePaths(folder);
  const pageBytes = pragma(database, "page_size") as number;
  const db = new DatabaseSync(database);
  const { rootpage } = db.prepare("select rootpage from sqlite_schema where name = ?").get(table) as {
    rootpage: number;
  };
  db.close();
  const file = openSync(database, "r+");
  writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, pageBytes * (rootpage - 1));
}
