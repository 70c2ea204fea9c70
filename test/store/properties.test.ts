import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenedStore, openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { commands, Model } from "./model.ts";
import { accept, answered, bytesOf, ending, inSession, newSession, newTurn } from "./samples.ts";
import { closeStore, newFolder, openAt, problemsIn } from "./store-folder.ts";

const seed = Number(process.env.STORE_SEED ?? 4711);
const sessionCount = Number(process.env.STORE_SESSIONS ?? 2_000);
const raceCount = Number(process.env.STORE_RACES ?? 300);

describe("what is true of a store whatever is done to it", () => {
  const clock = new FakeClock();
  let opened: OpenedStore;
  let store: Store;
  beforeAll(async () => {
    opened = await openStore({ kind: "memory", folder: undefined, clock, log: silentLog });
    store = opened.store;
  });
  afterAll(() => store[Symbol.asyncDispose]());
  let tenants = 0;
  const newTenant = () => `tenant-${tenants++}`;

  it(`does what a simple model of it does (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(commands({ withRestarts: false }), (all) =>
        fc.asyncModelRun(
          () => ({
            model: new Model(),
            real: { store, tenant: newTenant(), restart: () => Promise.reject(new Error("memory has no restart")) },
          }),
          all,
        ),
      ),
      { seed, numRuns: 60 },
    );
  });

  it("gives a session to one of many turns that ask at once, and each of them once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom("now", "later"), { minLength: 2, maxLength: 12 }), async (takes) => {
        const tenant = newTenant();
        const turns = (takes as ("now" | "later")[]).map((take) =>
          newTurn(tenant, { session: inSession("s", { take }) }),
        );
        const answers = await Promise.all(turns.map((turn) => store.acceptTurn(turn)));
        const accepted = turns.filter((_, at) => answers[at]?.kind === "accepted");
        const holders = accepted.filter(({ session }) => session?.take === "now");
        expect(holders.length).toBe(takes.includes("now") ? 1 : 0);
        const epochs: number[] = [];
        for (const holder of holders) {
          const answer = answers[turns.indexOf(holder)];
          if (answer?.kind !== "accepted") throw new Error("bug");
          epochs.push(answer.epoch);
          await store.endTurn({ turnId: holder.id, epoch: answer.epoch }, answered("x"));
        }
        for (let left = accepted.filter(({ session }) => session?.take === "later"); left.length > 0; ) {
          const taken = await Promise.all(left.map(({ id }) => store.takeSession(id)));
          expect(taken.filter(({ kind }) => kind === "taken")).toHaveLength(1);
          const at = taken.findIndex(({ kind }) => kind === "taken");
          const [one, turn] = [taken[at], left[at]];
          if (one?.kind !== "taken" || turn === undefined) throw new Error("bug");
          epochs.push(one.epoch);
          await store.endTurn({ turnId: turn.id, epoch: one.epoch }, answered("x"));
          left = left.filter((other) => other !== turn);
        }
        expect(epochs).toEqual(epochs.toSorted((a, b) => a - b));
        expect(new Set(epochs).size).toBe(epochs.length);
        expect(await store.session(tenant, "s")).toMatchObject({ turnCount: epochs.length, runningTurnId: undefined });
      }),
      { seed, numRuns: 40 },
    );
  });

  it(`runs one of ${raceCount} submits that race with one request id`, async () => {
    const tenant = newTenant();
    const digest = bytesOf("d".repeat(32));
    const turns = Array.from({ length: raceCount }, () => newTurn(tenant, { request: { id: "r", digest } }));
    const answers = await Promise.all(turns.map((turn) => store.acceptTurn(turn)));
    const winners = turns.filter((_, at) => answers[at]?.kind === "accepted");
    expect(winners).toHaveLength(1);
    for (const answer of answers) {
      if (answer.kind === "accepted") continue;
      expect(answer).toMatchObject({ kind: "duplicate", turn: { id: winners[0]?.id } });
    }
  });

  it("gives each end once, however many try", async () => {
    const tenant = newTenant();
    const lease = await accept(store, newTurn(tenant, { session: inSession("s") }));
    const ends = Array.from({ length: 20 }, (_, at) => store.endTurn(lease, ending({ costUsdMicros: at + 1 })));
    const settled = await Promise.allSettled(ends);
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const at = settled.findIndex(({ status }) => status === "fulfilled");
    expect(await store.session(tenant, "s")).toMatchObject({ costUsdMicros: at + 1 });
  });

  it(`lists ${sessionCount} sessions while others are written: each that rests once, and none twice`, {
    timeout: 10_000 + 3 * sessionCount,
  }, async () => {
    const tenant = newTenant();
    const name = (at: number) => `s-${String(at).padStart(6, "0")}`;
    for (let at = 0; at < sessionCount; at += 500) {
      await clock.advance(1);
      const some = Array.from({ length: Math.min(500, sessionCount - at) }, (_, more) => name(at + more));
      await Promise.all(some.map((id) => store.createSession(newSession(tenant, id, { idleExpiryMs: 86_400_000 }))));
    }
    const restless = new Set(Array.from({ length: Math.floor(sessionCount / 10) }, (_, at) => name(at * 10)));
    const updates = [...restless];
    const found: string[] = [];
    for (let after: { atMs: number; id: string } | undefined; ; ) {
      const page = await store.sessions({ tenant, profiles: undefined, limit: 97, ...(after && { after }) });
      found.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (page.length < 97 || last === undefined) break;
      after = { atMs: last.updatedAtMs, id: last.id };
      await clock.advance(1);
      // Also with the clock set back, a change never moves a session behind the place of the list.
      await Promise.all(updates.splice(0, 7).map((id) => store.updateSession(tenant, id, { title: "changed" })));
    }
    expect(new Set(found).size).toBe(found.length);
    const seen = new Set(found);
    const missing = Array.from({ length: sessionCount }, (_, at) => name(at)).filter((id) => !seen.has(id));
    expect(missing.filter((id) => !restless.has(id))).toEqual([]);
  });
});

describe("what is true of a store in a file whatever is done to it", () => {
  it(`does what a simple model of it does, restarts included (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(commands({ withRestarts: true }), async (all) => {
        const folder = newFolder();
        let one = await openAt(folder);
        const real = {
          store: one.store,
          tenant: "acme",
          async restart() {
            await closeStore(one);
            one = await openAt(folder);
            real.store = one.store;
          },
        };
        await fc.asyncModelRun(() => ({ model: new Model(), real }), all);
        await closeStore(one);
        expect(problemsIn(folder)).toEqual([]);
      }),
      { seed, numRuns: 3 },
    );
  }, 60_000);
});
