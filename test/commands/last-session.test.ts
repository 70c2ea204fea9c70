import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lastSession, rememberSession } from "../../src/commands/last-session.ts";

let folder: string;
let env: NodeJS.ProcessEnv;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "claude-runner-last-"));
  env = { XDG_STATE_HOME: folder };
  file = join(folder, "claude-runner", "last-sessions.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the session that was used last", () => {
  it("is remembered for each server, for its owner only", () => {
    expect(lastSession(env, "one:7433")).toBeUndefined();
    rememberSession(env, "one:7433", "trip");
    rememberSession(env, "two:7433", "work");
    rememberSession(env, "one:7433", "rome");
    expect(lastSession(env, "one:7433")).toBe("rome");
    expect(lastSession(env, "two:7433")).toBe("work");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("is forgotten for the server that was used longest ago when there are too many", () => {
    for (let at = 0; at <= 100; at += 1) rememberSession(env, `server${at}`, "s");
    expect(Object.keys(JSON.parse(readFileSync(file, "utf8")) as object)).toHaveLength(100);
    expect(lastSession(env, "server0")).toBeUndefined();
    expect(lastSession(env, "server100")).toBe("s");
  });

  it("is none when the file is broken, and the next one is remembered all the same", () => {
    rememberSession(env, "one:7433", "trip");
    writeFileSync(file, "{");
    expect(lastSession(env, "one:7433")).toBeUndefined();
    rememberSession(env, "one:7433", "rome");
    expect(lastSession(env, "one:7433")).toBe("rome");
  });

  it("is nobody's failure where there is no place for it", () => {
    const nowhere = { XDG_STATE_HOME: join(folder, "a-file") };
    writeFileSync(nowhere.XDG_STATE_HOME, "");
    rememberSession(nowhere, "one:7433", "trip");
    expect(lastSession(nowhere, "one:7433")).toBeUndefined();
  });
});
