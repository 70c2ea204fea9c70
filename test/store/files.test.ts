import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import type { Machine } from "../../src/store/sqlite/machine.ts";
import { exportRecords } from "../../src/store/sqlite/store-export.ts";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import { adoptStore, compactStore } from "../../src/store/sqlite/store-upkeep.ts";
import { visitStore } from "../../src/store/sqlite/store-visit.ts";
import { placeProblem } from "../../src/store/store-place.ts";
import { FakeClock } from "../fake-clock.ts";
import { accept, bytesOf, ending, inSession, newTurn, say, text } from "./samples.ts";
import { closeStore, filesWith, newFolder, openAt, problemsIn } from "./store-folder.ts";

/** A store with a session that was closed: copies of one. */
let template: string | undefined;
async function closedStore(): Promise<string> {
  template ??= await makeTemplate();
  const folder = newFolder();
  cpSync(template, folder, { recursive: true });
  return folder;
}

async function makeTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "store-template-"));
  const one = await openAt(folder);
  await say(one.store, "acme", "s", "a question", "an answer");
  await closeStore(one);
  return folder;
}
afterAll(() => {
  if (template !== undefined) rmSync(template, { recursive: true });
});

const refusal = (words: RegExp) =>
  expect.objectContaining({ reason: "STORE_UNAVAILABLE", message: expect.stringMatching(words) });
const here: Machine = { machineId: "m1", bootId: "b1", host: "one" };

describe("the files of a store", () => {
  it("are for their owner's eyes only", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    await accept(one.store, newTurn("acme"));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const paths = storePaths(folder);
    for (const file of [paths.database, paths.wal, paths.sideFile, paths.reserve, paths.openingLock]) {
      expect([file, statSync(file).mode & 0o777]).toEqual([file, 0o600]);
    }
    expect(statSync(paths.ownerLock(one.store.ownerId)).mode & 0o777).toBe(0o600);
  });

  it("keep everything over a restart, and are one file when nobody has them open", async () => {
    const folder = await closedStore();
    const paths = storePaths(folder);
    expect(existsSync(paths.wal)).toBe(false);
    expect(JSON.parse(readFileSync(paths.sideFile, "utf8"))).toMatchObject({ state: "closed", generation: 1 });
    const { store, recovered } = await openAt(folder);
    expect(recovered).toEqual({ ownerIds: [], lostTurnCount: 0, freedSessionCount: 0 });
    expect(await store.session("acme", "s")).toMatchObject({ turnCount: 1 });
    expect(await store.conversation("acme", "s")).toHaveLength(1);
    expect(JSON.parse(readFileSync(paths.sideFile, "utf8"))).toMatchObject({ state: "open", generation: 2 });
  });

  it("may be moved and copied while they are closed", async () => {
    const folder = await closedStore();
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    const { store } = await openAt(copy);
    expect(await store.session("acme", "s")).toMatchObject({ turnCount: 1 });
  });

  it("end what is open in them when their server ends", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const lease = await accept(one.store, newTurn("acme", { session: inSession("s"), highestSequence: 64 }));
    await one.store.startTurn(lease);
    await closeStore(one);
    const { store } = await openAt(folder);
    expect(await store.turn("acme", lease.turnId)).toMatchObject({
      state: "ended",
      outcome: "lost",
      error: { reason: "TURN_LOST" },
      highestSequence: 65,
    });
    expect(await store.session("acme", "s")).toMatchObject({ runningTurnId: undefined });
  });

  it("bind a request id to a turn that may have run, and free that of one that waited for its session", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const request = (id: string) => ({ id, digest: bytesOf("d".repeat(32)) });
    const first = await accept(one.store, newTurn("acme", { session: inSession("s"), request: request("first") }));
    const later = inSession("s", { take: "later" });
    const second = await accept(one.store, newTurn("acme", { session: later, request: request("second") }));
    await closeStore(one);
    const { store } = await openAt(folder);
    expect(await store.turnByRequestId("acme", "first")).toMatchObject({ id: first.turnId, outcome: "lost" });
    expect(await store.turnByRequestId("acme", "second")).toBeUndefined();
    expect(await store.turn("acme", second.turnId)).toMatchObject({
      outcome: undefined,
      error: { reason: "TURN_LOST" },
    });
  });

  it.each([
    ["the database is missing", ({ database }) => rmSync(database), /store\.db is missing/],
    ["the database is empty", ({ database }) => truncateSync(database), /store\.db is empty/],
    ["the side file is missing", ({ sideFile }) => rmSync(sideFile), /store\.json, .* is missing/],
    ["the side file is damaged", ({ sideFile }) => truncateSync(sideFile, 10), /store\.json, .* is damaged/],
    [
      "the database is another store's",
      ({ sideFile }) => replaceIn(sideFile, /"storeId":"[^"]*"/, '"storeId":"other"'),
      /is of another store/,
    ],
    [
      "the database is older than it was",
      ({ sideFile }) => replaceIn(sideFile, /"generation":1/, '"generation":2'),
      /is older than it was/,
    ],
    [
      "the database is something else",
      ({ database }) => inDatabase(database, "pragma application_id = 1"),
      /is no store of claude-runner/,
    ],
    [
      "the database is of a newer version",
      ({ database }) =>
        inDatabase(database, "pragma user_version = 99; update meta set value = '98' where key = 'oldest_reader'"),
      /of a newer version \(99; this server reads up to \d+\)/,
    ],
    [
      "a WAL of another store lies beside the database",
      ({ wal }) => writeFileSync(wal, Buffer.alloc(8_192, 1)),
      /store\.db-wal does not belong to .*store\.db, which was closed/,
    ],
    ["a page is damaged", ({ database }) => damage(database), /damaged/],
  ] as [string, (paths: ReturnType<typeof storePaths>) => void, RegExp][])(
    "are refused with words, and not replaced by memory, when %s",
    async (_, harm, words) => {
      const folder = await closedStore();
      harm(storePaths(folder));
      await expect(openAt(folder, { kind: "auto" })).rejects.toEqual(refusal(words));
    },
  );

  it("of a newer version are opened when this version can read them", async () => {
    const folder = await closedStore();
    inDatabase(storePaths(folder).database, "pragma user_version = 99");
    const { store } = await openAt(folder);
    expect(await store.session("acme", "s")).toBeDefined();
  });

  it("are opened although the start before was killed when it had written, and had not said so yet", async () => {
    const folder = await closedStore();
    const { database, sideFile } = storePaths(folder);
    replaceIn(sideFile, /"closed"/, '"opening"');
    const db = new DatabaseSync(database);
    db.exec("update meta set value = '2' where key = 'generation'");
    const left = newFolder();
    cpSync(folder, left, { recursive: true });
    db.close();
    expect(statSync(storePaths(left).wal).size).toBeGreaterThan(0);
    const { store } = await openAt(left);
    expect(await store.session("acme", "s")).toMatchObject({ turnCount: 1 });
    expect(JSON.parse(readFileSync(storePaths(left).sideFile, "utf8"))).toMatchObject({ state: "open", generation: 3 });
  });

  it("begin anew when a first start did not come to its end", async () => {
    const folder = newFolder();
    const paths = storePaths(folder);
    mkdirSync(folder);
    writeFileSync(paths.sideFile, JSON.stringify({ storeId: "x", state: "creating", generation: 0, inode: "" }));
    writeFileSync(paths.database, "half a head");
    const { store } = await openAt(folder);
    expect(await store.acceptTurn(newTurn("acme"))).toMatchObject({ kind: "accepted" });
  });

  it("have none of the words of a deleted session after half a minute", async () => {
    const folder = newFolder();
    const clock = new FakeClock();
    const { store } = await openAt(folder, { clock });
    const words = "the quick brown fox 4711";
    const lease = await accept(
      store,
      newTurn("acme", {
        session: inSession("s"),
        content: [text("prompt", words), text("prompt", words.repeat(2_000))],
      }),
    );
    await store.appendTranscript(lease, { cliSessionId: "c", offsetBytes: 0, data: bytesOf(words.repeat(500)) });
    await store.endTurn(lease, ending({ result: bytesOf(words) }));
    expect(filesWith(folder, words)).not.toEqual([]);
    await store.deleteSession("acme", "s");
    for (let round = 0; round < 3; round += 1) {
      await clock.advance(10_000);
      await store.turn("acme", lease.turnId);
    }
    expect(filesWith(folder, words)).toEqual([]);
  });
});

describe("a place for a store", () => {
  it("is a folder that can be written", () => {
    expect(placeProblem(newFolder())).toBeUndefined();
    expect(placeProblem("/proc/store")).toMatch(/^\/proc\/store cannot be written \(E[A-Z]+\)$/);
  });

  it("is not on a network file system", () => {
    expect(placeProblem(newFolder(), { fileSystemOf: () => 0x6969 })).toMatch(/network file system \(NFS\)/);
    // As statfs has it on some machines: with a sign.
    expect(placeProblem(newFolder(), { fileSystemOf: () => 0xff534d42 | 0 })).toMatch(/\(CIFS\)/);
  });

  it("is replaced by memory under `auto`, with a warning, and asked for under `sqlite`", async () => {
    const { store, warning } = await openAt("/proc/store", { kind: "auto" });
    expect(store.kind).toBe("memory");
    expect(warning?.summary).toMatch(/gone after a restart$/);
    expect(warning?.cause).toMatch(/^\/proc\/store cannot be written/);
    await expect(openAt("/proc/store")).rejects.toEqual(refusal(/^store\.folder: \/proc\/store cannot be written/));
    expect((await openAt(undefined, { kind: "auto" })).warning?.cause).toMatch(/no home folder/);
    await expect(openAt(undefined)).rejects.toEqual(refusal(/no home folder/));
  });
});

describe("several servers on one store", () => {
  it("are two at most", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const two = await openAt(folder);
    await expect(openAt(folder)).rejects.toEqual(refusal(/two servers have the store .* already/));
    const lease = await accept(one.store, newTurn("acme", { session: inSession("s") }));
    expect(await two.store.acceptTurn(newTurn("acme", { session: inSession("s") }))).toEqual({
      kind: "sessionBusy",
      runningTurnId: lease.turnId,
    });
    const later = await accept(two.store, newTurn("acme", { session: inSession("s", { take: "later" }) }));
    expect(await two.store.takeSession(later.turnId)).toMatchObject({ kind: "sessionBusy", isOwn: false });
    await one.store.endTurn(lease, ending());
    expect(await two.store.takeSession(later.turnId)).toMatchObject({ kind: "taken" });
    await closeStore(one);
    expect(await two.store.turn("acme", lease.turnId)).toMatchObject({ outcome: "completed" });
    expect(await two.store.turn("acme", later.turnId)).toMatchObject({ state: "waiting" });
    await openAt(folder);
    expect(problemsIn(folder)).toEqual([]);
  });

  it("leave a file that is known to be whole only when the last of them has closed", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const two = await openAt(folder);
    const state = () => JSON.parse(readFileSync(storePaths(folder).sideFile, "utf8")).state;
    await closeStore(one);
    expect(state()).toBe("open");
    await closeStore(two);
    expect(state()).toBe("closed");
  });

  it("leave it whole too when the other one was killed and nobody has looked since", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const lease = await accept(one.store, newTurn("acme"));
    const { database, sideFile } = storePaths(folder);
    const db = new DatabaseSync(database);
    db.exec(
      `insert into owners(id, machine_id, boot_id, host, pid, started_at, heartbeat_at)
       select 'dead', machine_id, boot_id, host, pid, started_at, heartbeat_at from owners;
       update turns set owner = 'dead'`,
    );
    db.close();
    await closeStore(one);
    expect(JSON.parse(readFileSync(sideFile, "utf8")).state).toBe("closed");
    const { store } = await openAt(folder);
    expect(await store.turn("acme", lease.turnId)).toMatchObject({ state: "ended", error: { reason: "TURN_LOST" } });
  });

  it("that are refused leave no lock file behind", async () => {
    const folder = newFolder();
    await openAt(folder);
    await openAt(folder);
    const before = readdirSync(folder);
    await expect(openAt(folder)).rejects.toEqual(refusal(/two servers/));
    expect(readdirSync(folder)).toEqual(before);
  });

  it("are of one machine: another's store that was not closed is refused", async () => {
    const folder = newFolder();
    await openAt(folder, { machine: here });
    const there = { machineId: "m2", bootId: "b2", host: "two" };
    await expect(openAt(folder, { machine: there })).rejects.toEqual(refusal(/on another machine \(host one, /));
    // The same machine, started anew: whoever was there is gone.
    const { recovered } = await openAt(folder, { machine: { ...here, bootId: "b3" } });
    expect(recovered.ownerIds).toHaveLength(1);
  });
});

describe("commands on a store", () => {
  it("look at one that was put back from a copy, and a server may open it meanwhile and afterwards", async () => {
    const folder = newFolder();
    await closeStore(await openAt(folder));
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    const visit = visitStore(copy);
    await openAt(copy);
    visit.close();
    await openAt(copy);
  });

  it("adopt a copy that was made while a server had it open", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    await say(one.store, "acme", "s", "a question", "an answer");
    const lease = await accept(one.store, newTurn("acme", { session: inSession("s") }));
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    await expect(openAt(copy)).rejects.toEqual(refusal(/is a copy that was made while a server had the store open/));
    expect(adoptStore(storePaths(copy), 0)).toEqual({ lostTurnCount: 1, freedSessionCount: 1 });
    const { store } = await openAt(copy);
    expect(await store.turn("acme", lease.turnId)).toMatchObject({ state: "ended", error: { reason: "TURN_LOST" } });
    expect(await store.session("acme", "s")).toMatchObject({ runningTurnId: undefined, turnCount: 1 });
    // Of the one that it was copied from nothing has changed.
    expect(await one.store.turn("acme", lease.turnId)).toMatchObject({ state: "waiting" });
    expect(() => adoptStore(storePaths(folder), 0)).toThrow(/a server has the store open/);
  });

  it("check it beside a server, and name what is not as it must be", async () => {
    const folder = await closedStore();
    expect(problemsIn(folder)).toEqual([]);
    const one = await openAt(folder);
    const visit = visitStore(folder);
    expect(visit.serverPids).toEqual([process.pid]);
    visit.close();
    await closeStore(one);
    inDatabase(storePaths(folder).database, "update sessions set turn_count = 7; update tenants set bytes = bytes + 1");
    expect(problemsIn(folder)).toEqual([
      "a session counts the turns that its conversation goes through: session s counts 7 turns, and has 1",
      "a tenant's sums are those of its rows: tenant acme",
    ]);
    // Whoever looked leaves it as a server would.
    expect(existsSync(storePaths(folder).wal)).toBe(false);
    await openAt(folder);
  });

  it("export records, and words only when they are asked for", async () => {
    const folder = await closedStore();
    const visit = visitStore(folder);
    const records = (withContent: boolean, tenant?: string) => [...exportRecords(visit.sql, { tenant, withContent })];
    expect(records(false).map(({ record }) => record)).toEqual(["session", "turn"]);
    expect(JSON.stringify(records(false))).not.toContain('answer"');
    expect(records(true).map(({ record, text: words }) => [record, words])).toEqual([
      ["session", undefined],
      ["turn", undefined],
      ["part", "a question"],
      ["part", "an answer"],
      ["result", undefined],
    ]);
    expect(records(true, "nobody")).toEqual([]);
    visit.close();
  });

  it("compact it: the whole file without a server, free pages beside one", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    await say(one.store, "acme", "s", "x".repeat(4_000_000), "y");
    await one.store.deleteSession("acme", "s");
    const beside = visitStore(folder);
    const partly = compactStore(beside, () => undefined);
    expect(partly.how).toBe("freePages");
    expect(partly.afterBytes).toBeLessThan(500_000);
    beside.close();
    await closeStore(one);
    const alone = visitStore(folder);
    expect(compactStore(alone, () => undefined)).toMatchObject({ how: "whole" });
    alone.close();
    expect(problemsIn(folder)).toEqual([]);
  });
});

function replaceIn(file: string, pattern: RegExp, by: string): void {
  const before = readFileSync(file, "utf8");
  const after = before.replace(pattern, by);
  if (after === before) throw new Error(`${file} has nothing like ${pattern}: ${before}`);
  writeFileSync(file, after);
}

function inDatabase(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

/** Overwrites a page in the middle of the file. */
function damage(file: string): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(4_096, 0xa5), 0, 4_096, 4_096 * 3);
}
