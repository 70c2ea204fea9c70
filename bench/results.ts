/**
 * The results of a run as files: JSON with every sample, Markdown for people.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Conditions } from "./conditions.ts";
import { duration } from "./progress.ts";
import type { ScenarioParameters, ScenarioResult, Target } from "./scenario.ts";
import { figureTable, targetTable, toMarkdown, toText } from "./table.ts";

export interface ScenarioRun {
  readonly name: string;
  readonly about: string;
  readonly parameters: ScenarioParameters;
  readonly elapsedMs: number;
  readonly outcome: { readonly result: ScenarioResult } | { readonly error: string };
}

export interface BenchRun {
  readonly conditions: Conditions;
  readonly loadAfter: number;
  readonly isQuick: boolean;
  readonly elapsedMs: number;
  readonly scenarios: readonly ScenarioRun[];
}

export function targetsOf({ scenarios }: BenchRun): readonly Target[] {
  return scenarios.flatMap(({ outcome }) => ("result" in outcome ? outcome.result.targets : []));
}

/** The tables for a terminal. */
export function summary(run: BenchRun): string {
  const parts = run.scenarios.map(({ name, about, elapsedMs, outcome }) => {
    const body = "error" in outcome ? `FAILED: ${outcome.error}` : toText(figureTable(outcome.result.figures));
    return `${name}: ${about} (${duration(elapsedMs)})\n\n${body}${notesOf(outcome, "\n\n", "")}\n`;
  });
  const targets = targetsOf(run);
  const verdict = targets.length === 0 ? "" : `${toText(targetTable(targets))}\n\n${verdictOf(run)}\n`;
  return `${conditionLines(run).join("\n")}\n\n${parts.join("\n")}\n${verdict}`;
}

export function verdictOf(run: BenchRun): string {
  const targets = targetsOf(run);
  const missed = targets.filter(({ reached }) => !reached);
  const failed = run.scenarios.filter(({ outcome }) => "error" in outcome);
  return [
    missed.length === 0
      ? `All ${targets.length} targets were reached.`
      : `${missed.length} of ${targets.length} targets NOT reached: ${missed.map(({ name }) => name).join("; ")}.`,
    ...(failed.length > 0 ? [`Failed scenarios: ${failed.map(({ name }) => name).join(", ")}.`] : []),
  ].join(" ");
}

/** Writes both files and returns their paths. */
export function writeResults(run: BenchRun, folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const moment = run.conditions.startTime.slice(0, 19).replaceAll(":", "");
  const base = join(folder, `${moment}-${run.isQuick ? "quick" : "full"}`);
  writeFileSync(`${base}.json`, `${toJson(run)}\n`);
  writeFileSync(`${base}.md`, markdown(run));
  return [`${base}.json`, `${base}.md`];
}

/** One line for each list of numbers, three decimals: readable, and a tenth of the size. */
function toJson(run: BenchRun): string {
  const rounded = JSON.stringify(
    run,
    (_, value) => (typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value),
    1,
  );
  return rounded.replace(/\[[\d\s.,eE+-]*\]/g, (list) => list.replace(/\s+/g, ""));
}

function markdown(run: BenchRun): string {
  const parts = run.scenarios.map(({ name, about, parameters, outcome }) => {
    const body = "error" in outcome ? `Failed: ${outcome.error}` : toMarkdown(figureTable(outcome.result.figures));
    const given = Object.entries(parameters).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    return `## ${name}\n\n${about}. Parameters: ${given.join(", ")}.\n\n${body}\n${notesOf(outcome, "\n", "- ")}`;
  });
  const targets = targetsOf(run);
  return [
    `# Bench of ${run.conditions.startTime.slice(0, 10)}\n`,
    `${conditionLines(run)
      .map((line) => `- ${line}`)
      .join("\n")}\n`,
    ...(targets.length === 0 ? [] : [`${toMarkdown(targetTable(targets))}\n`, `${verdictOf(run)}\n`]),
    ...parts,
  ].join("\n");
}

function notesOf(outcome: ScenarioRun["outcome"], before: string, bullet: string): string {
  const notes = "result" in outcome ? (outcome.result.notes ?? []) : [];
  return notes.length === 0 ? "" : `${before}${notes.map((note) => `${bullet}${note}`).join("\n")}\n`;
}

function conditionLines({ conditions, loadAfter, isQuick, elapsedMs }: BenchRun): readonly string[] {
  const { startTime, cpuModel, coreCount, memoryBytes, os, nodeVersion, cliVersion, loadBefore, commit } = conditions;
  return [
    `${isQuick ? "Quick" : "Full"} run of ${startTime}, ${duration(elapsedMs)}, commit ${commit}`,
    `${cpuModel}, ${coreCount} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${os}`,
    `Node ${nodeVersion}, Claude Code ${cliVersion}, load average ${loadBefore} before and ${loadAfter} after`,
    "The model API is the stand-in on loopback, which answers at once: times are what is added to a real model's.",
    ...(loadBefore > coreCount / 2
      ? ["The machine had other work when the run began: compare within the run, not with other runs."]
      : []),
  ];
}
