import { execFile } from "node:child_process";
import { describe, expect, it } from "vitest";

const log = new URL("../../src/telemetry/log.ts", import.meta.url).href;

/** What a program writes to stderr that logs and then ends as told. */
function linesOf(end: string): Promise<readonly string[]> {
  const script = `
    const { createLog } = await import(${JSON.stringify(log)});
    const log = createLog({ level: "info" });
    for (let at = 0; at < 500; at++) log.info({ at, text: "x".repeat(100) }, "line");
    ${end}
  `;
  return new Promise((resolve) => {
    execFile(process.execPath, ["--input-type=module", "-e", script], (_error, _stdout, stderr) => {
      resolve(stderr.split("\n").filter((line) => line.startsWith('{"level"')));
    });
  });
}

describe("lines that are gathered before they are written", () => {
  it.each([
    ["by itself", ""],
    ["by an exit", "process.exit(3)"],
    ["by an error that nobody catches", 'throw new Error("bug")'],
  ])("are all there when the program ends %s, in their order", async (_, end) => {
    const lines = await linesOf(end);
    expect(lines.map((line) => JSON.parse(line).at)).toEqual(Array.from({ length: 500 }, (_, at) => at));
  });

  it("go out at once with a warning", async () => {
    const lines = await linesOf(
      'log.warn({ at: 500 }, "now"); setTimeout(() => process.kill(process.pid, "SIGKILL"), 40)',
    );
    expect(lines).toHaveLength(501);
  });
});
