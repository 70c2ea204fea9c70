/**
 * Tenants beside each other: none has the whole pool, each gets its part of it when there is not enough for all, and the
 * workers are not spent on changing hands.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sleep } from "../../src/clock.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { type Changes, PoolUnderTest } from "./pool-under-test.ts";

const several = { areSeveral: () => true };

describe("long turns of one tenant", () => {
  const profiles = { default: { minSpares: 0, maxWorkers: 4 } };

  test("leave another tenant a place for its first turn", async () => {
    const t = await PoolUnderTest.warm({ profiles, tenants: several });
    const greedy = Array.from({ length: 16 }, () => t.ask({ tenant: "acme" }));
    await t.clock.advance(5_000);
    expect(greedy.filter(({ claim }) => claim !== undefined)).toHaveLength(3);
    const other = t.ask({ tenant: "umbrella" });
    await t.clock.advance(500);
    expect(other.claim).toBeDefined();
  });

  test("leave that place also when workers of the tenant are idle in it", async () => {
    const t = await PoolUnderTest.warm({ profiles, tenants: several });
    for (const bindingKey of ["1", "2", "3", "4"]) {
      const asked = t.ask({ tenant: "acme", bindingKey });
      await t.clock.advance(500);
      asked.claim?.release({ kind: "finished" });
      await t.clock.advance(10);
    }
    const greedy = ["1", "2", "3", "4"].map((bindingKey) => t.ask({ tenant: "acme", bindingKey }));
    await t.clock.settle();
    expect(greedy.filter(({ claim }) => claim !== undefined)).toHaveLength(3);
    const other = t.ask({ tenant: "umbrella" });
    await t.clock.advance(500);
    expect(other.claim).toBeDefined();
  });

  test("have every place where no other tenant may come, or none is to be kept", async () => {
    for (const [tenants, keptPlaces] of [[{}, 1] as const, [several, 0] as const]) {
      const t = await PoolUnderTest.warm({ profiles: { default: { ...profiles.default, keptPlaces } }, tenants });
      const asked = Array.from({ length: 4 }, () => t.ask());
      await t.clock.advance(2_000);
      expect(asked.filter(({ claim }) => claim !== undefined)).toHaveLength(4);
    }
  });
});

describe("new system prompts of one tenant", () => {
  const profiles = { default: { minSpares: 0, maxWorkers: 4 } };
  const warm = async () => {
    const t = await PoolUnderTest.warm({ profiles, tenants: several });
    const first = t.ask({ tenant: "umbrella" });
    await t.clock.advance(500);
    first.claim?.release({ kind: "finished" });
    await t.clock.advance(10);
    return t;
  };

  test("do not end its neighbour's warm worker, one after the other", async () => {
    const t = await warm();
    for (let at = 0; at < 12; at++) {
      const asked = t.ask({ tenant: "acme", bindingKey: `prompt ${at}` });
      await t.clock.advance(600);
      asked.claim?.release({ kind: "finished" });
      await t.clock.advance(10);
    }
    expect((await t.claim({ tenant: "umbrella" })).source).toBe("REUSED");
  });

  test("nor all at once", async () => {
    const t = await warm();
    const turns = Array.from({ length: 12 }, (_, at) => t.ask({ tenant: "acme", bindingKey: `prompt ${at}` }));
    for (let second = 0; second < 20; second++) {
      await t.clock.advance(1_000);
      for (const { claim } of turns) claim?.release({ kind: "finished" });
    }
    expect(turns.every(({ claim }) => claim !== undefined)).toBe(true);
    expect((await t.claim({ tenant: "umbrella" })).source).toBe("REUSED");
  });
});

interface Load {
  /** Turns that each tenant sends per second. */
  readonly perSecond: Readonly<Record<string, number>>;
  readonly turnMs: number;
  /** For so long nothing is counted. */
  readonly warmUpMs?: number;
  readonly forMs: number;
  readonly random?: () => number;
}

/** What became of the turns of each tenant. */
class Outcome {
  readonly served = new Map<string, number>();
  readonly refused = new Map<string, number>();
  readonly waitsMs: number[] = [];
  readonly otherErrors: unknown[] = [];

  get servedCount(): number {
    return [...this.served.values()].reduce((sum, count) => sum + count, 0);
  }

  /** 1: all tenants got the same; 1/n: one of n got everything. */
  jain(weights: Readonly<Record<string, number>> = {}): number {
    const parts = [...this.served].map(([tenant, count]) => count / (weights[tenant] ?? 1));
    const sum = parts.reduce((all, part) => all + part, 0);
    return sum ** 2 / (parts.length * parts.reduce((all, part) => all + part ** 2, 0));
  }
}

/** Turns that come at their times whatever became of the last ones. */
async function load(t: PoolUnderTest, load: Load): Promise<Outcome> {
  const { perSecond, turnMs, warmUpMs = 0, forMs, random = () => 0.5 } = load;
  const outcome = new Outcome();
  const fromMs = t.clock.now() + warmUpMs;
  const untilMs = fromMs + forMs;
  const isCounted = () => t.clock.now() >= fromMs && t.clock.now() < untilMs;
  const count = (counts: Map<string, number>, tenant: string) => {
    if (isCounted()) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
  };
  const turn = async (tenant: string) => {
    try {
      const claim = await t.claim({ tenant });
      if (isCounted()) outcome.waitsMs.push(claim.queueWaitMs);
      await sleep(t.clock, turnMs * (0.5 + random()));
      claim.release({ kind: "finished" });
      count(outcome.served, tenant);
    } catch (error) {
      if (error instanceof RunnerError && error.reason.startsWith("QUEUE_")) count(outcome.refused, tenant);
      else outcome.otherErrors.push(error);
    }
  };
  for (const [tenant, rate] of Object.entries(perSecond)) {
    outcome.served.set(tenant, 0);
    const arrive = () => {
      if (t.clock.now() >= untilMs) return;
      void turn(tenant);
      t.clock.after((1000 / rate) * (0.5 + random()), arrive);
    };
    t.clock.after((1000 / rate) * random(), arrive);
  }
  await t.clock.advance(warmUpMs + forMs);
  return outcome;
}

/** Turns per second with every worker busy all the time. */
const capacity = (workerCount: number, turnMs: number) => (workerCount * 1000) / (turnMs + 10);

const overloaded = (changes: Changes = {}) =>
  PoolUnderTest.warm({ profiles: { default: { minSpares: 1, maxWorkers: 5 } }, tenants: several, ...changes });

describe("at ten times what the workers can do", { timeout: 120_000 }, () => {
  const turnMs = 90;

  test("five tenants, one of them greedy, get the same and nearly all that there is", async () => {
    const t = await overloaded();
    const perSecond = { greedy: 300, a: 50, b: 50, c: 50, d: 50 };
    const outcome = await load(t, { perSecond, turnMs, warmUpMs: 5_000, forMs: 20_000 });
    expect(outcome.otherErrors).toEqual([]);
    expect(outcome.jain()).toBeGreaterThan(0.99);
    expect(outcome.servedCount / 20).toBeGreaterThan(0.98 * capacity(5, turnMs));
  });

  test("more tenants than workers get the same too, and changing hands costs little", async () => {
    const t = await overloaded();
    const tenants = Array.from({ length: 8 }, (_, at) => [`tenant-${at}`, at === 0 ? 200 : 30]);
    const perSecond = Object.fromEntries(tenants) as Record<string, number>;
    const outcome = await load(t, { perSecond, turnMs, warmUpMs: 10_000, forMs: 60_000 });
    expect(outcome.otherErrors).toEqual([]);
    expect(outcome.jain()).toBeGreaterThan(0.95);
    expect(outcome.servedCount / 60).toBeGreaterThan(0.85 * capacity(5, turnMs));
    expect(Math.max(...outcome.waitsMs), "nobody waits for long").toBeLessThan(25_000);
  });

  test("tenants get what their weights say", async () => {
    const weights: Readonly<Record<string, number>> = { heavy: 3 };
    const t = await overloaded({
      profiles: { default: { minSpares: 1, maxWorkers: 4 } },
      tenants: { ...several, weightOf: (tenant) => weights[tenant] ?? 1 },
    });
    const perSecond = { heavy: 200, light: 200 };
    const outcome = await load(t, { perSecond, turnMs, warmUpMs: 10_000, forMs: 60_000 });
    expect(outcome.jain(weights)).toBeGreaterThan(0.95);
    expect(outcome.servedCount / 60).toBeGreaterThan(0.85 * capacity(4, turnMs));
  });

  test("a tenant that sends little is not refused and hardly waits", async () => {
    const t = await overloaded();
    const outcome = await load(t, { perSecond: { greedy: 400, small: 2 }, turnMs, forMs: 60_000 });
    expect(outcome.refused.get("small") ?? 0).toBe(0);
    expect(outcome.served.get("small")).toBeGreaterThan(110);
    expect(outcome.refused.get("greedy")).toBeGreaterThan(1000);
  });
});

test("is fair whatever tenants want how much", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 2, maxLength: 7 }),
      fc.constantFrom(40, 90, 300),
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      async (rates, turnMs, stream) => {
        const t = await overloaded();
        const random = () => stream.next().value as number;
        // Everybody wants more than the fair part, so everybody is to get it.
        const fair = capacity(5, turnMs) / rates.length;
        const perSecond = Object.fromEntries(rates.map((rate, at) => [`tenant-${at}`, fair * (1.2 + rate / 4)]));
        const outcome = await load(t, { perSecond, turnMs, warmUpMs: 10_000, forMs: 40_000, random });
        expect(outcome.jain()).toBeGreaterThan(0.95);
        expect(outcome.servedCount / 40).toBeGreaterThan(0.8 * capacity(5, turnMs));
        expect(outcome.otherErrors).toEqual([]);
      },
    ),
    { numRuns: Number(process.env.FAIRNESS_RUNS ?? 2), seed: 8 },
  );
}, 600_000);
