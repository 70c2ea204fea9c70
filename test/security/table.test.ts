/** The table of negative tests: every row has its test. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { rows, securityReference } from "./table.ts";

describe("the table of negative tests", () => {
  it("names only tests that there are", () => {
    const lost = rows.filter(({ source, test }) => {
      const text = readFileSync(new URL(`../../${source}`, import.meta.url), "utf8");
      return source.endsWith(".test.ts") && !text.includes(test);
    });
    expect(lost).toEqual([]);
  });

  it("tells its rows apart by name", () => {
    const names = rows.map(({ file, test }) => `${file} ${test}`);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it("is in docs/security.md as it is (else: npm run docs)", () => {
    expect(readFileSync(new URL("../../docs/security.md", import.meta.url), "utf8")).toContain(securityReference());
  });
});
