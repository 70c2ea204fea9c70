import { describe, expect, it } from "vitest";
import { asTyped, programName } from "../../src/commands/invocation.ts";

const from = (script: string | undefined, workingFolder = "/home/me", path = "/usr/local/bin:/usr/bin") => ({
  script,
  env: { PATH: path },
  workingFolder,
});

describe("a hint", () => {
  it.each<[string, ReturnType<typeof from>, string]>([
    ["a program on PATH", from("/usr/local/bin/claude-runner"), "claude-runner"],
    ["a program that is not on PATH", from("/opt/x/bin/claude-runner"), "/opt/x/bin/claude-runner"],
    ["a checkout, from its folder", from("/src/runner/bin/claude-runner.js", "/src/runner"), "bin/claude-runner.js"],
    ["a checkout, from bin", from("/src/runner/bin/claude-runner.js", "/src/runner/bin"), "./claude-runner.js"],
    ["a checkout, from elsewhere", from("/src/runner/bin/claude-runner.js"), "/src/runner/bin/claude-runner.js"],
    ["a folder with a blank", from("/my src/bin/claude-runner.js"), "'/my src/bin/claude-runner.js'"],
    [
      "npm, which has its folder on PATH for a moment",
      from("/app/node_modules/.bin/claude-runner", "/app", "/app/node_modules/.bin:/usr/bin"),
      "npx --no claude-runner",
    ],
    [
      "npm, by the launcher's real path",
      from("/app/node_modules/claude-runner/bin/claude-runner.js", "/app"),
      "npx --no claude-runner",
    ],
    ["nothing that is known", from(undefined), "claude-runner"],
  ])("can be typed where it is read: %s", (_what, invocation, name) => {
    expect(programName(invocation)).toBe(name);
    expect(asTyped("run `claude-runner chat`", invocation)).toBe(`run \`${name} chat\``);
  });

  it("changes command lines only", () => {
    const text = "claude-runner 0.1.0 in ~/.config/claude-runner/claude-runner.yaml, a claude-runner chatter";
    expect(asTyped(text, from("/src/bin/claude-runner.js"))).toBe(text);
    expect(asTyped("Usage: claude-runner <command>", from("/src/bin/claude-runner.js", "/src"))).toBe(
      "Usage: bin/claude-runner.js <command>",
    );
  });
});
