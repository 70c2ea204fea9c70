/**
 * Events, caps, and many things at once. Part of `contract.ts`.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import type { Subject } from "./contract.ts";
import { accept, answered, ending, eventRun, inSession, newSession, newTurn, sequencesIn, text } from "./samples.ts";

const { retention } = defaultStoreLimits;

export function boundsContract(subject: Subject): void {
  const { clock, newTenant, prune } = subject;
  let store: Store;
  beforeAll(() => {
    store = subject.store;
  });

  describe("events", () => {
    it("gives stored events after a number, in order, a bounded piece at a time", async () => {
      const tenant = newTenant();
      const lease = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
      const writes = [eventRun(1, 3), eventRun(4, 9), eventRun(12, 15)].map((run) => store.appendEvents(lease, run));
      await clock.advance(50);
      await Promise.all(writes);
      expect(await store.turn(tenant, lease.turnId)).toMatchObject({
        stored: { firstSequence: 1, lastSequence: 15 },
        highestSequence: 15,
      });
      const numbersAfter = async (sequence: number, maxBytes = 1_000) =>
        sequencesIn(await store.events(lease.turnId, sequence, maxBytes));
      expect(await numbersAfter(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15]);
      expect(await numbersAfter(5)).toEqual([6, 7, 8, 9, 12, 13, 14, 15]);
      expect(await numbersAfter(0, 1)).toEqual([1, 2, 3]);
      expect(await numbersAfter(10)).toEqual([12, 13, 14, 15]);
      expect(await numbersAfter(15)).toEqual([]);
      const [run] = await store.events(lease.turnId, 5, 1);
      expect(run).toMatchObject({ firstSequence: 6, lastSequence: 9 });
    });

    it("does not change what its caller goes on using", async () => {
      const lease = await accept(store, newTurn(newTenant(), { onDisconnect: "continue" }));
      const slab = new Uint8Array(1_000);
      const { packed } = eventRun(1, 2);
      slab.set(packed);
      const write = store.appendEvents(lease, {
        firstSequence: 1,
        lastSequence: 2,
        packed: slab.subarray(0, packed.length),
      });
      await clock.advance(50);
      await write;
      expect(slab.byteLength).toBe(1_000);
      expect(sequencesIn(await store.events(lease.turnId, 0, 1_000))).toEqual([1, 2]);
    });

    it("has the last one from the moment that the turn has ended, with the others or alone", async () => {
      const tenant = newTenant();
      for (const before of [eventRun(1, 2), undefined]) {
        const lease = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
        const written = before && store.appendEvents(lease, before);
        await store.endTurn(lease, ending({ lastSequence: 3, lastEvent: eventRun(3, 3) }));
        await written;
        const first = before?.firstSequence ?? 3;
        expect(sequencesIn(await store.events(lease.turnId, 0, 1_000))).toEqual([1, 2, 3].slice(first - 1));
        expect(await store.turn(tenant, lease.turnId)).toMatchObject({
          state: "ended",
          stored: { firstSequence: first, lastSequence: 3 },
          highestSequence: 3,
        });
      }
    });

    it("drops them ten minutes after the end of their turn, and keeps the turn", async () => {
      const tenant = newTenant();
      const lease = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
      await Promise.all([store.appendEvents(lease, eventRun(1, 2)), store.endTurn(lease, ending())]);
      await clock.advance(retention.turnEventsMs - 60_000);
      expect(await store.events(lease.turnId, 0, 100)).toHaveLength(1);
      await clock.advance(60_000);
      await prune();
      expect(await store.events(lease.turnId, 0, 100)).toEqual([]);
      expect(await store.turn(tenant, lease.turnId)).toMatchObject({ state: "ended", stored: undefined });
    });
  });

  describe("caps", () => {
    it("drops the turns that ended first when a tenant has too many, and refuses more when all run", async () => {
      const tenant = newTenant();
      const first = await accept(store, newTurn(tenant));
      await store.endTurn(first, ending());
      for (let at = 0; at < 30; at += 1) await accept(store, newTurn(tenant));
      expect(await store.turn(tenant, first.turnId)).toBeUndefined();
      expect(await store.acceptTurn(newTurn(tenant))).toEqual({
        kind: "quotaExceeded",
        what: "turns",
        limit: 30,
        isGlobal: false,
      });
      expect(await store.acceptTurn(newTurn(newTenant()))).toMatchObject({ kind: "accepted" });
    });

    it("refuses a session more than a tenant may have, and drops expired ones before", async () => {
      const tenant = newTenant();
      for (let at = 0; at < 12; at += 1) {
        await store.createSession(newSession(tenant, `s${at}`, { idleExpiryMs: at === 3 ? 60_000 : 3_600_000 }));
      }
      const full = { kind: "quotaExceeded", what: "sessions", limit: 12, isGlobal: false };
      expect(await store.createSession(newSession(tenant, "more"))).toEqual(full);
      expect(await store.acceptTurn(newTurn(tenant, { session: inSession("more") }))).toEqual(full);
      await clock.advance(60_000);
      expect(await store.createSession(newSession(tenant, "more"))).toMatchObject({ id: "more" });
      expect(await store.session(tenant, "s4")).toBeDefined();
    });

    it("drops the events of ended turns for new words, and then refuses them", async () => {
      const tenant = newTenant();
      const old = await accept(store, newTurn(tenant, { onDisconnect: "continue" }));
      const packed = new Uint8Array(15_000);
      await Promise.all([
        store.appendEvents(old, { firstSequence: 1, lastSequence: 1, packed }),
        store.endTurn(old, ending()),
      ]);
      const content = [text("prompt", "x".repeat(10_000))];
      const lease = await accept(store, newTurn(tenant, { session: inSession("s"), content }));
      expect(await store.turn(tenant, old.turnId)).toMatchObject({ stored: undefined });
      const more = newTurn(tenant, { session: inSession("t"), content });
      expect(await store.acceptTurn(more)).toEqual({
        kind: "quotaExceeded",
        what: "bytes",
        limit: 20_000,
        isGlobal: false,
      });
      expect(await store.acceptTurn(newTurn(tenant))).toMatchObject({ kind: "accepted" });
      // What was accepted comes to its end, whatever it takes.
      await store.endTurn(lease, answered("y".repeat(15_000)));
      await store.deleteSession(tenant, "s");
      expect(await store.acceptTurn(more)).toMatchObject({ kind: "accepted" });
    });

    it("says so when the events of a running turn have no room", async () => {
      const lease = await accept(store, newTurn(newTenant(), { onDisconnect: "continue" }));
      const append = store.appendEvents(lease, {
        firstSequence: 1,
        lastSequence: 1,
        packed: new Uint8Array(30_000),
      });
      const refused = expect(append).rejects.toMatchObject({ reason: "QUOTA_EXCEEDED" });
      await clock.advance(50);
      await refused;
      await store.endTurn(lease, ending());
    });
  });

  it("does many things at once, and lets one that fails spoil none of the others", async () => {
    const tenant = newTenant();
    const ended = await accept(store, newTurn(tenant));
    await store.endTurn(ended, ending());
    const leases = await Promise.all(Array.from({ length: 8 }, () => accept(store, newTurn(tenant))));
    const settled = await Promise.allSettled(
      leases.flatMap((lease) => [store.startTurn(lease), store.startTurn(ended), store.endTurn(lease, ending())]),
    );
    expect(settled.map(({ status }) => status)).toEqual(leases.flatMap(() => ["fulfilled", "rejected", "fulfilled"]));
  });

  it("is well, and says how much it holds", () => {
    expect(store.health()).toMatchObject({ problem: undefined, takesTurns: true });
    expect(store.health().usedBytes).toBeGreaterThan(0);
  });
}
