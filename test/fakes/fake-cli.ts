/**
 * Gives a test a fake CLI: the path of one executable, with its script and its record beside it in a folder of its own.
 * Nothing has to be in the environment, so it can be named as `cli.path`.
 */
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FakeScript } from "./script.ts";

/** A line of the record: what a process was started with, what it read, or what an act noted. */
export interface RecordEntry {
  readonly pid: number;
  readonly started?: {
    readonly args: readonly string[];
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
  };
  readonly in?: Readonly<Record<string, unknown>>;
  readonly grandchild?: number;
}

export interface FakeCli extends AsyncDisposable {
  /** What to spawn. */
  readonly path: string;
  /** Everything that its processes have noted so far, in order. */
  record(): Promise<readonly RecordEntry[]>;
}

/** Removed with everything it noted when it is disposed of; its processes are the caller's to end. */
export async function makeFakeCli(script: FakeScript = {}): Promise<FakeCli> {
  const folder = await mkdtemp(join(tmpdir(), "fake-claude-"));
  const path = join(folder, "claude");
  const recordPath = join(folder, "record.jsonl");
  const scriptPath = join(folder, "script.json");
  await writeFile(recordPath, "");
  await writeFile(scriptPath, JSON.stringify(script));
  const program = fileURLToPath(new URL("claude.ts", import.meta.url));
  // Without it each start would strip the types again, which takes longer and more memory than all the rest.
  const compiled = fileURLToPath(new URL("../../node_modules/.cache/fake-claude", import.meta.url));
  await writeFile(
    path,
    [
      "#!/bin/sh",
      `FAKE_CLAUDE_SCRIPT=${quote(scriptPath)} FAKE_CLAUDE_RECORD=${quote(recordPath)} \\`,
      `NODE_COMPILE_CACHE=${quote(compiled)} \\`,
      `exec ${quote(process.execPath)} ${quote(program)} "$@"`,
      "",
    ].join("\n"),
  );
  await chmod(path, 0o755);
  return {
    path,
    async record() {
      const lines = (await readFile(recordPath, "utf8")).split("\n").filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as RecordEntry);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
