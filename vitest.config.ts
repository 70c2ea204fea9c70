import { defineConfig } from "vitest/config";

/**
 * `unit` is what a developer runs at every save: no process is started. `process` starts programs (the fake CLI, the
 * real one) and has room for it on a slow machine.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.process.test.ts", "test/e2e/**", "test/live/**", "test/observability/**"],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "process",
          include: ["test/**/*.process.test.ts", "test/e2e/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
