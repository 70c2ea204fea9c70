/**
 * A key that is replaced while the server runs, on the real CLI: the next turn has the new one, whichever worker serves it.
 */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { failureOf } from "../contract/transports.ts";
import { openScene, type Scene, testSettings } from "./scene.ts";

let folder: string;
let keyFile: string;
let version = 0;

/** Puts a key where a secret volume would: a new folder, and a link that is swapped in one step. */
async function mount(key: string): Promise<void> {
  version += 1;
  const fresh = `..${version}`;
  await mkdir(join(folder, fresh));
  await writeFile(join(folder, fresh, "key"), `${key}\n`);
  await symlink(fresh, join(folder, "..data_tmp"));
  await rename(join(folder, "..data_tmp"), join(folder, "..data"));
}

it("a credential of Foundry opens the model API at its address, with its key", async () => {
  const passEnv = ["CLAUDE_CODE_USE_FOUNDRY", "ANTHROPIC_FOUNDRY_BASE_URL", "ANTHROPIC_FOUNDRY_API_KEY"];
  const scene = await openScene({
    settings: { credentials: { default: { passEnv } } },
    env: (url) => ({
      CLAUDE_CODE_USE_FOUNDRY: "1",
      ANTHROPIC_FOUNDRY_BASE_URL: url,
      ANTHROPIC_FOUNDRY_API_KEY: "foundry-key-0123456789",
    }),
  });
  try {
    expect((await scene.client.chat({ prompt: "Hello." })).text).not.toBe("");
    expect(scene.standin.requests.at(-1)?.headers["x-api-key"]).toBe("foundry-key-0123456789");
  } finally {
    await scene.close();
  }
});

describe("a key that is replaced while the server runs", () => {
  let scene: Scene;
  let accepted = "first-key-0123456789";
  let refusal = 401;
  const settings = (url: string) => ({
    credentials: { default: { baseUrl: url, apiKeyFile: keyFile } },
    profiles: { default: { minSpares: 1 } },
  });
  const replacing = ({ message }: { message: string }) => message.startsWith("a credential has changed");
  const used = () => scene.standin.requests.map(({ headers }) => String(headers["x-api-key"]));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rotation-"));
    keyFile = join(folder, "key");
    await mount(accepted);
    await symlink("..data/key", keyFile);
    scene = await openScene({ settingsFor: settings });
    scene.standin.script(({ headers }) =>
      headers["x-api-key"] === accepted ? undefined : { steps: [{ play: { answer: "error", status: refusal } }] },
    );
  });
  afterAll(async () => {
    await scene?.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(() => {
    refusal = 401;
  });

  it("reaches the next turn, on the worker that served before and on a spare", async () => {
    await scene.client.chat({ prompt: "One." });
    await scene.client.chat({ prompt: "Two." });
    const from = scene.book.position;
    accepted = "second-key-0123456789";
    await mount(accepted);
    const answers = await Promise.all([
      scene.client.chat({ prompt: "Three." }),
      scene.client.chat({ prompt: "Four.", systemPrompt: "Be short." }),
    ]);
    expect(answers.map(({ text }) => text !== "")).toEqual([true, true]);
    expect(used().slice(-2)).toEqual([accepted, accepted]);
    const told = await scene.book.wait(replacing, from);
    expect(told).toMatchObject({ level: "info", credential: "default" });
  });

  it.each([401, 403])("reaches the turn after one that was refused with %d", async (status) => {
    refusal = status;
    const old = accepted;
    await scene.client.chat({ prompt: "Before." });
    const from = scene.book.position;
    accepted = `key-for-${status}-0123456789`;
    // Revoked before the file has the new one.
    expect(await failureOf(scene.client.chat({ prompt: "Revoked." }))).toMatchObject({ reason: "UPSTREAM_AUTH" });
    expect(used().at(-1)).toBe(old);
    await scene.book.wait(({ message, why }) => message === "recycle" && why === "after_upstream_error", from);
    await mount(accepted);
    expect((await scene.client.chat({ prompt: "After." })).text).not.toBe("");
    expect(used().at(-1)).toBe(accepted);
  });

  it("replaces idle workers at a reload, without a turn", async () => {
    await scene.client.chat({ prompt: "Warm." });
    const from = scene.book.position;
    accepted = "third-key-0123456789";
    await mount(accepted);
    await scene.runner.reload(testSettings(scene.standin.url, scene.workFolder, settings(scene.standin.url)));
    await scene.book.wait(({ message, why }) => message === "recycle" && why === "outdated", from);
    await scene.client.chat({ prompt: "New." });
    expect(used().at(-1)).toBe(accepted);
  });

  it("goes on with the old one while the file has none, and says so once", async () => {
    const from = scene.book.position;
    await mount("two words");
    await scene.client.chat({ prompt: "Still there?" });
    await scene.client.chat({ prompt: "And now?" });
    const told = scene.book.lines.slice(from).filter(({ message }) => message.includes("can no longer be read"));
    expect(told).toMatchObject([{ level: "warn", why: expect.stringContaining("more than one word") }]);
    await mount(accepted);
  });

  it("is in no line of the log", () => {
    const log = JSON.stringify(scene.book.lines);
    for (const key of new Set(used())) expect(log).not.toContain(key);
  });
});
