/**
 * A twentieth of the two proofs of the bench (`npm run bench -- --only storm,overload`), on the fake CLI: workers that
 * somebody kills at random, and far more turns than there are workers.
 */
import { afterEach, describe, expect, it } from "vitest";
import { OutcomeClient, requestBody } from "../../bench/outcome-client.ts";
import { seededRandom } from "../../bench/random.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene } from "./fake-scene.ts";
import { untilGone } from "./processes.ts";

const tenants = ["acme", "umbrella", "initech", "globex"] as const;
const tokenOf = (tenant: string) => `test-token-of-${tenant}`;

let scene: FakeScene;
afterEach(() => scene.close());

async function open(profile: { readonly minSpares: number; readonly maxWorkers: number }): Promise<FakeScene> {
  scene = await openFakeScene({
    auth: { tokens: tenants.map((tenant) => ({ tenant, sha256: sha256Of(tokenOf(tenant)) })) },
    queue: { maxLength: 16 },
    profiles: { default: { ...profile, keptPlaces: 1 } },
  });
  return scene;
}

describe("a storm of kills", () => {
  it("costs turns nothing but the worker that they had, and leaves nothing behind", async () => {
    const of = await open({ minSpares: 1, maxWorkers: 6 });
    const random = seededRandom(1);
    const reasons = new Map<string, number>();
    const over = new AbortController();
    using client = new OutcomeClient(of.target.grpcPort);
    const body = requestBody({ prompt: "Are you well?" });
    const callers = Array.from({ length: 24 }, async (_, at) => {
      while (!over.signal.aborted) {
        const cancel = new AbortController();
        const timer = random() < 0.1 ? setTimeout(() => cancel.abort(), 300 * random()) : undefined;
        const deadlineMs = random() < 0.2 ? 20 + 1_000 * random() : 120_000;
        const token = tokenOf(tenants[at % tenants.length]!);
        const { reason } = await client.call(body, { token, deadlineMs, signal: cancel.signal });
        clearTimeout(timer);
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        // Who was refused does not come back at once.
        if (reason !== "OK") await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });

    const killed = new Set<number>();
    while (killed.size < 7) {
      const living = [...(await of.workerPids()).values()].filter((pid) => !killed.has(pid));
      const victim = living[Math.floor(random() * living.length)];
      if (victim !== undefined) {
        try {
          process.kill(victim, "SIGKILL");
        } catch {
          continue; // it has ended by itself just now
        }
        killed.add(victim);
        await untilGone(victim);
      }
      await new Promise((resolve) => setTimeout(resolve, 200 + 600 * random()));
    }
    const servedBefore = reasons.get("OK") ?? 0;
    await until(() => (reasons.get("OK") ?? 0) > servedBefore);
    expect(of.runner.pool.isServing()).toBe(true);
    over.abort();
    await Promise.all(callers);

    const expected = ["OK", "QUEUE_FULL", "QUEUE_TIMEOUT", "CANCELLED", "DEADLINE_EXCEEDED", "WORKER_DIED"];
    expect([...reasons.keys()].filter((reason) => !expected.includes(reason))).toEqual([]);
    expect(reasons.get("WORKER_DIED") ?? 0).toBeLessThanOrEqual(killed.size);
    const isQuiet = () => {
      const { starting, claimed, resetting, stopping } = of.workers();
      return starting + claimed + resetting + stopping === 0;
    };
    await until(isQuiet);
    const { spare, boundIdle } = of.workers();
    expect((await of.workerPids()).size).toBe(spare + boundIdle);
  });
});

describe("far more turns than workers", () => {
  it("are served to every tenant alike, and nobody's worker is ended for it", async () => {
    const of = await open({ minSpares: 0, maxWorkers: 4 });
    using client = new OutcomeClient(of.target.grpcPort);
    const body = requestBody({ prompt: "Are you well?" });
    const served = new Map<string, number>(tenants.map((tenant) => [tenant, 0]));
    const refused = new Map<string, number>();
    const call = async (tenant: string) => {
      const { reason } = await client.call(body, { token: tokenOf(tenant), deadlineMs: 120_000 });
      if (reason === "OK") served.set(tenant, served.get(tenant)! + 1);
      else refused.set(reason, (refused.get(reason) ?? 0) + 1);
      return reason;
    };
    // Each has its worker.
    await Promise.all(tenants.map(call));
    for (const tenant of tenants) served.set(tenant, 0);

    let total = 0;
    const caller = async (tenant: string) => {
      while (total < 400) {
        if ((await call(tenant)) === "OK") total++;
        else await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const greedy = Array.from({ length: 30 }, () => caller("acme"));
    const others = tenants.slice(1).flatMap((tenant) => [caller(tenant), caller(tenant)]);
    await Promise.all([...greedy, ...others]);

    expect([...refused.keys()]).toEqual(["QUEUE_FULL"]);
    const counts = [...served.values()];
    const sum = counts.reduce((all, count) => all + count, 0);
    const jain = sum ** 2 / (counts.length * counts.reduce((all, count) => all + count ** 2, 0));
    expect(jain).toBeGreaterThan(0.8);
    expect(of.book.lines.filter(({ message, why }) => message === "recycle" && why === "evicted")).toEqual([]);
  });
});
