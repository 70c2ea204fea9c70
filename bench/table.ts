/**
 * Figures and targets as tables, for a terminal and as Markdown.
 */
import type { Figure, Target, Unit } from "./scenario.ts";

type Row = readonly string[];

interface Table {
  readonly head: Row;
  readonly rows: readonly Row[];
  /** Whether a column holds numbers. */
  readonly isNumeric: readonly boolean[];
}

export function figureTable(figures: readonly Figure[]): Table {
  return {
    head: ["what", "unit", "min", "median", "p95", "max", "samples"],
    isNumeric: [false, false, true, true, true, true, true],
    rows: figures.map(({ name, unit, spread }) => [
      name,
      unit,
      ...[spread.min, spread.median, spread.p95, spread.max].map((value) => formatNumber(value, unit)),
      String(spread.count),
    ]),
  };
}

export function targetTable(targets: readonly Target[]): Table {
  return {
    head: ["target", "wanted", "measured", "reached"],
    isNumeric: [false, false, false, false],
    rows: targets.map(({ name, wanted, measured, reached }) => [name, wanted, measured, reached ? "yes" : "NO"]),
  };
}

/** Columns padded to their width, for a terminal. */
export function toText({ head, rows, isNumeric }: Table): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const line = (row: Row) =>
    row
      .map((cell, column) => (isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

export function toMarkdown({ head, rows, isNumeric }: Table): string {
  const line = (row: Row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${isNumeric.map((numeric) => (numeric ? "--:" : "---")).join("|")}|`, ...rows.map(line)].join(
    "\n",
  );
}

const wholeFrom: Readonly<Partial<Record<Unit, number>>> = {
  "events/s": 0,
  events: 0,
  MB: 100,
  ms: 100,
  "turns/s": 100,
};

/** As many digits as a reader can use. */
export function formatNumber(value: number, unit: Unit): string {
  const digits = Math.abs(value) >= (wholeFrom[unit] ?? 1000) ? 0 : Math.abs(value) < 10 ? 2 : 1;
  return value.toFixed(digits).replace(/\B(?=(\d{3})+$)/g, digits === 0 ? " " : "");
}
