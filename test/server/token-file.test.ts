import { chmod, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureTokenFile, makeToken, readTokenFile } from "../../src/server/token-file.ts";

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
    expect(made).toMatchObject({ isNew: true, wasReadableByOthers: false });
    expect(made.token).toMatch(/^crt_[A-Za-z0-9_-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "state"))).mode & 0o777).toBe(0o700);
    expect(await ensureTokenFile(path)).toEqual({ token: made.token, isNew: false, wasReadableByOthers: false });
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
    expect(await readTokenFile(path)).toEqual({ token, wasReadableByOthers: true });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readTokenFile(path)).toEqual({ token, wasReadableByOthers: false });
  });

  it("is refused when it is a link or holds something else", async () => {
    const foreign = join(folder, "foreign");
    await writeFile(foreign, "not a token\n", { mode: 0o600 });
    await expect(ensureTokenFile(foreign)).rejects.toThrow(/holds no token/);
    await symlink(foreign, join(folder, "link"));
    await expect(ensureTokenFile(join(folder, "link"))).rejects.toThrow(/symbolic link/);
  });

  it("is not made by asking for it", async () => {
    expect(await readTokenFile(path)).toBeUndefined();
  });

  it("never holds the same token twice", () => {
    expect(makeToken()).not.toBe(makeToken());
  });
});
