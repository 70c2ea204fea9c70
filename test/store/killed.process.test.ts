import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import type { Store } from "../../src/store/store.ts";
import { FakeClock } from "../fake-clock.ts";
import { canMount, ownMounts } from "./own-mounts.ts";
import { inSession, newTurn, sequencesIn } from "./samples.ts";
import { closeStore, newFolder, openAt, problemsIn } from "./store-folder.ts";

type Line = Readonly<Record<string, unknown>>;

const program = fileURLToPath(new URL("./writing-server.ts", import.meta.url));
const children: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** A process that writes; `lines` has what the store has acknowledged to it. */
function writer(folder: string, what: string, more: readonly string[] = [], around: readonly string[] = []) {
  const [command, ...rest] = [...around, process.execPath, program, folder, what, ...more];
  const child = spawn(command as string, rest, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const lines: Line[] = [];
  const listeners = new Set<() => void>();
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    lines.push(JSON.parse(line) as Line);
    for (const listener of listeners) listener();
  });
  const until = (isThere: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!isThere()) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      child.once("exit", () => reject(new Error(`the writer ended: ${JSON.stringify(lines.at(-1))}`)));
      look();
    });
  const valuesOf = (key: string) => lines.flatMap((line) => (key in line ? [line[key] as string] : []));
  return { child, lines, until, valuesOf };
}

/** Reproducible: the seed of a run is in its name. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

const seed = Number(process.env.STORE_SEED ?? 4711);
const kills = Number(process.env.STORE_KILLS ?? 6);

describe("a store whose server was killed", () => {
  it(`has lost nothing of what it acknowledged, and ends what was open: ${kills} kills, seed ${seed}`, async () => {
    const folder = newFolder();
    const next = random(seed);
    for (let round = 0; round < kills; round += 1) {
      const { child, lines, until, valuesOf } = writer(folder, "turns");
      const count = 5 + Math.floor(next() * 200);
      await until(() => lines.length >= count);
      await kill(child);
      const one = await openAt(folder);
      await expectWhole(one.store, valuesOf, lines);
      expect(one.recovered.ownerIds).toEqual([valuesOf("opened")[0]]);
      // No session is stuck.
      for (const lane of [0, 2, 4, 6]) {
        const turn = newTurn("acme", { session: inSession(`lane-${lane}`) });
        expect(await one.store.acceptTurn(turn)).toMatchObject({ kind: "accepted" });
      }
      await closeStore(one);
      expect(problemsIn(folder)).toEqual([]);
    }
  });

  it("is refused when its WAL was deleted: what was written last would be gone without a word", async () => {
    const folder = newFolder();
    const { child, lines, until } = writer(folder, "turns");
    await until(() => lines.length > 20);
    await kill(child);
    rmSync(storePaths(folder).wal);
    await expect(openAt(folder, { kind: "auto" })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
      message: expect.stringContaining("store.db-wal is missing"),
    });
  });

  it("keeps what it has while it only stands still, however long, and loses it with its life", async () => {
    const folder = newFolder();
    const { child, until, valuesOf } = writer(folder, "hold");
    await until(() => valuesOf("accepted").length > 0);
    const [turnId] = valuesOf("accepted") as [string];
    child.kill("SIGSTOP");
    const clock = new FakeClock();
    const { store } = await openAt(folder, { clock });
    await clock.advance(3_600_000);
    // It holds its lock, so nobody takes its session: it would write when it wakes.
    expect(await store.turn("acme", turnId)).toMatchObject({ state: "running" });
    const other = newTurn("acme", { session: inSession("held") });
    expect(await store.acceptTurn(other)).toEqual({ kind: "sessionBusy", runningTurnId: turnId });
    await kill(child);
    await clock.advance(20_000);
    expect(await store.turn("acme", turnId)).toMatchObject({ state: "ended", outcome: "lost" });
    expect(await store.acceptTurn(other)).toMatchObject({ kind: "accepted" });
  });

  it("has its turns ended by the server beside it", async () => {
    const folder = newFolder();
    const { child, until, valuesOf } = writer(folder, "hold");
    await until(() => valuesOf("accepted").length > 0);
    const clock = new FakeClock();
    const { store } = await openAt(folder, { clock });
    const [turnId] = valuesOf("accepted") as [string];
    await clock.advance(30_000);
    expect(await store.turn("acme", turnId)).toMatchObject({ state: "running" });
    await kill(child);
    await clock.advance(10_000);
    expect(await store.turn("acme", turnId)).toMatchObject({ state: "ended", outcome: "lost", highestSequence: 65 });
    expect(await store.session("acme", "held")).toMatchObject({ runningTurnId: undefined });
  });
});

/** Every acknowledged turn is there and has one end; every acknowledged event of an open one can be read. */
async function expectWhole(store: Store, valuesOf: (key: string) => string[], lines: readonly Line[]): Promise<void> {
  const ended = new Set(valuesOf("ended"));
  for (const turnId of valuesOf("accepted")) {
    const turn = await store.turn("acme", turnId);
    if (ended.has(turnId)) expect(turn).toMatchObject({ state: "ended", outcome: "completed", highestSequence: 12 });
    else expect(turn).toMatchObject({ state: "ended" });
    if (turn?.outcome === "lost") expect(turn).toMatchObject({ error: { reason: "TURN_LOST" } });
  }
  for (const { stored, lastSequence } of lines.filter((line) => "stored" in line)) {
    const turn = await store.turn("acme", stored as string);
    expect(turn?.highestSequence).toBeGreaterThanOrEqual(lastSequence as number);
    expect(sequencesIn(await store.events(stored as string, 0, 10_000))).toHaveLength(lastSequence as number);
  }
}

describe.runIf(canMount)("a store on a full disk", () => {
  it("refuses what is new, ends what runs, and goes on by itself when there is room", async () => {
    const folder = newFolder();
    mkdirSync(folder, { recursive: true });
    // Room for the reserve and a little, and something large to delete afterwards.
    const script = `mount -t tmpfs -o size=48m none "$1" && head -c 16000000 /dev/zero > "$1/ballast" && shift && exec "$@"`;
    const around = [...ownMounts, "sh", "-c", script, "sh", folder];
    const { child, lines, until, valuesOf } = writer(folder, "fill", [`${folder}/ballast`], around);
    await until(() => valuesOf("recovered").length > 0);
    const exit = child.exitCode === null ? once(child, "exit") : undefined;
    await exit;
    expect(child.exitCode).toBe(0);
    const health = { takesTurns: false, problem: "the disk of the store is full" };
    expect(lines.slice(1)).toMatchObject([
      { full: "STORE_UNAVAILABLE", health },
      { ended: expect.any(String) },
      { again: "STORE_UNAVAILABLE", health },
      { recovered: "accepted" },
    ]);
    expect(valuesOf("count")[0]).toBeGreaterThan(10);
  });
});
