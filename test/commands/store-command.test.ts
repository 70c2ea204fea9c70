import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import { runProgram } from "../../src/commands/program.ts";
import { storePaths } from "../../src/store/sqlite/store-files.ts";
import { say } from "../store/samples.ts";
import { closeStore, newFolder, openAt } from "../store/store-folder.ts";
import { testTerminal } from "./test-terminal.ts";

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const terminal = testTerminal({ env });
  const exitCode = await runProgram(["store", ...args], terminal);
  return { exitCode, ...terminal.written };
}

/** A closed store with one turn of one session. */
async function closedStore(folder = newFolder()): Promise<string> {
  const one = await openAt(folder);
  await say(one.store, "acme", "s", "a question", "an answer");
  await closeStore(one);
  return folder;
}

describe("claude-runner store", () => {
  it("checks a store, and fails when something is not as it must be", async () => {
    const folder = await closedStore();
    expect(await run(["check", "--folder", folder])).toMatchObject({
      exitCode: exitCodes.ok,
      stdout: "The store is as it must be.\n",
    });
    const db = new DatabaseSync(storePaths(folder).database);
    db.exec("update sessions set turn_count = 9");
    db.close();
    const { exitCode, stdout } = await run(["check", "--folder", folder]);
    expect(exitCode).toBe(exitCodes.failed);
    expect(stdout).toMatch(/session s counts 9 turns, and has 1\n1 problem\n$/);
    const { stdout: json } = await run(["check", "--folder", folder, "--json"]);
    expect(JSON.parse(json)).toMatchObject({ folder, problemCount: 1, serverPids: [] });
  });

  it("says that a server has the store open, and does it no harm", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    const { stdout } = await run(["check", "--folder", folder]);
    expect(stdout).toContain(`A server has it open (process ${process.pid}).`);
    expect((await run(["compact", "--folder", folder])).stdout).toMatch(/only free pages were given back/);
    await say(one.store, "acme", "s", "a question", "an answer");
    expect((await run(["export", "--folder", folder])).stdout.split("\n")).toHaveLength(3);
  });

  it("exports JSON lines, with words only when they are asked for", async () => {
    const folder = await closedStore();
    const records = async (...more: string[]) =>
      (await run(["export", "--folder", folder, ...more])).stdout
        .trim()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    expect(await records()).toMatchObject([
      { record: "session", id: "s", tenant: "acme" },
      { record: "turn", sessionId: "s", outcome: "completed" },
    ]);
    expect(await records("--content")).toContainEqual(expect.objectContaining({ record: "part", text: "a question" }));
    expect(await records("--tenant", "other")).toEqual([]);
  });

  it("backs a store up beside its server, so that another server can go on with the copy", async () => {
    const folder = newFolder();
    const one = await openAt(folder);
    await say(one.store, "acme", "s", "a question", "an answer");
    const copy = newFolder();
    const { exitCode, stdout } = await run(["backup", "--folder", folder, "--to", copy]);
    expect([exitCode, stdout]).toEqual([
      exitCodes.ok,
      expect.stringMatching(/^The store is copied to .*: \d+ MiB\.\n$/),
    ]);
    const { store } = await openAt(copy);
    expect(await store.conversation("acme", "s")).toHaveLength(1);
    const again = await run(["backup", "--folder", folder, "--to", copy]);
    expect([again.exitCode, again.stderr]).toEqual([exitCodes.failed, expect.stringMatching(/there is a store in/)]);
    const { stdout: json } = await run(["backup", "--folder", folder, "--to", newFolder(), "--json"]);
    expect(JSON.parse(json)).toMatchObject({ folder, lostTurnCount: 0, serverPids: [process.pid] });
  });

  it("adopts what a server refuses", async () => {
    const folder = newFolder();
    await openAt(folder);
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    const refused = await run(["check", "--folder", copy]);
    expect(refused.exitCode).toBe(exitCodes.failed);
    expect(refused.stderr).toMatch(/is a copy that was made while a server had the store open.*store adopt/);
    expect(await run(["adopt", "--folder", copy])).toMatchObject({ exitCode: exitCodes.ok });
    expect(await run(["check", "--folder", copy])).toMatchObject({ exitCode: exitCodes.ok });
  });

  it("finds the store where a server keeps it", async () => {
    const state = join(newFolder(), "state");
    mkdirSync(join(state, "claude-runner"), { recursive: true });
    await closedStore(join(state, "claude-runner", "store"));
    expect(await run(["check"], { XDG_STATE_HOME: state })).toMatchObject({ exitCode: exitCodes.ok });
  });

  it("refuses what makes no sense, and makes no store where there is none", async () => {
    const folder = newFolder();
    expect(await run(["check", "--folder", folder])).toMatchObject({
      exitCode: exitCodes.failed,
      stderr: `error: there is no store in ${folder}\n`,
    });
    expect(existsSync(folder)).toBe(false);
    expect(await run(["burn", "--folder", folder])).toMatchObject({ exitCode: exitCodes.usage });
    expect((await run(["backup", "--folder", folder])).stderr).toMatch(/needs --to/);
    expect((await run(["check", "--folder", folder, "--to", "/x"])).stderr).toMatch(/no other action has it/);
    expect((await run(["check", "--folder", folder, "--content"])).stderr).toMatch(/are for `store export`/);
  });
});
