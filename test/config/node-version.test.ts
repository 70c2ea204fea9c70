import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isNodeNewEnough, neededNode } from "../../src/config/node-version.ts";

describe("the needed version of Node", () => {
  it("is compared by its numbers", () => {
    expect(["v24.15.0", "24.21.3", "25.0.0", "v100.1.0"].map(isNodeNewEnough)).toEqual([true, true, true, true]);
    expect(["v24.14.1", "24.9.0", "v20.19.0", "v9.99.9"].map(isNodeNewEnough)).toEqual([false, false, false, false]);
  });

  it("is the one that the launcher looks for", () => {
    const launcher = readFileSync(new URL("../../bin/claude-runner.js", import.meta.url), "utf8");
    expect(launcher).toContain(`const needed = { major: ${neededNode.major}, minor: ${neededNode.minor} };`);
  });
});
