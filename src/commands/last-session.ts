/**
 * Which session was used last with which server, from this machine by this user: what `chat --continue` goes on with.
 *
 * A file in the state folder, beside the token. It has ids of sessions, and no words.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { stateFolder } from "../config/user-folders.ts";
import { makePrivateFolder } from "../store/sqlite/store-files.ts";

const fileSchema = z.record(z.string(), z.string());

/** Servers that are remembered; the one that was used longest ago is forgotten first. */
const maxServers = 100;

/** `undefined`: none is known. A file that cannot be read counts as none. */
export function lastSession(env: NodeJS.ProcessEnv, server: string): string | undefined {
  const file = fileOf(env);
  return file === undefined ? undefined : read(file)[server];
}

/** Does nothing where there is no place for it: the next `--continue` says that no session is known. */
export function rememberSession(env: NodeJS.ProcessEnv, server: string, sessionId: string): void {
  const file = fileOf(env);
  if (file === undefined) return;
  const known = read(file);
  if (known[server] === sessionId) return;
  const others = Object.entries(known).filter(([name]) => name !== server);
  const all = Object.fromEntries([...others, [server, sessionId] as const].slice(-maxServers));
  try {
    makePrivateFolder(dirname(file));
    const draft = `${file}.${process.pid}.tmp`;
    writeFileSync(draft, `${JSON.stringify(all, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(draft, file);
  } catch {
    // A folder that cannot be written: the turn has been answered all the same.
  }
}

function fileOf(env: NodeJS.ProcessEnv): string | undefined {
  const folder = stateFolder(env);
  return folder === undefined ? undefined : join(folder, "last-sessions.json");
}

function read(file: string): Readonly<Record<string, string>> {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return {};
  }
}
