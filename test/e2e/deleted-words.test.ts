/**
 * The words of deleted sessions, on the real Claude Code: a conversation of text and one with tools, whose transcript
 * Claude Code writes itself.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { until } from "../until.ts";
import { openScene, type ProfileInput } from "./scene.ts";
import { all, clients, reasonOf, textOf } from "./session-clients.ts";

const inPrompt = "canary-of-the-prompt-5e1d";
const inAnswer = "canary-of-the-answer-9c40";
const prompt = `${inPrompt} [[scenario text ${JSON.stringify({ text: inAnswer })}]]`;

/** The files below a folder that have one of the words. */
async function filesWith(folder: string, words: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    // A worker's file may go while it is looked for.
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (words.some((word) => bytes.includes(word))) found.push(path);
  }
  return found;
}

it("are nowhere in the state folder, in the workers' folders and in the log", async () => {
  const folder = await mkdtemp(join(tmpdir(), "runner-deleted-"));
  await mkdir(join(folder, "workspace"));
  const store = join(folder, "store");
  const tools: ProfileInput = {
    tools: ["Bash"],
    workspace: { path: join(folder, "workspace") },
    isolation: "none",
    tenant: "acme",
    minSpares: 0,
  };
  const scene = await openScene({
    settings: { store: { kind: "sqlite", folder: store }, profiles: { default: { minSpares: 0 }, tools } },
    untilWarm: false,
  });
  const words = [inPrompt, inAnswer];
  let isClosed = false;
  try {
    const acme = clients(scene);
    for (const profile of ["default", "tools"]) {
      const session = { id: profile, allowMissing: true };
      const events = await all(acme.runner.streamChat({ prompt, profile, session, requestId: profile }));
      expect(textOf(events)).toBe(inAnswer);
    }
    // They are there before: a search that finds nothing anywhere proves nothing.
    expect(await filesWith(store, words)).not.toEqual([]);
    expect(await filesWith(scene.workFolder, words)).not.toEqual([]);

    for (const id of ["default", "tools"]) {
      await acme.sessions.deleteSession({ id });
      expect(await reasonOf(acme.turns.getTurn({ turn: { case: "requestId", value: id } }))).toBe("TURN_NOT_FOUND");
    }
    await until(async () => (await filesWith(scene.workFolder, words)).length === 0);
    for (const word of words) expect(JSON.stringify(scene.book.lines)).not.toContain(word);
    // What its journal still has is gone within a minute, or when it is closed.
    await scene.close();
    isClosed = true;
    expect(await filesWith(store, words)).toEqual([]);
  } finally {
    if (!isClosed) await scene.close();
    await rm(folder, { recursive: true, force: true });
  }
});
