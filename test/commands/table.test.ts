import fc from "fast-check";
import { expect, test } from "vitest";
import { type Column, table } from "../../src/commands/table.ts";

interface Row {
  readonly name: string;
  readonly count: number;
}

const rows: Row[] = [
  { name: "a", count: 5 },
  { name: "bcd", count: 123 },
];
const name: Column<Row> = { title: "name", rank: 9, cell: (row) => ({ text: row.name }) };
const count: Column<Row> = { title: "count", isRight: true, rank: 1, cell: (row) => ({ text: String(row.count) }) };
const paintTitle = (text: string) => text;
const bar = { title: "bar", minColumns: 4, maxColumns: 6, cell: (_: Row, columns: number) => "#".repeat(columns) };

test("columns are as wide as what is in them, numbers stand at the right", () => {
  expect(table(rows, [name, count], { columns: 40, paintTitle })).toEqual([
    "name  count",
    "a         5",
    "bcd     123",
  ]);
});

test("what colours a cell takes no room", () => {
  const red = (text: string) => `\x1b[31m${text}\x1b[39m`;
  const painted: Column<Row> = { ...name, cell: (row) => ({ text: row.name, paint: red }) };
  const [, first] = table(rows, [painted, count], { columns: 40, paintTitle });
  expect(first).toBe(`${red("a")}         5`);
});

test("the last column takes what is left, up to its most", () => {
  expect(table(rows, [name], { columns: 11, paintTitle, last: bar })).toEqual([
    "name  bar",
    "a     #####",
    "bcd   #####",
  ]);
  expect(table(rows, [name], { columns: 40, paintTitle, last: bar })[1]).toBe("a     ######");
});

test("where there is little room the columns that matter least go, then the last one, then the titles are cut", () => {
  const options = { paintTitle, last: bar };
  const third: Column<Row> = { title: "third", rank: 5, cell: () => ({ text: "x" }) };
  const titles = (columns: number) => table(rows, [name, count, third], { columns, ...options })[0];
  expect(titles(24)).toBe("name  count  third  bar");
  expect(titles(23)).toBe("name  third  bar");
  expect(titles(16)).toBe("name  third");
  expect(titles(10)).toBe("name  bar");
  expect(titles(9)).toBe("name");
  expect(titles(3)).toBe("nam");
});

test("no line is ever longer than there is room", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: fc.string({ maxLength: 30 }), count: fc.nat() }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      (some, columns, hasLast) => {
        const lines = table(some, [name, count], { columns, paintTitle, ...(hasLast && { last: bar }) });
        expect(lines).toHaveLength(some.length + 1);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      },
    ),
  );
});
