/**
 * What a scenario of the bench is, and what it brings home: figures with their spread, targets with a yes or a no, raw
 * samples.
 *
 * Leaves out how a scenario is run (`run.ts`) and how its results are shown (`table.ts`, `results.ts`).
 */
import type { Amounts } from "./options.ts";
import type { Spread } from "./stats.ts";
import { spreadOf } from "./stats.ts";

export type Unit = "" | "ms" | "µs" | "×" | "turns/s" | "events/s" | "MB" | "events";

/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly spread: Spread;
}

/** What the service promises, and whether this run kept it. */
export interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly measured: string;
  readonly reached: boolean;
}

export interface ScenarioResult {
  readonly figures: readonly Figure[];
  readonly targets: readonly Target[];
  /** Raw samples by series; for comparisons round by round. */
  readonly samples: Readonly<Record<string, readonly number[] | readonly (readonly number[])[]>>;
  /** What a reader has to know to read the figures. */
  readonly notes?: readonly string[];
}

/** What a scenario may use. */
export interface Bench {
  /** Aborts when the run is to end: everything that was started is ended then. */
  readonly signal: AbortSignal;
  /** The Claude Code program under test. */
  readonly cliPath: string;
  /** A private folder of the scenario's own; removed behind it. */
  readonly folder: string;
  /** Flags of Node for the server. */
  readonly nodeFlags: readonly string[];
  /** What makes a proof happen again as it did. */
  readonly seed: number;
  /** How long a proof is to take, or may take; `undefined`: as long as it says itself. */
  readonly seconds: number | undefined;
  /** How often a proof does what it does. */
  readonly amounts: Amounts;
  /** Processes that keep the machine busy during a proof. */
  readonly busyLoopCount: number;
  /** The checkout of an older build; `undefined`: none was named. */
  readonly against: string | undefined;
  /** Where V8's CPU profiles of the server go; `undefined`: none are made. */
  readonly cpuProfileFolder: string | undefined;
  /** Says what is being measured, and how much of the scenario is done, from 0 to 1. */
  progress(step: string, doneShare: number): void;
}

export interface Scenario {
  readonly name: string;
  /** What is measured, in one sentence. */
  readonly about: string;
  /** A proof runs when it is named only, and fails the run when a target of it is not reached. */
  readonly isProof: boolean;
  /** The parameters of a full and of a quick run; `rounds` is what BENCH_ROUNDS replaces. */
  parametersOf(size: RunSize): ScenarioParameters;
  /** A guess of how long it takes, in milliseconds. */
  estimateMs(size: RunSize): number;
  run(bench: Bench, size: RunSize): Promise<ScenarioResult>;
}

export interface RunSize {
  readonly isQuick: boolean;
  /** Replaces the rounds of every scenario. */
  readonly rounds: number | undefined;
}

export interface ScenarioParameters {
  readonly rounds: number;
}

/** Ties a scenario to the type of its parameters. */
export function defineScenario<P extends ScenarioParameters>(definition: {
  readonly name: string;
  readonly about: string;
  readonly isProof?: boolean;
  readonly full: P;
  readonly quick: P;
  estimateMs(parameters: P): number;
  run(parameters: P, bench: Bench): Promise<ScenarioResult>;
}): Scenario {
  const parametersOf = ({ isQuick, rounds }: RunSize): P => {
    const chosen = isQuick ? definition.quick : definition.full;
    return rounds === undefined ? chosen : { ...chosen, rounds };
  };
  return {
    name: definition.name,
    about: definition.about,
    isProof: definition.isProof ?? false,
    parametersOf,
    estimateMs: (size) => definition.estimateMs(parametersOf(size)),
    run: (bench, size) => definition.run(parametersOf(size), bench),
  };
}

export function figure(name: string, unit: Unit, samples: readonly number[]): Figure {
  return { name, unit, spread: spreadOf(samples) };
}
