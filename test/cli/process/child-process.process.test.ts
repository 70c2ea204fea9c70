import { afterEach, describe, expect, it } from "vitest";
import { ChildProcess } from "../../../src/cli/process/child-process.ts";
import { FakeClock } from "../../fake-clock.ts";

const clock = new FakeClock();
const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.signalGroup("SIGKILL");
});

async function start(path: string, args: readonly string[] = []): Promise<ChildProcess> {
  const child = await ChildProcess.start({ path, args, env: {}, cwd: "/", clock, writeTimeoutMs: 1_000 });
  started.push(child);
  return child;
}

describe("the input of a process", () => {
  it("gets a line in pieces whole, and what is written meanwhile behind it, in order", async () => {
    const child = await start("/bin/cat");
    let output = "";
    child.read((chunk) => {
      output += chunk.toString();
    });
    const piece = "x".repeat(200_000);
    const made: number[] = [];
    const pieces = function* () {
      for (let at = 0; at < 5; at++) {
        made.push(at);
        yield piece;
      }
    };
    const written = [
      child.write("before"),
      child.write(pieces()),
      child.write("between"),
      child.write(pieces()),
      child.write("after"),
    ];
    expect(made).toEqual([]); // made when there is room, not before
    await Promise.all(written);
    expect(made).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    await child.write("whole again");
    child.endInput();
    await child.exited;
    const long = piece.repeat(5);
    expect(output.split("\n")).toEqual(["before", long, "between", long, "after", "whole again", ""]);
  });

  it("gets no more of a line that it did not take in time", async () => {
    const child = await start("/bin/sleep", ["60"]);
    let made = 0;
    const endless = function* () {
      for (;;) {
        made += 1;
        yield "x".repeat(200_000);
      }
    };
    const written = child.write(endless());
    const next = child.write("never");
    const both = Promise.allSettled([written, next]);
    await clock.advance(1_000);
    expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const madeThen = made;
    child.signalGroup("SIGKILL");
    await child.exited;
    expect(made).toBe(madeThen);
  });

  it("refuses a line in pieces when the process has gone", async () => {
    const child = await start("/bin/true");
    await child.exited;
    await expect(child.write(["x"])).rejects.toThrow("closed");
  });
});
