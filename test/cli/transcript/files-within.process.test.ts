import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openFileWithin } from "../../../src/cli/transcript/files-within.ts";

it("a pipe in the place of a file is not waited for", async () => {
  const folder = await mkdtemp(join(tmpdir(), "within-"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  await writeFile(join(folder, "file"), "text");
  expect(await openFileWithin(folder, ["pipe"])).toBeUndefined();
  const file = await openFileWithin(folder, ["file"]);
  expect(await file?.readFile("utf8")).toBe("text");
  await file?.close();
  await rm(folder, { recursive: true });
});
