import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restoreTranscript } from "../../../src/cli/transcript/restore-transcript.ts";
import { SessionTranscript } from "../../../src/cli/transcript/session-transcript.ts";

const id = "11111111-1111-4111-8111-111111111111";
const line = (text: string) => `${JSON.stringify({ sessionId: id, text })}\n`;
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "home-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const pathOf = (...steps: string[]) => join(home, ".claude", "projects", ...steps);
async function put(text: string, ...steps: string[]): Promise<void> {
  await mkdir(dirname(pathOf(...steps)), { recursive: true });
  await writeFile(pathOf(...steps), text);
}
const transcript = (more: Partial<{ sizeBytes: number; maxBytes: number }> = {}) =>
  new SessionTranscript({ cliSessionId: id, home, maxBytes: 1_000, sizeBytes: 0, ...more });

describe("the transcript of a session's process", () => {
  it("is empty before the first turn", async () => {
    expect((await transcript().read(0)).length).toBe(0);
    await expect(transcript({ sizeBytes: 5 }).read(5)).rejects.toMatchObject({ reason: "SESSION_SUSPENDED" });
  });

  it("is found by the session's id, whatever its folder is called, and read from any byte on in whole lines", async () => {
    await put(line("another"), "-work", "22222222-2222-4222-8222-222222222222.jsonl");
    await put(`${line("one")}${line("two")}{"half`, "-somewhere", `${id}.jsonl`);
    const read = transcript();
    expect(textOf(await read.read(0))).toBe(line("one") + line("two"));
    expect(textOf(await read.read(line("one").length))).toBe(line("two"));
    await appendFile(pathOf("-somewhere", `${id}.jsonl`), ' a line"}\n');
    expect(textOf(await read.read(line("one").length + line("two").length))).toBe('{"half a line"}\n');
  });

  it("is not read where it is too large, or shorter than it was", async () => {
    await put(line("x".repeat(2_000)), "-work", `${id}.jsonl`);
    await expect(transcript().read(0)).rejects.toThrow("is larger than 1000 bytes");
    await truncate(pathOf("-work", `${id}.jsonl`), 10);
    await expect(transcript({ sizeBytes: 20 }).read(20)).rejects.toThrow("is shorter than it was");
  });

  it("is never read through a link that a tool put there", async () => {
    const outside = await mkdtemp(join(tmpdir(), "outside-"));
    await writeFile(join(outside, `${id}.jsonl`), line("SECRET"));
    await mkdir(pathOf("-work"), { recursive: true });
    await symlink(join(outside, `${id}.jsonl`), pathOf("-work", `${id}.jsonl`));
    await symlink(outside, pathOf("-linked"));
    expect((await transcript().read(0)).length).toBe(0);
    await rm(pathOf("-work"), { recursive: true });
    await mkdir(join(outside, id, "tool-results"), { recursive: true });
    await writeFile(join(outside, id, "tool-results", "a.txt"), "SECRET");
    await mkdir(pathOf("-own", id), { recursive: true });
    await symlink(join(outside, id, "tool-results"), pathOf("-own", id, "tool-results"));
    expect(await transcript().files()).toEqual([]);
    await rm(outside, { recursive: true });
  });

  it("has the long outputs of tools beside it, each given once to those who know the others", async () => {
    await put("long output", "-work", id, "tool-results", "a.txt");
    await put("longer output", "-work", id, "tool-results", "b.txt");
    const name = `-work/${id}/tool-results/a.txt`;
    const all = await transcript().files();
    expect(all.map((file) => [file.name, textOf(file.data)])).toContainEqual([name, "long output"]);
    expect(all.length).toBe(2);
    expect((await transcript().files(new Set([name]))).map((file) => textOf(file.data))).toEqual(["longer output"]);
  });

  it("leaves out outputs that are too large", async () => {
    await put("x".repeat(900), "-work", id, "tool-results", "a.txt");
    await put("y".repeat(900), "-work", id, "tool-results", "b.txt");
    expect((await transcript().files()).length).toBe(1);
  });

  it("outlives its process: what was added since the last read can be read when its folder is gone", async () => {
    await put(line("one"), "-work", `${id}.jsonl`);
    await put("output", "-work", id, "tool-results", "a.txt");
    const read = transcript();
    const oneBytes = (await read.read(0)).length;
    await appendFile(pathOf("-work", `${id}.jsonl`), `${line("two")}{"ha`);
    await read.read(oneBytes);
    await appendFile(pathOf("-work", `${id}.jsonl`), `lf":"by kill"}\n{"`);
    await read.keep();
    await rm(home, { recursive: true });
    expect(textOf(await read.read(oneBytes))).toBe(`${line("two")}{"half":"by kill"}\n`);
    expect(textOf(await read.read(oneBytes + line("two").length))).toBe('{"half":"by kill"}\n');
    expect((await read.files()).map(({ name }) => name)).toEqual([`-work/${id}/tool-results/a.txt`]);
    await expect(read.read(0)).rejects.toThrow("was swept with its process");
    await expect(read.read(9_999)).rejects.toThrow("is shorter than it was");
  });

  it("says so when what was left of it could not be kept", async () => {
    await put(line("x".repeat(2_000)), "-work", `${id}.jsonl`);
    const read = transcript();
    await read.keep();
    await expect(read.read(0)).rejects.toThrow("is larger than 1000 bytes");
  });
});

describe("putting a transcript where a new process finds it", () => {
  const paths = () => ({ home, cwd: "/some/where" });
  const all = line("one") + line("two");
  const restore = (resume: Partial<Parameters<typeof restoreTranscript>[0]> = {}, signal?: AbortSignal) =>
    restoreTranscript(
      { transcript: new TextEncoder().encode(all), origin: "own", files: [], ...resume },
      { cliSessionId: id, paths: paths(), maxBytes: 1_000, signal },
    );

  it("gives it the session's name, with its files at their places", async () => {
    const name = `-some-where/${id}/tool-results/a.txt`;
    const sizeBytes = await restore({ files: [{ name, data: new TextEncoder().encode("output") }] });
    expect(sizeBytes).toBe(all.length);
    expect(await readFile(pathOf("-some-where", `${id}.jsonl`), "utf8")).toBe(all);
    expect(await readFile(pathOf(name), "utf8")).toBe("output");
    const read = transcript({ sizeBytes });
    expect((await read.read(sizeBytes)).length).toBe(0);
  });

  it("takes it in pieces of any size", async () => {
    const transcriptInPieces = (async function* () {
      for (const byte of new TextEncoder().encode(all)) yield Uint8Array.of(byte);
    })();
    await restore({ transcript: transcriptInPieces });
    expect(await readFile(pathOf("-some-where", `${id}.jsonl`), "utf8")).toBe(all);
  });

  it("rejects for one that is not whole", async () => {
    const cut = new TextEncoder().encode(all.slice(0, -1));
    await expect(restore({ transcript: cut })).rejects.toMatchObject({ reason: "SESSION_SUSPENDED" });
  });

  it.each(["../../../x", "-p/../tool-results/a", "-p/id/other/a", "/etc/x", "-p/id/tool-results/", "a"])(
    "puts no file at %s",
    async (name) => {
      await expect(restore({ files: [{ name, data: new Uint8Array() }] })).rejects.toThrow("a name that none can have");
    },
  );

  it("stops when nobody wants it any more", async () => {
    await expect(restore({}, AbortSignal.abort(new Error("not wanted")))).rejects.toThrow("not wanted");
  });
});
