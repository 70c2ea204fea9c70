import { defineConfig } from "vitest/config";

/**
 * The behaviour suite: a run of its own, started by `npm run clients`. CLIENTS names the languages, separated by commas.
 */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    // Servers are shared, and so are the machine's few cores.
    fileParallelism: false,
    reporters: ["./reporter.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
