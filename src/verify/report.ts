/**
 * The suite's report for a person, as a table, and for a program, as JSON.
 */

import { type CaseOutcome, type CaseResult, isFailure } from "./case-outcome.ts";
import type { Difference } from "./compare.ts";
import type { Progress, VerifyReport } from "./run.ts";

/** How a text looks; does nothing where that would end up in a file. */
export interface ReportStyle {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** The table, the differences below their rows, and the verdict. */
export function reportText(report: VerifyReport, style: ReportStyle): string {
  const lines = [
    `${style.bold(`Claude Code ${report.cli.version}`)}  ${style.dim(report.cli.path)}`,
    ...(report.capabilities.detail === "" ? [] : [style.yellow(`  ${report.capabilities.detail}`)]),
  ];
  const nameColumns = Math.max(...report.results.map(({ name }) => name.length));
  let group = "";
  for (const result of report.results) {
    if (result.group !== group) lines.push("", style.bold(result.group));
    group = result.group;
    lines.push(...rowsOf(result, nameColumns, style));
  }
  lines.push("", verdict(report, style), "");
  return lines.join("\n");
}

/** One line while the suite runs. */
export function progressText({ doneCount, totalCount, result }: Progress): string {
  return `${doneCount}/${totalCount}  ${result.group}: ${result.name}`;
}

/** For JSON. What fails is counted, so that nobody has to know the kinds. */
export function reportData(report: VerifyReport): object {
  const failureCount = report.results.filter(({ outcome }) => isFailure(outcome)).length;
  return { ...report, counts: countsOf(report.results), failureCount };
}

function rowsOf(
  { name, outcome, leaseCount, durationMs }: CaseResult,
  nameColumns: number,
  style: ReportStyle,
): string[] {
  const leases = leaseCount === 0 ? "" : `${leaseCount} ${leaseCount === 1 ? "lease" : "leases"}`;
  const figures = style.dim(`${leases.padStart(9)} ${`${durationMs} ms`.padStart(9)}`);
  const row = `  ${markOf(outcome, style)} ${name.padEnd(nameColumns)} ${figures}  ${wordsOf(outcome, style)}`;
  const difference = outcome.kind === "leak" ? outcome.difference : undefined;
  return difference === undefined ? [row] : [row, ...differenceRows(difference, style)];
}

function differenceRows({ where, fresh, reused }: Difference, style: ReportStyle): string[] {
  return [
    `      ${style.bold(where)}`,
    `        ${style.green(`fresh   ${fresh}`)}`,
    `        ${style.red(`reused  ${reused}`)}`,
  ];
}

function markOf(outcome: CaseOutcome, style: ReportStyle): string {
  if (isFailure(outcome)) return style.red("✗");
  if (outcome.kind === "notApplicable") return style.dim("·");
  return outcome.kind === "ended" && !outcome.expected ? style.yellow("!") : style.green("✓");
}

function wordsOf(outcome: CaseOutcome, style: ReportStyle): string {
  switch (outcome.kind) {
    case "identical":
      return outcome.note === undefined ? "identical" : `identical; ${outcome.note}`;
    case "clean":
      return "clean";
    case "ended":
      return outcome.expected
        ? `worker ended: ${outcome.why}`
        : style.yellow(`worker ended although it could be reset: ${outcome.why}`);
    case "leak":
      return style.red(`LEAK: ${outcome.what}`);
    case "notEnded":
      return style.red("the worker should have ended but would have been used again");
    case "notApplicable":
      return style.dim(`not applicable: ${outcome.reason}`);
    case "broken":
      return style.red(`could not be carried out: ${outcome.error}`);
    default:
      return outcome satisfies never;
  }
}

type Counts = Readonly<Record<CaseOutcome["kind"], number>>;

function countsOf(results: readonly CaseResult[]): Counts {
  const counts = { identical: 0, clean: 0, ended: 0, leak: 0, notEnded: 0, notApplicable: 0, broken: 0 };
  for (const { outcome } of results) counts[outcome.kind]++;
  return counts;
}

function verdict(report: VerifyReport, style: ReportStyle): string {
  const counts = countsOf(report.results);
  const parts = [
    [counts.identical, "identical"],
    [counts.clean, "clean"],
    [counts.ended, "ended the worker"],
    [counts.notApplicable, "not applicable"],
    [counts.leak, counts.leak === 1 ? "LEAK" : "LEAKS"],
    [counts.notEnded, "without the expected end"],
    [counts.broken, "could not be carried out"],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const seconds = (report.durationMs / 1000).toFixed(1);
  const summary = `${report.results.length} cases in ${seconds} s, seed ${report.seed}: ${told.join(", ")}.`;
  const words = report.hasPassed
    ? "Nothing crossed from one turn to another."
    : "Do not reuse workers with this version.";
  return `${summary}\n${report.hasPassed ? style.green(words) : style.red(words)}`;
}
