/**
 * What goes wrong with the store of a server while it serves. Turns that run finish from memory, nothing new is taken in
 * that could not be written down, everybody who asks is told, and it is over by itself when the cause is.
 */
import { execFileSync } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { BusyPolicy, OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionState } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnState, TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import { all, reasonOf, textOf } from "../e2e/session-clients.ts";
import { FakeClock } from "../fake-clock.ts";
import { canMount, ownMounts } from "../store/own-mounts.ts";
import { newTurn, inSession as newTurnSession, say } from "../store/samples.ts";
import { closeStore, openAt, problemsIn } from "../store/store-folder.ts";
import { until } from "../until.ts";
import {
  allUnavailable,
  begin,
  pieces,
  refusals,
  resultOf,
  type StoreServer,
  StoreServers,
  saidOf,
} from "./store-server.ts";

const program = fileURLToPath(new URL("../../bin/claude-runner.js", import.meta.url));

let scene: StoreServers;
beforeEach(async () => {
  scene = await StoreServers.open();
});
afterEach(() => scene[Symbol.asyncDispose]());

interface Fault {
  readonly words: string;
  /** Around the server's command. */
  readonly wrap?: (scene: StoreServers) => readonly string[];
  /** Begins; returns what ends it. */
  readonly befalls: (server: StoreServer, scene: StoreServers) => () => void;
  readonly isInMounts?: true;
}

const locked: Fault = {
  words: "another program keeps the store locked",
  befalls(_, { paths }) {
    const other = new DatabaseSync(paths.database);
    other.exec("begin immediate");
    return () => other.close();
  },
};

/** The system takes no more than the beginning of a file, as a disk that fails takes nothing. */
const failing: Fault = {
  words: "the disk of the store has failed",
  befalls({ pid }) {
    const limit = (bytes: string) => execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${bytes}:unlimited`]);
    limit("4096");
    return () => limit("unlimited");
  },
};

const full: Fault = {
  words: "the disk of the store is full",
  wrap({ storeFolder }) {
    mkdirSync(storeFolder);
    return [...ownMounts, "sh", "-c", 'mount -t tmpfs -o size=48m none "$1" && shift && exec "$@"', "sh", storeFolder];
  },
  befalls({ pid }, { storeFolder }) {
    // As the server sees it.
    const ballast = join(`/proc/${pid}/root`, storeFolder, "ballast");
    expect(() => writeFileSync(ballast, Buffer.alloc(64 * 1024 * 1024))).toThrow(/ENOSPC/);
    return () => rmSync(ballast);
  },
  isInMounts: true,
};

const hasLimits = existsSync("/usr/bin/prlimit");

describe.each([
  ["locked by another program", locked],
  ...(hasLimits ? [["on a disk that fails", failing] as const] : []),
  ...(canMount ? [["on a disk that is full", full] as const] : []),
] as const)("a store that is %s", (_, { words, wrap, befalls, isInMounts = false }) => {
  it("costs no turn that runs its result, refuses what is new, says so, and is over with its cause", async () => {
    const server = await scene.serve({}, wrap?.(scene));
    const { runner, sessions, turns } = server.clients;
    const prompt = pieces(150);
    const running = await Promise.all([
      begin(server, { prompt }),
      begin(server, { prompt, session: { id: "s", allowMissing: true } }),
      begin(server, { prompt, requestId: "r" }),
      begin(server, { prompt, requestId: "c", onDisconnect: OnDisconnect.CONTINUE }),
      // More events than numbers are given out at once.
      begin(server, { prompt: pieces(1_200, 1_000), requestId: "many" }),
    ]);
    const isOver = befalls(server, scene);
    expect(await refusals(server, "during")).toEqual(allUnavailable);
    expect(await saidOf(server)).toEqual({ status: 503, words: `not ready\nwarning: ${words}`, toCallers: words });
    // What is there can be read.
    const listed = (await turns.listTurns({})).turns.map(({ id }) => id);
    expect(listed).toEqual(expect.arrayContaining(running.map(({ turnId }) => turnId)));
    expect((await sessions.getSession({ id: "s" })).session?.runningTurnId).toBe(running[1]?.turnId);
    for (const { events } of running) expect(resultOf(await events).outcome).toBe(Outcome.COMPLETED);

    isOver();
    await until(async () => (await saidOf(server)).status === 200);
    for (const { turnId } of running) {
      const ended = async () => (await turns.listTurns({ state: TurnState.ENDED })).turns.map(({ id }) => id);
      await until(async () => (await ended()).includes(turnId));
    }
    // Each has the one end that its caller was given: nothing runs a second time.
    for (const [at, requestId] of [
      [2, "r"],
      [3, "c"],
    ] as const) {
      const again = await all(
        runner.streamChat({ prompt, requestId, ...(requestId === "c" && { onDisconnect: OnDisconnect.CONTINUE }) }),
      );
      expect(again[0]?.turnId).toBe(running[at]?.turnId);
      expect(resultOf(again).costUsdMicros).toBe(resultOf((await running[at]?.events) ?? []).costUsdMicros);
    }
    const next = await all(
      runner.streamChat({ prompt: "And now?", session: { id: "s" }, busyPolicy: BusyPolicy.QUEUE }),
    );
    expect(textOf(next)).toBe("You said: And now?");
    expect((await sessions.getSession({ id: "s" })).session?.turnCount).toBe(2);
    // What was refused was never there.
    expect((await turns.listTurns({})).turns).toHaveLength(6);
    expect((await sessions.listSessions({})).sessions.map(({ id }) => id)).toEqual(["s"]);
    await scene.expectNothingLeft(server, { isInMounts });
  }, 90_000);
});

describe.runIf(hasLimits)("a session whose transcript cannot be written down", () => {
  it("is suspended and says why; the caller has its result, and the next turn goes on from what is there", async () => {
    const workspace = join(scene.folder, "workspace");
    mkdirSync(workspace);
    const profile = { workspace: { path: workspace }, isolation: "none", tenant: "acme" } as const;
    const server = await scene.serve({
      profiles: { default: { ...profile, tools: ["Bash"], minSpares: 1, maxWorkers: 4 } },
    });
    const { runner, sessions, turns } = server.clients;
    const ask = (prompt: string) => ({ prompt, session: { id: "s", allowMissing: true } });
    const first = await all(runner.streamChat(ask("first")));
    const second = await begin(server, ask(pieces(100)));
    const isOver = failing.befalls(server, scene);
    expect(resultOf(await second.events).outcome).toBe(Outcome.COMPLETED);
    isOver();
    const session = async () => (await sessions.getSession({ id: "s" })).session;
    await until(async () => (await session())?.state === SessionState.SUSPENDED);
    expect(await session()).toMatchObject({
      turnCount: 1,
      suspension: {
        reason: ErrorReason.STORE_UNAVAILABLE,
        message: "the session's last turn could not be written down",
      },
    });
    // What it cost and said is there all the same.
    const third = await all(runner.streamChat(ask("third")));
    expect(textOf(third)).toBe("You said: third");
    expect(await session()).toMatchObject({ state: SessionState.IDLE, turnCount: 2 });
    const { turns: listed } = await turns.listTurns({ sessionId: "s" });
    expect(listed.map(({ id, inConversation, outcome }) => [id, inConversation, outcome])).toEqual([
      [first[0]?.turnId, true, Outcome.COMPLETED],
      [second.turnId, false, Outcome.COMPLETED],
      [third[0]?.turnId, true, Outcome.COMPLETED],
    ]);
    await scene.expectNothingLeft(server);
  });
});

describe("a store with a page that is damaged while its server runs", () => {
  it("costs no turn its result, takes nothing new, is refused at the next start, and comes back from a backup", async () => {
    const server = await scene.serve();
    const { runner, sessions, turns } = server.clients;
    const ask = (prompt: string) => ({ prompt, session: { id: "s", allowMissing: true } });
    await all(runner.streamChat(ask("before the backup")));
    const backup = join(scene.folder, "backup");
    execFileSync(process.execPath, [program, "store", "backup", "--folder", scene.storeFolder, "--to", backup]);
    await all(runner.streamChat(ask("after the backup")));
    const running = await begin(server, ask(pieces(100)));
    damage(scene, "parts");
    const words = "the store is damaged; `claude-runner store check` says where";
    expect(await reasonOf(turns.listTurns({ sessionId: "s", view: TurnView.FULL }))).toBe("STORE_UNAVAILABLE");
    expect(await refusals(server, "damaged")).toEqual(allUnavailable);
    expect(await saidOf(server)).toEqual({ status: 503, words: `not ready\nwarning: ${words}`, toCallers: words });
    // What lies in other pages can be read.
    expect((await sessions.getSession({ id: "s" })).session?.turnCount).toBe(2);
    expect(resultOf(await running.events).outcome).toBe(Outcome.COMPLETED);
    server.process.kill("SIGTERM");
    await server.exited;

    const refused = await scene.servers.launch([], scene.settings({ store: { kind: "auto" } }));
    expect(await refused.exited).toBe(1);
    expect(refused.words.join(" ")).toMatch(/store\.db is damaged .*put it back from a backup/);
    rmSync(scene.storeFolder, { recursive: true });
    cpSync(backup, scene.storeFolder, { recursive: true });
    const restored = await scene.serve();
    const next = await all(restored.clients.runner.streamChat(ask("after the restore")));
    expect(textOf(next)).toBe("You said: after the restore");
    const { turns: listed } = await restored.clients.turns.listTurns({ sessionId: "s", view: TurnView.FULL });
    expect(listed.map(({ prompt }) => prompt.map(({ text }) => text).join(""))).toEqual([
      "before the backup",
      "after the restore",
    ]);
    await scene.expectNothingLeft(restored);
  });
});

describe.runIf(canMount)("a store that cannot be written", () => {
  it("is neither opened nor replaced by memory, and nothing is changed by that", async () => {
    const one = await openAt(scene.storeFolder);
    await say(one.store, "acme", "s", "a question", "an answer");
    await closeStore(one);
    const mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
    const readOnly = [...ownMounts, "sh", "-c", mount, "sh", scene.storeFolder];
    for (const kind of ["sqlite", "auto"] as const) {
      const refused = await scene.servers.launch([], scene.settings({ store: { kind } }), readOnly);
      expect(await refused.exited).toBe(1);
      expect(refused.words.join(" ")).toMatch(/store cannot be written \(EROFS\)/);
    }
    expect(problemsIn(scene.storeFolder)).toEqual([]);
    const again = await openAt(scene.storeFolder);
    expect(await again.store.conversation("acme", "s")).toHaveLength(1);
    await closeStore(again);
  });
});

describe("a server whose event loop stands still", () => {
  it("keeps its turns and sessions, however long, and goes on as if nothing had been", async () => {
    const goOn = join(scene.folder, "go-on");
    const server = await scene.serve({}, [
      "env",
      `NODE_OPTIONS=--import=${new URL("block-on-signal.ts", import.meta.url)}`,
      `FAULT_BLOCKS_UNTIL=${goOn}`,
    ]);
    const { runner, sessions, turns } = server.clients;
    const prompt = pieces(200);
    const inSession = await begin(server, { prompt, session: { id: "s", allowMissing: true } });
    const goesOn = await begin(server, { prompt, requestId: "c", onDisconnect: OnDisconnect.CONTINUE });
    process.kill(server.pid, "SIGUSR2");
    await until(() => existsSync(`${goOn}.blocked`));
    // Nothing answers, and no heartbeat is written.
    await expect(
      fetch(`http://127.0.0.1:${server.adminPort}/readyz`, { signal: AbortSignal.timeout(500) }),
    ).rejects.toThrow();
    const clock = new FakeClock({ wallStartMs: Date.now() });
    const beside = await openAt(scene.storeFolder, { clock });
    await clock.advance(3_600_000);
    // It holds its lock: nobody ends its turns or takes its session, not after an hour.
    expect(await beside.store.turn("acme", inSession.turnId)).toMatchObject({ state: "running" });
    expect(await beside.store.turn("acme", goesOn.turnId)).toMatchObject({ state: "running" });
    const other = newTurn("acme", { session: newTurnSession("s") });
    expect(await beside.store.acceptTurn(other)).toEqual({ kind: "sessionBusy", runningTurnId: inSession.turnId });
    await closeStore(beside);

    writeFileSync(goOn, "");
    for (const { events } of [inSession, goesOn]) expect(resultOf(await events).outcome).toBe(Outcome.COMPLETED);
    const again = await all(runner.streamChat({ prompt, requestId: "c", onDisconnect: OnDisconnect.CONTINUE }));
    expect([again[0]?.turnId, again.length]).toEqual([goesOn.turnId, (await goesOn.events).length]);
    const next = await all(runner.streamChat({ prompt: "And now?", session: { id: "s" } }));
    expect(textOf(next)).toBe("You said: And now?");
    expect((await sessions.getSession({ id: "s" })).session?.turnCount).toBe(2);
    expect((await turns.listTurns({})).turns.map(({ outcome }) => outcome)).toEqual([
      Outcome.COMPLETED,
      Outcome.COMPLETED,
      Outcome.COMPLETED,
    ]);
    expect(await saidOf(server)).toEqual({ status: 200, words: "ready", toCallers: "" });
    await scene.expectNothingLeft(server);
  });
});

/** Makes the first page of a table unreadable, under a server that has the store open. */
function damage({ paths }: StoreServers, table: string): void {
  const db = new DatabaseSync(paths.database, { timeout: 5_000 });
  const value = (text: string) => Object.values(db.prepare(text).get() ?? {})[0] as number;
  // What is in the WAL would be read from there.
  expect(value("pragma wal_checkpoint(truncate)")).toBe(0);
  const pageBytes = value("pragma page_size");
  const page = value(`select rootpage from sqlite_schema where name = '${table}'`);
  const file = openSync(paths.database, "r+");
  writeSync(file, Buffer.alloc(pageBytes, 0xa5), 0, pageBytes, pageBytes * (page - 1));
  closeSync(file);
  // Now the server's own copy of the page counts no more.
  db.exec("insert into meta(key, value) values('test', 'written')");
  db.close();
}
