/**
 * h2spec against a port, and what its report says.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface H2Report {
  readonly caseCount: number;
  readonly skipped: readonly string[];
  /** `section | name` of each case that failed. */
  readonly failed: readonly string[];
}

export async function runH2spec(program: string, port: number, sections: readonly string[] = []): Promise<H2Report> {
  const folder = mkdtempSync(join(tmpdir(), "claude-runner-h2spec-"));
  try {
    const report = join(folder, "report.xml");
    const child = spawn(program, [...sections, "-h", "127.0.0.1", "-p", String(port), "-j", report], {
      stdio: "ignore",
    });
    await once(child, "exit");
    return readReport(readFileSync(report, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The report is XML but for control characters in it, which no XML reader takes. */
export function readReport(text: string): H2Report {
  const cases = text
    .split("<testcase ")
    .slice(1)
    .map((part) => {
      const [, section, name] = /^package="([^"]*)" classname="([^"]*)"/.exec(part) ?? [];
      const state = /<(failure|error)\b/.test(part) ? "failed" : /<skipped\b/.test(part) ? "skipped" : "passed";
      return { key: `${section} | ${unescaped(name ?? "")}`, state };
    });
  const keysOf = (wanted: string) => cases.filter(({ state }) => state === wanted).map(({ key }) => key);
  return { caseCount: cases.length, skipped: keysOf("skipped"), failed: keysOf("failed") };
}

const unescaped = (text: string) => text.replaceAll("&#34;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
