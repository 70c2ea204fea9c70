import { describe, expect, it } from "vitest";
import { byteLimit } from "../../src/store/sqlite/caps.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import { accept, answered, inSession, newTurn, text } from "./samples.ts";
import { openAt } from "./store-folder.ts";

describe("a tenant's share of the store", () => {
  const caps = { ...defaultStoreLimits.caps, maxBytes: 10_000, maxBytesPerTenant: 100_000 };
  const limit = (allBytes: number, ownBytes: number, weight = 1) => byteLimit(caps, { allBytes, ownBytes, weight });

  it("is half of what is there if it is alone, and less the more others hold", () => {
    expect(limit(0, 0)).toEqual({ limit: 4_500, isGlobal: true });
    // What it holds itself changes nothing.
    expect(limit(4_000, 4_000)).toEqual({ limit: 4_500, isGlobal: true });
    expect(limit(3_000, 0)).toEqual({ limit: 3_000, isGlobal: true });
    expect(limit(9_000, 0)).toEqual({ limit: 0, isGlobal: true });
    expect(limit(9_900, 0)).toEqual({ limit: 0, isGlobal: true });
  });

  it("follows its weight, and is never more than one tenant may hold", () => {
    expect(limit(0, 0, 2)).toEqual({ limit: 6_000, isGlobal: true });
    expect(byteLimit({ ...caps, maxBytesPerTenant: 100 }, { allBytes: 0, ownBytes: 0, weight: 1 })).toEqual({
      limit: 100,
      isGlobal: false,
    });
  });
});

describe("a store that is nearly full", () => {
  it("keeps its last tenth for the ends of what was accepted, and says that the cap is everybody's", async () => {
    const limits = { ...defaultStoreLimits, caps: { ...defaultStoreLimits.caps, maxBytes: 100_000 } };
    const weights: Readonly<Record<string, number>> = { heavy: 99 };
    const { store } = await openAt(undefined, { kind: "memory", limits, weightOf: (tenant) => weights[tenant] ?? 1 });
    const turn = (tenant: string, session: string, bytes: number) =>
      newTurn(tenant, { session: inSession(session), content: [text("prompt", "x".repeat(bytes))] });
    const lease = await accept(store, turn("heavy", "s", 85_000));
    const refused = { kind: "quotaExceeded", what: "bytes", isGlobal: true };
    expect(await store.acceptTurn(turn("heavy", "t", 10_000))).toMatchObject(refused);
    // What is left is shared: a tenant that holds nothing gets half of it.
    expect(await store.acceptTurn(turn("light", "s", 3_000))).toMatchObject(refused);
    expect(await store.acceptTurn(turn("light", "s", 2_000))).toMatchObject({ kind: "accepted" });
    await store.endTurn(lease, answered("y".repeat(9_000)));
    expect(await store.acceptTurn(newTurn("heavy"))).toMatchObject({ kind: "accepted" });
    await store.deleteSession("heavy", "s");
    expect(await store.acceptTurn(turn("heavy", "t", 10_000))).toMatchObject({ kind: "accepted" });
  });
});
