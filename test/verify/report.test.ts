import { describe, expect, it } from "vitest";
import type { CaseOutcome } from "../../src/verify/case-outcome.ts";
import { reportData, reportText } from "../../src/verify/report.ts";
import type { VerifyReport } from "../../src/verify/run.ts";

const plain = (text: string) => text;
const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain };

function reportOf(...outcomes: readonly CaseOutcome[]): VerifyReport {
  return {
    cli: { path: "/opt/claude", version: "2.1.332", source: "settings" },
    capabilities: { cliVersion: "2.1.332", rewind: true, seeding: true, literalPrompts: true, detail: "" },
    seed: 7,
    results: outcomes.map((outcome, at) => ({
      group: "Answers",
      name: `case ${at + 1}`,
      outcome,
      leaseCount: 2,
      durationMs: 12,
    })),
    durationMs: 1_234,
    hasPassed: false,
  };
}

const leak: CaseOutcome = {
  kind: "leak",
  what: "it differs",
  difference: { where: "request 1, body at $.x", fresh: "this", reused: "that" },
};

describe("the report", () => {
  it("shows a leak with both sides, and the verdict last", () => {
    const lines = reportText(reportOf({ kind: "identical" }, leak), style)
      .trimEnd()
      .split("\n");
    const at = lines.findIndex((line) => line.includes("LEAK: it differs"));
    expect(lines[at]).toMatch(/^ {2}✗ case 2 /);
    expect(lines.slice(at + 1, at + 4).map((line) => line.trim())).toEqual([
      "request 1, body at $.x",
      "fresh   this",
      "reused  that",
    ]);
    expect(lines.at(-2)).toBe("2 cases in 1.2 s, seed 7: 1 identical, 1 LEAK.");
    expect(lines.at(-1)).toContain("Do not reuse workers");
  });

  it("tells an end that was due from one that was not", () => {
    const ended = (expected: boolean): CaseOutcome => ({ kind: "ended", expected, why: "compacted" });
    const text = reportText(reportOf(ended(true), ended(false)), style);
    expect(text).toMatch(/✓ case 1 .* worker ended: compacted/);
    expect(text).toMatch(/! case 2 .* although it could be reset: compacted/);
  });

  it("counts for programs what fails", () => {
    const missing: CaseOutcome[] = [{ kind: "notEnded" }, { kind: "broken", error: "no" }];
    const safe: CaseOutcome[] = [{ kind: "clean" }, { kind: "notApplicable", reason: "too old" }];
    expect(reportData(reportOf(leak, ...missing, ...safe))).toMatchObject({
      failureCount: 3,
      counts: { leak: 1, notEnded: 1, broken: 1, clean: 1, notApplicable: 1, identical: 0, ended: 0 },
    });
  });
});
