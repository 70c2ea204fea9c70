import { defineConfig } from "vitest/config";

/**
 * What people see of a server: a run of its own, started by `npm run observability`, which finds the programs that it
 * needs and names them in the environment.
 */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    // Each file has servers of its own, and the machine's few cores to itself.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});
