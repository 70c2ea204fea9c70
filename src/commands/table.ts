/**
 * A table for a terminal: as wide as there is room, with the columns that matter least left out where there is little.
 */
import { type Cell, clipped, painted } from "./cells.ts";

export interface Column<Row> {
  readonly title: string;
  readonly isRight?: boolean;
  /** The one with the lowest rank is left out first. */
  readonly rank: number;
  readonly cell: (row: Row) => Cell;
}

/** The last column, which takes what is left; left out where no column can make room for it. */
export interface LastColumn<Row> {
  readonly title: string;
  readonly minColumns: number;
  readonly maxColumns: number;
  /** The cell, `columns` wide at most, as it is written. */
  readonly cell: (row: Row, columns: number) => string;
}

export interface TableOptions<Row> {
  /** No line is longer. */
  readonly columns: number;
  /** How the titles look. */
  readonly paintTitle: (text: string) => string;
  readonly last?: LastColumn<Row>;
}

const gap = "  ";
/** So many columns stay however little room there is for the last one. */
const keptCount = 2;

/** The lines of the table, its titles first. */
export function table<Row>(rows: readonly Row[], all: readonly Column<Row>[], options: TableOptions<Row>): string[] {
  const { columns, paintTitle, last } = options;
  const shown = all.map((column) => {
    const cells = rows.map(column.cell);
    return { ...column, cells, width: Math.max(column.title.length, ...cells.map(({ text }) => text.length)) };
  });
  const width = () => shown.reduce((sum, column) => sum + column.width + gap.length, -gap.length);
  const leaveOutOne = () => {
    const lowest = Math.min(...shown.map(({ rank }) => rank));
    shown.splice(
      shown.findIndex(({ rank }) => rank === lowest),
      1,
    );
  };
  while (shown.length > 1 && width() > columns) leaveOutOne();
  const lastNeeds = last === undefined ? 0 : gap.length + last.minColumns;
  while (shown.length > keptCount && width() + lastNeeds > columns) leaveOutOne();
  const room = columns - width() - gap.length;
  const lastWidth = last !== undefined && room >= last.minColumns ? Math.min(room, last.maxColumns) : 0;

  const lineOf = (cells: readonly Cell[], end: string) => {
    const parts = shown.map(({ isRight, width: columnWidth }, at) => {
      const { text, paint } = cells[at]!;
      const padding = " ".repeat(columnWidth - text.length);
      return isRight ? padding + painted({ text, paint }) : painted({ text, paint }) + padding;
    });
    return [...parts, ...(lastWidth > 0 ? [end] : [])].join(gap).trimEnd();
  };
  if (width() > columns) {
    const [only] = shown;
    return [{ text: only!.title, paint: paintTitle }, ...only!.cells].map((cell) => clipped([cell], columns));
  }
  const titles = shown.map(({ title }) => ({ text: title, paint: paintTitle }));
  return [
    lineOf(titles, paintTitle((last?.title ?? "").slice(0, lastWidth))),
    ...rows.map((row, at) =>
      lineOf(
        shown.map(({ cells }) => cells[at]!),
        lastWidth > 0 ? last!.cell(row, lastWidth) : "",
      ),
    ),
  ];
}
