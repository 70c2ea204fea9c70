import { defineConfig } from "vitest/config";

/**
 * `unit` is what a developer runs at every save: no process is started. `process` starts programs (the fake CLI, the
 * real one) and has room for it on a slow machine. `web` is the page in a real Chromium, which has to be installed.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.process.test.ts", "test/e2e/**", "test/observability/**", "test/browser/**"],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "process",
          include: ["test/**/*.process.test.ts", "test/e2e/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: "web",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: "test/browser/find-chromium.ts",
          // Room for a page that is slowed down on a machine that is slow.
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: 1,
          expect: { poll: { timeout: 90_000 } },
        },
      },
    ],
  },
});
