import { defineConfig } from "vitest/config";

/** The client's own tests: no claude-runner server, no CLI. */
export default defineConfig({ test: { root: import.meta.dirname, include: ["test/**/*.test.ts"] } });
