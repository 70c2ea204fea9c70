import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeCli } from "../../src/cli/probe.ts";
import { CliLocator } from "../../src/cli/program/locate.ts";
import { WorkFolders } from "../../src/cli/start/worker-folders.ts";
import { systemClock } from "../../src/clock.ts";
import { probeSettings } from "../../src/config/probe-settings.ts";
import { startStandin } from "../../src/standin/standin-server.ts";
import { silentLog } from "../../src/telemetry/log.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "probe-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const locate = (path: string | undefined, env = {}) => new CliLocator({ path, env, clock: systemClock }).locate();
async function script(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

describe("the program", () => {
  it("is the installed one when the settings name none", async () => {
    expect(await locate(undefined)).toMatchObject({ kind: "found", version: "2.1.332", source: "package" });
  });

  it("is the one that the settings name, if it is new enough", async () => {
    const path = await script("claude", "echo '2.1.300 (Claude Code)'");
    expect(await locate(path)).toMatchObject({ kind: "found", path, version: "2.1.300", source: "settings" });
  });

  it.each([
    ["is too old", "echo 2.1.268", /2\.1\.268, older than 2\.1\.300/],
    ["fails", "exit 3", /does not report its version/],
    ["says something else", "echo hello", /does not report its version/],
  ])("is refused when it %s", async (_, text, why) => {
    expect(await locate(await script("other", text))).toMatchObject({
      kind: "unavailable",
      why: expect.stringMatching(why),
    });
  });

  it("is refused when it is not there, with what to do", async () => {
    expect(await locate(join(folder, "none"))).toMatchObject({
      kind: "unavailable",
      whatToDo: expect.stringMatching(/cli\.path/),
    });
  });

  it("is looked at again when it was not usable, and when it is another one", async () => {
    const path = await script("changing", "exit 1");
    const locator = new CliLocator({ path, env: {}, clock: systemClock });
    expect((await locator.locate()).kind).toBe("unavailable");
    await script("changing", "echo 2.1.332");
    const first = await locator.locate();
    expect(first.kind).toBe("found");
    expect(await locator.locate()).toBe(first);
    await script("changing", "echo '2.1.400 or so'");
    expect(await locator.locate()).toMatchObject({ version: "2.1.400" });
  });

  it("gets nothing of the server's environment when it is asked", async () => {
    const path = await script("nosy", 'test -z "$ANTHROPIC_API_KEY" && test "$HOME" != "" && echo 2.1.332');
    process.env.ANTHROPIC_API_KEY = "sk-ant-of-the-server";
    try {
      expect((await locate(path)).kind).toBe("found");
    } finally {
      delete process.env.ANTHROPIC_API_KEY;
    }
  });
});

describe("the probe", () => {
  it("finds what the proven CLI can do, by the requests that it sends", async () => {
    await using standin = await startStandin();
    const folders = await WorkFolders.open(folder, silentLog);
    const cli = await locate(undefined);
    if (cli.kind !== "found") throw new Error(cli.why);
    const sink = {
      url: standin.url,
      bodies: () => standin.requests.filter(({ path }) => path.startsWith("/v1/messages")).map(({ body }) => body),
    };
    expect(
      await probeCli({ cli, sink, settings: probeSettings(sink.url), folders, clock: systemClock, log: silentLog }),
    ).toEqual({
      cliVersion: "2.1.332",
      rewind: true,
      seeding: true,
      literalPrompts: true,
      detail: "",
    });
    await folders.close();
  });
});
