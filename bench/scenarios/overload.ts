/**
 * Ten times as many turns as five workers can do, of five tenants of whom one is greedy. A proof: nearly as many turns
 * are served as without the overload, and every tenant gets its part.
 *
 * The capacity is measured while as many calls as would be refused go to a listener that refuses at once: what their
 * client takes from the machine is taken on both sides, and the rest is the server's.
 *
 *     npm run bench -- --only overload --seed 1
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BusyLoops } from "../busy-loops.ts";
import { Child } from "../child.ts";
import type { OpenLoadCommands, OpenLoadCounts, OpenLoadOptions } from "../open-load-process.ts";
import type { RefuserCommands } from "../refuser-process.ts";
import { type Bench, defineScenario, figure } from "../scenario.ts";
import { BenchServer, BenchStandin } from "../server.ts";
import { median } from "../stats.ts";
import { prompt } from "../workload.ts";

interface Parameters {
  readonly rounds: number;
  readonly windowMs: number;
  readonly rampMs: number;
}

/** The parts of all calls that each tenant sends. */
const parts: Readonly<Record<string, number>> = { greedy: 0.6, acme: 0.1, umbrella: 0.1, initech: 0.1, globex: 0.1 };
const tenants = Object.keys(parts);
const workerCount = 5;
const overloadFactor = 10;
/** Turns of each tenant before anything is measured: young workers are slow. */
const warmUpTurns = 50;
const wantedGoodput = 0.9;
const wantedFairness = 0.95;

export const overload = defineScenario<Parameters>({
  name: "overload",
  about: "Proof: ten times the capacity by five tenants, one of them greedy",
  isProof: true,
  full: { rounds: 5, windowMs: 10_000, rampMs: 3_000 },
  quick: { rounds: 1, windowMs: 3_000, rampMs: 2_000 },
  estimateMs: ({ rounds, windowMs, rampMs }) => 15_000 + (2 * rounds + 1) * (windowMs + rampMs),

  async run(parameters, bench) {
    const { rampMs } = parameters;
    const { rounds } = parameters;
    const windowMs = bench.seconds === undefined ? parameters.windowMs : (bench.seconds * 1_000) / (2 * rounds);
    using _loops = new BusyLoops(bench.busyLoopCount);
    await using standin = await BenchStandin.start(bench);
    await using server = await BenchServer.start({
      bench,
      baseUrl: standin.url,
      tenants,
      profiles: { default: { minSpares: 0, maxWorkers: workerCount } },
    });
    await using refuser = child<RefuserCommands>("refuser", bench);
    await using load = child<OpenLoadCommands>("open-load", bench);
    const refuserPort = (await refuser.call("start")).port;

    const open = (port: number, perSecond: number, callerCount: number) =>
      load.call("open", {
        port,
        request: { prompt },
        seed: bench.seed,
        tenants: tenants.map((name) => ({
          name,
          token: server.tokenOf(name),
          perSecond: perSecond * parts[name]!,
          callerCount,
        })),
      } satisfies OpenLoadOptions);
    const measure = async (at: number) => {
      await sleep(rampMs, undefined, { signal: bench.signal });
      const before = { counts: await load.call("counts", at), server: await server.figures() };
      await sleep(windowMs, undefined, { signal: bench.signal });
      const after = { counts: await load.call("counts", at), server: await server.figures() };
      await load.call("close");
      const cpuMs = (after.server.cpuUs - before.server.cpuUs) / 1_000;
      return { ...difference(before.counts, after.counts), cpuMs };
    };

    bench.progress("warming up", 0);
    const warming = await open(server.target.grpcPort, 0, 2);
    const isWarm = ({ ended }: OpenLoadCounts) => tenants.every((name) => (ended[name]?.OK ?? 0) >= warmUpTurns);
    while (!isWarm(await load.call("counts", warming))) await sleep(100, undefined, { signal: bench.signal });
    const first = await measure(warming);
    const perSecond = overloadFactor * first.servedPerSecond;

    const capacities: number[] = [];
    const goodputs: number[] = [];
    const fairness: number[] = [];
    const refusalCosts: number[] = [];
    const others = new Map<string, number>();
    let sentPerSecond = 0;
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}, capacity`, 0.1 + (0.9 * round) / rounds);
      await open(refuserPort, perSecond * (1 - 1 / overloadFactor), 0);
      const capacity = await measure(await open(server.target.grpcPort, 0, 2));
      bench.progress(`round ${round + 1} of ${rounds}, overload`, 0.1 + (0.9 * (round + 0.5)) / rounds);
      const overloaded = await measure(await open(server.target.grpcPort, perSecond, 0));
      capacities.push(capacity.servedPerSecond);
      goodputs.push(overloaded.servedPerSecond / capacity.servedPerSecond);
      fairness.push(jain(tenants.map((name) => overloaded.served[name] ?? 0)));
      sentPerSecond = overloaded.sentPerSecond;
      for (const [reason, count] of overloaded.others) others.set(reason, (others.get(reason) ?? 0) + count);
      // What a served turn costs is known from the other half of the round.
      const turnCostMs = capacity.cpuMs / Math.max(1, capacity.servedCount);
      if (overloaded.refusedCount > 0) {
        refusalCosts.push((overloaded.cpuMs - turnCostMs * overloaded.servedCount) / overloaded.refusedCount);
      }
    }
    const goodput = median(goodputs);
    const worst = Math.min(...fairness);
    const failed = [...others].map(([reason, count]) => `${count} ${reason}`).join(", ");
    return {
      figures: [
        figure("capacity beside a listener that refuses", "turns/s", capacities),
        figure("goodput over capacity", "×", goodputs),
        figure("Jain index of the tenants' served turns", "", fairness),
        ...(refusalCosts.length > 0 ? [figure("server CPU per refused call", "ms", refusalCosts)] : []),
      ],
      targets: [
        {
          name: `goodput at ${overloadFactor} times the capacity`,
          wanted: `≥ ${wantedGoodput}×`,
          measured: `${goodput.toFixed(2)}×`,
          reached: goodput >= wantedGoodput,
        },
        {
          name: "Jain index, worst round",
          wanted: `≥ ${wantedFairness}`,
          measured: worst.toFixed(3),
          reached: worst >= wantedFairness,
        },
        {
          name: "calls that ended otherwise than served or refused by the queue",
          wanted: "none",
          measured: failed || "none",
          reached: failed === "",
        },
      ],
      samples: {
        "capacity, turns/s": capacities,
        "goodput over capacity, ×": goodputs,
        "Jain index": fairness,
        "server CPU per refused call, ms": refusalCosts,
      },
      notes: [`${perSecond.toFixed(0)} calls per second were due, ${sentPerSecond.toFixed(0)} were sent.`],
    };
  },
});

function child<C extends RefuserCommands | OpenLoadCommands>(name: string, bench: Bench): Child<C> {
  const script = new URL(`../${name}-process.ts`, import.meta.url);
  return new Child<C>({ name, script, folder: bench.folder, signal: bench.signal });
}

/** 1: all got the same; 1/n: one of n got everything. */
function jain(counts: readonly number[]): number {
  const sum = counts.reduce((all, count) => all + count, 0);
  const squares = counts.reduce((all, count) => all + count ** 2, 0);
  return squares === 0 ? 0 : sum ** 2 / (counts.length * squares);
}

function difference(before: OpenLoadCounts, after: OpenLoadCounts) {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const served: Record<string, number> = {};
  const others = new Map<string, number>();
  let servedCount = 0;
  let refusedCount = 0;
  for (const [tenant, reasons] of Object.entries(after.ended)) {
    for (const [reason, total] of Object.entries(reasons)) {
      const count = total - (before.ended[tenant]?.[reason] ?? 0);
      if (reason === "OK") {
        served[tenant] = count;
        servedCount += count;
      } else if (reason.startsWith("QUEUE_")) refusedCount += count;
      else if (count > 0) others.set(reason, (others.get(reason) ?? 0) + count);
    }
  }
  return {
    served,
    servedCount,
    refusedCount,
    servedPerSecond: servedCount / seconds,
    sentPerSecond: (after.sentCount - before.sentCount) / seconds,
    others,
  };
}
