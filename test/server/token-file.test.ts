import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureTokenFile, makeToken, readTokenFile, TokenFileError } from "../../src/server/token-file.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "claude-runner-token-"));
  path = join(folder, "state", "token");
});
afterEach(() => rm(folder, { recursive: true }));

describe("the token file", () => {
  it("is made once, for its owner only, and read from then on", async () => {
    const made = await ensureTokenFile(path);
    expect(made).toMatchObject({ isNew: true, warnings: [] });
    expect(made.token).toMatch(/^crt_[A-Za-z0-9_-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "state"))).mode & 0o777).toBe(0o700);
    expect(await ensureTokenFile(path)).toEqual({ token: made.token, isNew: false, warnings: [] });
    expect(await readdir(join(folder, "state"))).toEqual(["token"]);
  });

  it("is the same one for servers that start at once", async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => ensureTokenFile(path)));
    expect(new Set(made.map(({ token }) => token)).size).toBe(1);
    expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await readdir(join(folder, "state"))).toEqual(["token"]);
  });

  it("is closed to others when it was open, and says so once", async () => {
    const { token } = await ensureTokenFile(path);
    await chmod(path, 0o644);
    const seen = await readTokenFile(path);
    expect(seen).toEqual({
      token,
      warnings: [expect.stringContaining("could be read by other users; it no longer can")],
    });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readTokenFile(path)).toEqual({ token, warnings: [] });
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    [
      "a link, as secret volumes have them",
      (at) => symlink("..data/token", at),
      /is a symbolic link; name another file/,
    ],
    ["a token of one's own", (at) => writeFile(at, "my-own-token\n"), /does not contain a token .* into auth\.tokens/],
    ["something long", (at) => writeFile(at, `crt_${"a".repeat(43)}${"\n".repeat(9000)}x`), /does not contain a token/],
    ["a folder", (at) => mkdir(at), /is a folder, not a file; .*auth\.tokens/],
    ["a pipe, at once", (at) => promisify(execFile)("mkfifo", [at]), /is a pipe, not a file; .*auth\.tokens/],
  ])("is refused in words that say what to do when it is %s", async (_what, make, words) => {
    await mkdir(join(folder, "state"));
    await make(path);
    await expect(ensureTokenFile(path)).rejects.toThrow(words);
    await expect(readTokenFile(path)).rejects.toThrow(TokenFileError);
  });

  it("names auth.tokenFile and auth.tokens where it cannot be made", async () => {
    await writeFile(join(folder, "state"), "");
    await expect(ensureTokenFile(path)).rejects.toThrow(
      /cannot be (made|read) \(ENOTDIR\); .*auth\.tokenFile.*auth\.tokens/,
    );
  });

  it("is warned about in a folder where others could take it away, but not in one like /tmp", async () => {
    await ensureTokenFile(path);
    await chmod(join(folder, "state"), 0o777);
    expect((await ensureTokenFile(path)).warnings).toEqual([expect.stringContaining("other users may write to")]);
    await chmod(join(folder, "state"), 0o1777);
    expect((await ensureTokenFile(path)).warnings).toEqual([]);
  });

  it("is not made by asking for it", async () => {
    expect(await readTokenFile(path)).toBeUndefined();
  });

  it("never holds the same token twice", () => {
    expect(makeToken()).not.toBe(makeToken());
  });
});
