/**
 * What a person may say when starting the bench: flags, and environment variables for the same.
 */
import { parseArgs } from "node:util";

/** What a proof does so often; `undefined`: as often as it says itself. */
export interface Amounts {
  readonly cuts: number | undefined;
  readonly submits: number | undefined;
  readonly kills: number | undefined;
}

export interface BenchOptions {
  /** The scenarios to run, by name. Empty: all. */
  readonly only: readonly string[];
  readonly isQuick: boolean;
  /** Exit code 1 when a target is not reached. */
  readonly isStrict: boolean;
  readonly rounds: number | undefined;
  /** For the proofs: what happens when. */
  readonly seed: number;
  /** For the proofs: how long; `undefined`: as long as each says. */
  readonly seconds: number | undefined;
  /** Processes that keep the machine busy meanwhile, for the proofs. */
  readonly busyLoopCount: number;
  /** For the proofs: how much of it. */
  readonly amounts: Amounts;
  /** The checkout of an older build to measure this one against; `undefined`: none. */
  readonly against: string | undefined;
  /** Flags of Node for the servers, beside those of `npm start`. */
  readonly nodeFlags: readonly string[];
  /** Where V8's CPU profiles of the servers go. */
  readonly cpuProfileFolder: string | undefined;
  /** Where results go; `undefined`: they are only shown. */
  readonly resultsFolder: string | undefined;
  readonly wantsHelp: boolean;
}

export const help = `Measures claude-runner against a process per turn and against raw pipes, on the real CLI.

  npm run bench -- [flags]

  --only NAME[,NAME]      only these scenarios, or groups of them   BENCH_ONLY
  --quick                 few samples, about a minute                BENCH_QUICK=1
  --rounds N              so many rounds of each scenario            BENCH_ROUNDS
  --strict                exit code 1 when a target is not reached; always so for the proofs
  --seed N                proofs: what happens when; default 1       BENCH_SEED
  --seconds N             proofs: how long it happens, or may take   BENCH_SECONDS
  --cuts N                proof rejoin: so many cuts
  --submits N             proof duplicates: so many submits
  --kills N               proof crashes: so many kills
  --busy-loops N          proofs: so many busy processes beside it   BENCH_BUSY_LOOPS
  --results FOLDER        where JSON and Markdown go                 BENCH_RESULTS
  --no-results            only show them
  --against FOLDER        proof against: an older checkout, with node_modules BENCH_AGAINST
  --node-flags "FLAGS"    further flags of Node for the servers      BENCH_NODE_FLAGS
  --cpu-profile FOLDER    V8 CPU profiles of the servers             BENCH_CPU_PROFILE
  --help
`;

/** Throws an error whose message is for the person. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv, defaultResults: string): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: env.BENCH_ONLY ?? "" },
      quick: { type: "boolean", default: env.BENCH_QUICK === "1" },
      rounds: { type: "string", ...(env.BENCH_ROUNDS !== undefined && { default: env.BENCH_ROUNDS }) },
      seed: { type: "string", default: env.BENCH_SEED ?? "1" },
      seconds: { type: "string", ...(env.BENCH_SECONDS !== undefined && { default: env.BENCH_SECONDS }) },
      "busy-loops": { type: "string", default: env.BENCH_BUSY_LOOPS ?? "0" },
      cuts: { type: "string" },
      submits: { type: "string" },
      kills: { type: "string" },
      strict: { type: "boolean", default: false },
      results: { type: "string", default: env.BENCH_RESULTS ?? defaultResults },
      "no-results": { type: "boolean", default: false },
      against: { type: "string", ...(env.BENCH_AGAINST !== undefined && { default: env.BENCH_AGAINST }) },
      "node-flags": { type: "string", default: env.BENCH_NODE_FLAGS ?? "" },
      "cpu-profile": { type: "string", ...(env.BENCH_CPU_PROFILE !== undefined && { default: env.BENCH_CPU_PROFILE }) },
      help: { type: "boolean", default: false },
    },
  });
  return {
    only: values.only.split(",").filter((name) => name !== ""),
    isQuick: values.quick,
    isStrict: values.strict,
    rounds: values.rounds === undefined ? undefined : whole("rounds", values.rounds, 1),
    seed: whole("seed", values.seed, 0),
    seconds: values.seconds === undefined ? undefined : whole("seconds", values.seconds, 1),
    busyLoopCount: whole("busy-loops", values["busy-loops"], 0),
    amounts: {
      cuts: amount("cuts", values.cuts),
      submits: amount("submits", values.submits),
      kills: amount("kills", values.kills),
    },
    against: values.against,
    nodeFlags: values["node-flags"].split(" ").filter((flag) => flag !== ""),
    cpuProfileFolder: values["cpu-profile"],
    resultsFolder: values["no-results"] ? undefined : values.results,
    wantsHelp: values.help,
  };
}

function amount(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : whole(name, text, 1);
}

function whole(name: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) {
    throw new RangeError(`${name} is a whole number from ${least} on, not ${text}`);
  }
  return number;
}
