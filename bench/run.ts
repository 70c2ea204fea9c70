/**
 * Runs the scenarios one after the other, shows and writes what came of them.
 *
 * What a scenario starts it ends, also after Ctrl-C; the private folder goes with it. A scenario that fails does not
 * keep the others from being measured.
 */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CliLocator } from "../src/cli/program/locate.ts";
import { systemClock } from "../src/clock.ts";
import { conditionsNow, loadNow } from "./conditions.ts";
import { type BenchOptions, help, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { type BenchRun, type ScenarioRun, summary, targetsOf, writeResults } from "./results.ts";
import type { Bench, Scenario } from "./scenario.ts";
import { against } from "./scenarios/against.ts";
import { cliSpans } from "./scenarios/cli-spans.ts";
import { clients } from "./scenarios/clients.ts";
import { crashes } from "./scenarios/crashes.ts";
import { duplicates } from "./scenarios/duplicates.ts";
import { firstText } from "./scenarios/first-text.ts";
import { health } from "./scenarios/health.ts";
import { history } from "./scenarios/history.ts";
import { attach } from "./scenarios/kept-turns/attach.ts";
import { cold } from "./scenarios/kept-turns/cold.ts";
import { durability } from "./scenarios/kept-turns/durability.ts";
import { eventCost } from "./scenarios/kept-turns/event-cost.ts";
import { long } from "./scenarios/kept-turns/long.ts";
import { warm } from "./scenarios/kept-turns/warm.ts";
import { memory } from "./scenarios/memory.ts";
import { overload } from "./scenarios/overload.ts";
import { rejoin } from "./scenarios/rejoin.ts";
import { relay } from "./scenarios/relay.ts";
import { restart } from "./scenarios/restart.ts";
import { sessions } from "./scenarios/sessions.ts";
import { starts } from "./scenarios/starts.ts";
import { storm } from "./scenarios/storm.ts";
import { throughput } from "./scenarios/throughput.ts";

const scenarios: readonly Scenario[] = [
  firstText,
  throughput,
  relay,
  health,
  memory,
  starts,
  history,
  cliSpans,
  clients,
  storm,
  overload,
  restart,
  rejoin,
  duplicates,
  crashes,
  sessions,
  durability,
  eventCost,
  warm,
  long,
  cold,
  attach,
  against,
];
const checkout = fileURLToPath(new URL("..", import.meta.url));

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env, join(checkout, "bench", "results"));
  if (options.wantsHelp) {
    process.stdout.write(
      `${help}\nScenarios:\n${scenarios.map(({ name, about }) => `  ${name.padEnd(22)}${about}\n`).join("")}`,
    );
    return 0;
  }
  const chosen = choose(options);
  const cli = await new CliLocator({ path: undefined, env: process.env, clock: systemClock }).locate();
  if (cli.kind === "unavailable") throw new Error(`${cli.why}: ${cli.whatToDo}`);

  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new Error("stopped by a signal"));
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, onSignal);

  const conditions = conditionsNow(cli.version, checkout);
  const progress = new Progress(
    chosen.map((scenario) => ({ name: scenario.name, estimateMs: scenario.estimateMs(options) })),
    process.stderr,
    systemClock,
  );
  const startedAtMs = performance.now();
  const runs: ScenarioRun[] = [];
  const folder = await mkdtemp(join(tmpdir(), "bench-claude-runner-"));
  try {
    if (options.cpuProfileFolder !== undefined) await mkdir(options.cpuProfileFolder, { recursive: true });
    for (const scenario of chosen) {
      progress.begin();
      const own = join(folder, scenario.name);
      await mkdir(own, { recursive: true });
      const run = await runOne(scenario, options, {
        signal: stop.signal,
        cliPath: cli.path,
        folder: own,
        nodeFlags: [...commandFlags(join(checkout, "package.json")), ...options.nodeFlags],
        seed: options.seed,
        seconds: options.seconds,
        amounts: options.amounts,
        busyLoopCount: options.busyLoopCount,
        against: options.against,
        cpuProfileFolder: options.cpuProfileFolder && resolve(options.cpuProfileFolder),
        progress: (step, doneShare) => progress.step(step, doneShare),
      });
      if (stop.signal.aborted) break;
      runs.push(run);
    }
  } finally {
    progress.end();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  const run: BenchRun = {
    conditions,
    loadAfter: loadNow(),
    isQuick: options.isQuick,
    elapsedMs: performance.now() - startedAtMs,
    scenarios: runs,
  };
  process.stdout.write(summary(run));
  if (stop.signal.aborted) {
    process.stderr.write("Stopped before the end; nothing was written.\n");
    return 130;
  }
  if (options.resultsFolder !== undefined) {
    process.stdout.write(`\n${writeResults(run, options.resultsFolder).join("\n")}\n`);
  }
  if (runs.some(({ outcome }) => "error" in outcome)) return 1;
  const isVerdict = options.isStrict || chosen.some(({ isProof }) => isProof);
  return isVerdict && targetsOf(run).some(({ reached }) => !reached) ? 1 : 0;
}

/** The flags of Node that `npm start` runs the server with: the bench measures what people run. */
function commandFlags(manifest: string): readonly string[] {
  const { scripts } = JSON.parse(readFileSync(manifest, "utf8")) as { scripts: { start: string } };
  return scripts.start.split(" ").filter((word) => word.startsWith("--"));
}

function choose({ only }: BenchOptions): readonly Scenario[] {
  const isOf = (asked: string, { name }: Scenario) => name === asked || name.startsWith(`${asked}/`);
  const unknown = only.filter((asked) => !scenarios.some((scenario) => isOf(asked, scenario)));
  if (unknown.length > 0) {
    const known = scenarios.map(({ name }) => name).join(", ");
    throw new RangeError(`there is no scenario ${unknown.join(", ")}; known are ${known}`);
  }
  return only.length === 0
    ? scenarios.filter(({ isProof }) => !isProof)
    : scenarios.filter((scenario) => only.some((asked) => isOf(asked, scenario)));
}

async function runOne(scenario: Scenario, size: BenchOptions, bench: Bench): Promise<ScenarioRun> {
  const startedAtMs = performance.now();
  let outcome: ScenarioRun["outcome"];
  try {
    outcome = { result: await scenario.run(bench, size) };
  } catch (error) {
    outcome = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  const { name, about } = scenario;
  return { name, about, parameters: scenario.parametersOf(size), elapsedMs: performance.now() - startedAtMs, outcome };
}
