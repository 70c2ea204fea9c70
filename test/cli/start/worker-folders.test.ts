import { chmod, lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WorkFolders } from "../../../src/cli/start/worker-folders.ts";
import { silentLog } from "../../../src/telemetry/log.ts";

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "folders-"));
});
afterEach(() => rm(parent, { recursive: true, force: true }));
const open = () => WorkFolders.open(parent, silentLog);
const mode = async (path: string) => (await lstat(path)).mode & 0o777;
const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );
/** A base as a server leaves it. */
async function leftover(name: string, owner: object | undefined): Promise<string> {
  const path = join(parent, name);
  await mkdir(join(path, "w1", "home"), { recursive: true });
  await chmod(path, 0o700);
  if (owner) await writeFile(join(path, "process.json"), JSON.stringify(owner));
  return path;
}

describe("the workers' folders", () => {
  it("are private, and gone after the sweep", async () => {
    const folders = await open();
    const folder = await folders.make({ workerId: "w1" });
    expect(await Promise.all([folders.path, folder.home, folder.tmp, folder.cwd].map(mode))).toEqual([
      0o700, 0o700, 0o700, 0o700,
    ]);
    await folders.sweep(folder);
    expect(await exists(folder.path)).toBe(false);
    await folders.close();
    expect(await readdir(parent)).toEqual([]);
  });

  it("leave the operator's workspace alone", async () => {
    const workspace = join(parent, "code");
    await mkdir(workspace);
    const folders = await open();
    const folder = await folders.make({ workerId: "w1", workspace });
    expect(folder.cwd).toBe(workspace);
    await folders.sweep(folder);
    expect(await exists(workspace)).toBe(true);
    await folders.close();
  });

  it("are swept also where a tool took rights away, and nothing behind a link is", async () => {
    const outside = join(parent, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "kept"), "");
    const folders = await open();
    const folder = await folders.make({ workerId: "w1" });
    await mkdir(join(folder.tmp, "a", "b"), { recursive: true });
    await symlink(outside, join(folder.tmp, "link"));
    await chmod(join(folder.tmp, "a"), 0o000);
    await folders.sweep(folder);
    expect([await exists(folder.path), await exists(join(outside, "kept"))]).toEqual([false, true]);
    await folders.close();
  });

  it("of a server that is gone are swept at the next start, those of a living one are not", async () => {
    const gone = await leftover("claude-runner-gone", { pid: process.pid, startTicks: "1" });
    const living = await open();
    const next = await open();
    expect([await exists(gone), await exists(living.path)]).toEqual([false, true]);
    await living.close();
    await next.close();
  });

  it("are not swept when it is not certain whose they are", async () => {
    const unmarked = await leftover("claude-runner-unmarked", undefined);
    const open_ = await leftover("claude-runner-open", { pid: process.pid, startTicks: "1" });
    await chmod(open_, 0o755);
    const other = await leftover("something-else", { pid: process.pid, startTicks: "1" });
    const init = await leftover("claude-runner-init", { pid: 1, startTicks: "1" });
    await (await open()).close();
    expect(await Promise.all([unmarked, open_, other, init].map(exists))).toEqual([true, true, true, true]);
  });
});
