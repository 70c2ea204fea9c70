import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WorkFolders } from "../../../src/cli/start/worker-folders.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { FakeClock } from "../../fake-clock.ts";
import { until } from "../../until.ts";

const cliSessionId = "11111111-1111-4111-8111-111111111111";

let parent: string;
let clock: FakeClock;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "folders-"));
  clock = new FakeClock();
});
afterEach(() => rm(parent, { recursive: true, force: true }));
const open = () => WorkFolders.open(parent, silentLog, clock);
const sessionsPath = () => join(parent, `claude-runner-sessions-${process.getuid?.()}`);
const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );
const gone = { pid: process.pid, startTicks: "1" };

describe("the folders of sessions", () => {
  it("are at the same place for every worker and server, and name neither", async () => {
    const first = await open();
    const folder = await first.make({ workerId: "w1", cliSessionId });
    await first.sweep(folder);
    await first.close();
    const second = await open();
    const again = await second.make({ workerId: "w7", cliSessionId });
    expect(again).toEqual(folder);
    const other = await second.make({ workerId: "w8", cliSessionId: "22222222-2222-4222-8222-222222222222" });
    expect(other.home).not.toBe(again.home);
    for (const path of [again.home, again.tmp, again.cwd]) {
      expect((await lstat(path)).mode & 0o777).toBe(0o700);
      expect(path).not.toMatch(/w7|1111/);
    }
    await second.sweep(again);
    await second.sweep(other);
    await second.close();
    expect(await readdir(parent)).toEqual([]);
  });

  it("keep to the operator's workspace", async () => {
    const folders = await open();
    const folder = await folders.make({ workerId: "w1", workspace: parent, cliSessionId });
    expect(folder.cwd).toBe(parent);
    await folders.sweep(folder);
    expect(await exists(parent)).toBe(true);
    await folders.close();
  });

  it("are one worker's at a time: the next one waits until it is swept", async () => {
    const folders = await open();
    const first = await folders.make({ workerId: "w1", cliSessionId });
    let second: unknown;
    const made = folders.make({ workerId: "w2", cliSessionId }).then((folder) => {
      second = folder;
    });
    await until(() => clock.pendingTimerCount > 0);
    await clock.advance(500);
    expect(second).toBeUndefined();
    await folders.sweep(first);
    await until(() => clock.pendingTimerCount > 0);
    await clock.advance(50);
    await made;
    expect(second).toEqual(first);
    await folders.close();
  });

  it("are not waited for when nobody wants the worker any more, and nothing is left of it then", async () => {
    const folders = await open();
    await folders.make({ workerId: "w1", cliSessionId });
    const abort = new AbortController();
    const made = folders.make({ workerId: "w2", cliSessionId }, abort.signal);
    await until(() => clock.pendingTimerCount > 0);
    abort.abort(new Error("not wanted"));
    await expect(made).rejects.toThrow("not wanted");
    expect(await exists(join(folders.path, "w2"))).toBe(false);
    await folders.close();
  });

  it("of a server that is gone are swept at the next start, those of a living one are not", async () => {
    const living = await open();
    const kept = await living.make({ workerId: "w1", cliSessionId });
    const left = join(sessionsPath(), "left");
    await mkdir(join(left, "home"), { recursive: true });
    await writeFile(join(left, "owner.json"), JSON.stringify(gone));
    const next = await open();
    expect([await exists(left), await exists(kept.path)]).toEqual([false, true]);
    await next.close();
    await living.close();
  });

  it("of a server that died a moment ago are taken over by the start that needs them", async () => {
    const folders = await open();
    const { path } = await folders.make({ workerId: "w1", cliSessionId });
    await writeFile(join(path, "home", "old"), "");
    await writeFile(join(path, "owner.json"), JSON.stringify(gone));
    const folder = await folders.make({ workerId: "w2", cliSessionId });
    expect(folder.path).toBe(path);
    expect(await exists(join(path, "home", "old"))).toBe(false);
    await folders.close();
  });

  it("that nobody owns any more, since their server died clearing up, are free after a while", async () => {
    const folders = await open();
    const { path } = await folders.make({ workerId: "w1", cliSessionId });
    await rename(join(path, "owner.json"), join(path, "former.json"));
    const made = folders.make({ workerId: "w2", cliSessionId });
    let isMade = false;
    void made.then(() => {
      isMade = true;
    });
    while (!isMade) {
      await until(() => isMade || clock.pendingTimerCount > 0);
      await clock.advance(50);
    }
    expect((await made).path).toBe(path);
    expect(clock.now()).toBeGreaterThanOrEqual(5_000);
    await folders.close();
  });

  it("are refused where somebody else could write, or has put a link", async () => {
    const folders = await open();
    await mkdir(sessionsPath());
    await chmod(sessionsPath(), 0o777);
    await expect(folders.make({ workerId: "w1", cliSessionId })).rejects.toThrow("not this user's own");
    await rm(sessionsPath(), { recursive: true });
    await symlink(parent, sessionsPath());
    await expect(folders.make({ workerId: "w2", cliSessionId })).rejects.toThrow("not this user's own");
    expect(await readdir(folders.path)).toEqual(["process.json"]);
    await folders.close();
  });
});
