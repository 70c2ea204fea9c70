import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { measuredStore } from "../../src/sessions/measured-store.ts";
import { openStore } from "../../src/store/open-store.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { accept, answered, inSession, newTurn } from "../store/samples.ts";
import { openScrape, type Scrape } from "../telemetry/scrape.ts";

let scrape: Scrape;
beforeEach(() => {
  scrape = openScrape();
});
afterEach(() => scrape.close());

describe("a measured store", () => {
  it("is the store, and knows how long each kind of write took, also one that failed", async () => {
    const clock = new FakeClock();
    const options = { kind: "memory", folder: undefined, clock, log: silentLog, limits: defaultStoreLimits } as const;
    await using opened = (await openStore(options)).store;
    const store = measuredStore(opened, clock);
    const session = {
      id: "trip",
      tenant: "acme",
      profile: "default",
      binding: undefined,
      kind: undefined,
      title: "",
      labels: {},
      idleExpiryMs: 60_000,
    };
    expect(await store.createSession(session)).toMatchObject({ id: "trip" });
    expect(await store.session("acme", "trip")).toMatchObject({ id: "trip" });
    await expect(store.startTurn({ turnId: "none", epoch: 1 })).rejects.toThrow();
    expect([store.kind, store.health().takesTurns]).toEqual(["memory", true]);
    const counts = await scrape.series("runner_store_write_duration_seconds_count");
    expect(counts.map(({ labels, value }) => [labels.runner_store_operation, value]).sort()).toEqual([
      ["create_session", 1],
      ["start_turn", 1],
    ]);
  });

  it("counts what it holds after a while", async () => {
    const clock = new FakeClock();
    const options = { kind: "memory", folder: undefined, clock, log: silentLog, limits: defaultStoreLimits } as const;
    await using store = (await openStore(options)).store;
    expect(store.health().census).toBeUndefined();
    const session = { tenant: "acme", profile: "default", binding: undefined, kind: undefined, title: "", labels: {} };
    for (const id of ["a", "b", "c"]) await store.createSession({ ...session, id, idleExpiryMs: 60_000_000 });
    const lease = await accept(store, newTurn("acme", { session: inSession("c") }));
    const suspension = { reason: "WORKER_START_FAILED", message: "no luck" } as const;
    await store.endTurn(lease, answered("x", { isInConversation: false, suspension }));
    await clock.advance(10_000);
    while (store.health().census === undefined) await store.session("acme", "a");
    expect(store.health().census).toMatchObject({
      sessionCount: 3,
      runningSessionCount: 0,
      suspendedSessionCount: 1,
    });
  });
});
