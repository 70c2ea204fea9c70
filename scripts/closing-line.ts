/**
 * A reporter for Vitest that ends a run with one plain line: `123 passed, 0 failed, 4 skipped`.
 */
import type { Reporter, TestModule } from "vitest/node";

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== "pending") counts[state] += 1;
      }
      // A file that does not load has no tests that could fail.
      if (module.state() === "failed" && module.errors().length > 0) counts.failed += 1;
    }
    counts.failed += errors.length;
    // The other reporters have the last word only if this one waits for them.
    setImmediate(() => console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`));
  }
}
