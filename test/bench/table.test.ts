import { describe, expect, it } from "vitest";
import { figure } from "../../bench/scenario.ts";
import { figureTable, formatNumber, targetTable, toMarkdown, toText } from "../../bench/table.ts";

describe("the tables of the bench", () => {
  it("give numbers as many digits as a reader can use", () => {
    expect(formatNumber(0.1234, "ms")).toBe("0.12");
    expect(formatNumber(12.34, "ms")).toBe("12.3");
    expect(formatNumber(512.3, "ms")).toBe("512");
    expect(formatNumber(25_432.1, "events/s")).toBe("25 432");
    expect(formatNumber(1_025_432.1, "events/s")).toBe("1 025 432");
  });

  it("line numbers up on the right", () => {
    const lines = toText(figureTable([figure("a", "ms", [1]), figure("a longer name", "ms", [1000])])).split("\n");
    expect(lines[2]).toHaveLength(lines[3]!.length);
    expect(lines[3]).toMatch(/^a longer name {2}ms .* 1 000 +1$/);
  });

  it("say plainly when a target was not reached", () => {
    const table = targetTable([{ name: "first | text", wanted: "< 1", measured: "2", reached: false }]);
    expect(toText(table)).toContain("NO");
    expect(toMarkdown(table)).toContain("| first \\| text | < 1 | 2 | NO |");
  });
});
