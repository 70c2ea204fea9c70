/**
 * The token that is made at first start: a file of its own, readable by its owner only.
 *
 * Leaves out what the token opens (`policy/auth.ts`) and whether one is wanted at all: it is made only where the
 * settings name no token, see `main.ts`.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";

export interface TokenFile {
  readonly token: string;
  /** Whether it was made just now: show it to the person at the terminal, once. */
  readonly isNew: boolean;
  /** Whether others could read the file; they no longer can. Worth a warning: the token may be known. */
  readonly wasReadableByOthers: boolean;
}

/** Secret scanners and people know it by the prefix. */
const tokenPattern = /^crt_[A-Za-z0-9_-]{43}$/;

/** A new token: 256 random bits. */
export function makeToken(): string {
  return `crt_${randomBytes(32).toString("base64url")}`;
}

/** The token in the file, which is made if it is missing. Two servers that start at once get the same one. */
export async function ensureTokenFile(path: string): Promise<TokenFile> {
  const found = await readTokenFile(path);
  if (found !== undefined) return { ...found, isNew: false };
  const token = makeToken();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (await writeOnce(path, `${token}\n`)) return { token, isNew: true, wasReadableByOthers: false };
  const others = await readTokenFile(path);
  if (others === undefined) throw new Error(`the token file ${path} was there and is gone again`);
  return { ...others, isNew: false };
}

/** The token in the file; `undefined` if there is none. Closes the file to others. */
export async function readTokenFile(path: string): Promise<Omit<TokenFile, "isNew"> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if ((error as NodeJS.ErrnoException).code === "ELOOP") throw new Error(`the token file ${path} is a symbolic link`);
    throw error;
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new Error(`the token file ${path} is not a file`);
    if (process.getuid !== undefined && stat.uid !== process.getuid()) {
      throw new Error(`the token file ${path} belongs to another user`);
    }
    const wasReadableByOthers = (stat.mode & 0o077) !== 0;
    if (wasReadableByOthers) await file.chmod(0o600);
    const token = (await file.readFile("utf8")).trimEnd();
    if (!tokenPattern.test(token)) throw new Error(`the token file ${path} holds no token: delete it to get a new one`);
    return { token, wasReadableByOthers };
  } finally {
    await file.close();
  }
}

/** Writes a file that nobody ever sees half written; false if it is there already. */
async function writeOnce(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    // Unlike a rename, a link never replaces what another process made in the meantime.
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}
