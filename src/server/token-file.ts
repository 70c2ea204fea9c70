/**
 * The token that is made at first start: a file of its own, readable by its owner only.
 *
 * Leaves out what the token opens (`policy/auth.ts`) and whether one is wanted at all: it is made only where the
 * settings name no token, see `main.ts`.
 */
import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, link, open, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { isOpenToOthers, makeFolder } from "./private-folder.ts";

export interface TokenFile {
  readonly token: string;
  /** Whether it was made just now: show it to the person at the terminal, once. */
  readonly isNew: boolean;
  /** What is worth a line in the log: the token may be known, or may be taken away. */
  readonly warnings: readonly string[];
}

/** Why a token file cannot be used: what is wrong with it, and what a server can be given in its place. */
export class TokenFileError extends Error {
  override readonly name = "TokenFileError";
  readonly path: string;
  /** What is wrong, such as `is a symbolic link`; goes on from the file's name. */
  readonly problem: string;

  constructor(path: string, problem: string, whatToDo = elsewhere) {
    super(`the token file ${path} ${problem}; ${whatToDo}`);
    this.path = path;
    this.problem = problem;
  }
}

const elsewhere =
  "name another file in auth.tokenFile, or put the token's hash into auth.tokens (`claude-runner token` makes both)";

/** Secret scanners and people know it by the prefix. */
const tokenPattern = /^crt_[A-Za-z0-9_-]{43}$/;
/** A token is 47 bytes; what is longer is none. */
const maxFileBytes = 4_096;

/** A new token: 256 random bits. */
export function makeToken(): string {
  return `crt_${randomBytes(32).toString("base64url")}`;
}

/**
 * The token in the file, which is made if it is missing. Two servers that start at once get the same one. Throws
 * TokenFileError.
 */
export async function ensureTokenFile(path: string): Promise<TokenFile> {
  const found = (await readTokenFile(path)) ?? (await makeTokenFile(path));
  const warnings = [...found.warnings, ...(await folderWarnings(path))];
  return { isNew: false, ...found, warnings };
}

async function makeTokenFile(path: string): Promise<Omit<TokenFile, "isNew"> & { readonly isNew?: true }> {
  const token = makeToken();
  try {
    await makeFolder(dirname(path));
    if (await writeOnce(path, `${token}\n`)) return { token, isNew: true, warnings: [] };
  } catch (error) {
    throw new TokenFileError(path, `cannot be made (${codeOf(error)})`);
  }
  const others = await readTokenFile(path);
  if (others === undefined) throw new TokenFileError(path, "was deleted while it was read");
  return others;
}

/**
 * The token in the file; `undefined` if there is none. Closes the file to others, unless it is only looked at. Throws
 * TokenFileError.
 */
export async function readTokenFile(
  path: string,
  { mayClose = true }: { readonly mayClose?: boolean } = {},
): Promise<Omit<TokenFile, "isNew"> | undefined> {
  let file: FileHandle;
  try {
    // A pipe that nobody writes to would hold the start for ever; like this it opens at once, and is refused.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    throw new TokenFileError(path, code === "ELOOP" ? "is a symbolic link" : `cannot be read (${code})`);
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new TokenFileError(path, `is ${kindOf(found)}, not a file`);
    if (process.getuid !== undefined && found.uid !== process.getuid()) {
      throw new TokenFileError(path, "belongs to another user");
    }
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxFileBytes), 0, maxFileBytes, 0);
    const token = buffer.toString("utf8", 0, bytesRead).trimEnd();
    if (bytesRead === maxFileBytes || !tokenPattern.test(token)) {
      const how = "delete it to get a new one; put the SHA-256 of your own token into auth.tokens";
      throw new TokenFileError(path, "does not contain a token that this server made", how);
    }
    const isOpen = (found.mode & 0o077) !== 0;
    return {
      token,
      warnings: isOpen ? [mayClose ? await closed(file, path) : `${path} can be read by other users`] : [],
    };
  } catch (error) {
    throw error instanceof TokenFileError ? error : new TokenFileError(path, `cannot be read (${codeOf(error)})`);
  } finally {
    await file.close();
  }
}

/** Closes the file to others, and says how that went. A mount that cannot be changed is the operator's business. */
async function closed(file: FileHandle, path: string): Promise<string> {
  try {
    await file.chmod(0o600);
    return `the token file ${path} could be read by other users; it no longer can`;
  } catch (error) {
    return `the token file ${path} can be read by other users, and this cannot be changed (${codeOf(error)})`;
  }
}

async function folderWarnings(path: string): Promise<readonly string[]> {
  const folder = dirname(path);
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined || !isOpenToOthers(found)) return [];
  return [`other users may write to ${folder}, the folder of the token file, and so replace the token: use chmod 700`];
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a folder";
  return found.isFIFO() ? "a pipe" : "a device";
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown error";
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
