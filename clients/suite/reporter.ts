/**
 * A reporter for the suite: one line for each client, whatever fails in full, and the results in a file for the table.
 */
import { writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";
import { type CellResult, resultsVariable } from "./results.ts";
import { step } from "./steps.ts";

/** How much of an error is shown, in characters. */
const maxErrorChars = 8_000;

export default class SuiteReporter implements Reporter {
  readonly #startedAtMs = new Map<string, number>();

  onTestSuiteReady(suite: TestSuite): void {
    this.#startedAtMs.set(suite.id, performance.now());
  }

  onTestSuiteResult(suite: TestSuite): void {
    const tests = [...suite.children.allTests()];
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const skipped = count("skipped") > 0 ? `, ${count("skipped")} not served` : "";
    const isGood = suite.state() !== "failed";
    const what = `${suite.module.relativeModuleId.replace(".test.ts", "")}: ${count("passed")} of ${tests.length} hold${skipped}`;
    step(suite.name, what, performance.now() - (this.#startedAtMs.get(suite.id) ?? 0), isGood);
    for (const error of suite.errors()) process.stdout.write(`\n${error.stack ?? error.message}\n\n`);
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result();
    if (state !== "failed") return;
    process.stdout.write(`\n✗ ${test.fullName}\n`);
    for (const { message, diff, stacks = [] } of errors) {
      process.stdout.write(`${indented(`${message}\n${diff ?? ""}`.slice(0, maxErrorChars))}\n`);
      for (const { file, line } of stacks.slice(0, 5)) process.stdout.write(`    at ${file}:${line}\n`);
    }
    process.stdout.write("\n");
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    for (const { message } of unhandled) process.stdout.write(`\n${message}\n`);
    for (const module of modules) {
      for (const { message } of module.errors()) process.stdout.write(`\n${module.relativeModuleId}: ${message}\n`);
    }
    const file = process.env[resultsVariable];
    if (file === undefined) return;
    writeFileSync(file, JSON.stringify(modules.flatMap((module) => [...module.children.allTests()].flatMap(cellOf))));
  }
}

function cellOf(test: TestCase): CellResult | readonly [] {
  const { behaviour } = test.meta();
  const { state } = test.result();
  if (behaviour === undefined || state === "pending") return [];
  return { ...behaviour, state };
}

function indented(text: string): string {
  return text.trim().replace(/^/gm, "    ");
}
