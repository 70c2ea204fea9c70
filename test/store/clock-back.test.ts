import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import { accept, ending, inSession, newTurn, say } from "./samples.ts";
import { SettableClock } from "./settable-clock.ts";
import { closeStore, newFolder, openAt, problemsIn } from "./store-folder.ts";

const hourMs = 3_600_000;

describe("a clock that is set back an hour", () => {
  it("leaves a server its turns and sessions in the eyes of the one beside it, and both go on beating", async () => {
    const folder = newFolder();
    const [clock, other] = [new SettableClock(), new SettableClock()];
    const one = await openAt(folder, { clock });
    const two = await openAt(folder, { clock: other });
    const lease = await accept(one.store, newTurn("acme", { session: inSession("s") }));
    await one.store.startTurn(lease);
    const both = [
      [one, clock],
      [two, other],
    ] as const;
    for (const [, back] of both) {
      back.setBy(-hourMs);
      for (let look = 0; look < 8; look += 1) {
        for (const [{ store }, at] of both) {
          await at.advance(10_000);
          await store.turn("acme", lease.turnId); // until the look is over
        }
      }
      expect(await two.store.turn("acme", lease.turnId)).toMatchObject({ state: "running" });
      const beats = beatsIn(folder);
      for (const [{ store }, at] of both) {
        const sinceMs = at.wallNow() - (beats[store.ownerId] ?? Number.NaN);
        expect(sinceMs >= 0 && sinceMs <= 70_000, `${sinceMs} ms since its last beat`).toBe(true);
      }
    }
    await one.store.endTurn(lease, ending());
    expect(await two.store.session("acme", "s")).toMatchObject({ runningTurnId: undefined });
    await closeStore(one);
    await closeStore(two);
    expect(problemsIn(folder)).toEqual([]);
  });

  it("between two starts loses nothing, and the conversation goes on in its order", async () => {
    const folder = newFolder();
    const first = await openAt(folder, { clock: new SettableClock() });
    await say(first.store, "acme", "s", "one", "an answer");
    const before = await first.store.session("acme", "s");
    await closeStore(first);
    const clock = new SettableClock();
    clock.setBy(-hourMs);
    const second = await openAt(folder, { clock });
    expect(second.recovered.lostTurnCount).toBe(0);
    await clock.advance(30_000); // what has expired goes
    await say(second.store, "acme", "s", "two", "an answer");
    const words = (await second.store.conversation("acme", "s")).map(({ prompt }) => Buffer.from(prompt[0]!.data));
    expect(words.map(String)).toEqual(["one", "two"]);
    const after = await second.store.session("acme", "s");
    expect(after?.updatedAtMs).toBeGreaterThanOrEqual(before?.updatedAtMs ?? Number.NaN);
    expect(after?.expiresAtMs).toBeGreaterThanOrEqual(before?.expiresAtMs ?? Number.NaN);
  });
});

/** When each server said last that it lives. */
function beatsIn(folder: string): Readonly<Record<string, number>> {
  const db = new DatabaseSync(storePaths(folder).database);
  try {
    const rows = db.prepare("select id, heartbeat_at from owners").all();
    return Object.fromEntries(rows.map(({ id, heartbeat_at }) => [String(id), Number(heartbeat_at)]));
  } finally {
    db.close();
  }
}
