import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { provenVersion } from "../../../src/cli/program/locate.ts";

it("is proven with the version that is installed on every platform", () => {
  const file = new URL("../../../package.json", import.meta.url);
  const { optionalDependencies } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly optionalDependencies: Readonly<Record<string, string>>;
  };
  const pinned = Object.entries(optionalDependencies).filter(([name]) => name.startsWith("@anthropic-ai/claude-code-"));
  expect(pinned.length).toBeGreaterThan(0);
  expect(new Set(pinned.map(([, version]) => version))).toEqual(new Set([provenVersion]));
});
