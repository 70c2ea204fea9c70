/**
 * Which Claude Code program the workers are: the one that the settings name, else the one that came with this package,
 * else `claude` on PATH. Asked for its version before it is used.
 *
 * An unusable program is a value, not an error: the server is up without one, says what to do, and looks again.
 */
import { constants } from "node:fs";
import { access, mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import type { Clock } from "../../clock.ts";
import { runToEnd } from "../process/child-process.ts";
import { quiet } from "../start/launch.ts";

export const oldestVersion = "2.1.300";
/** The version with which everything here was measured. */
export const provenVersion = "2.1.332";

const versionTimeoutMs = 15_000;

export type LocatedCli =
  | {
      readonly kind: "found";
      readonly path: string;
      readonly version: string;
      readonly source: "settings" | "package" | "path";
      /** Changes when the program does. */
      readonly fingerprint: string;
    }
  | { readonly kind: "unavailable"; readonly why: string; readonly whatToDo: string };

export type FoundCli = Extract<LocatedCli, { kind: "found" }>;

export interface LocateOptions {
  /** The program that the settings name. */
  readonly path: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

const install = `install @anthropic-ai/claude-code ${provenVersion}, or name the program in the setting cli.path`;

export class CliLocator {
  readonly #options: LocateOptions;
  #last: { readonly fingerprint: string; readonly located: LocatedCli } | undefined;

  constructor(options: LocateOptions) {
    this.#options = options;
  }

  /** The program that `locate` would ask for its version. Runs nothing. */
  candidate(): Promise<Candidate | Unavailable> {
    return findCandidate(this.#options);
  }

  /** Looks. The program is only run again when it is another file than the last time, or was not usable. */
  async locate(): Promise<LocatedCli> {
    const candidate = await findCandidate(this.#options);
    if ("kind" in candidate) return candidate;
    const fingerprint = await fingerprintOf(candidate.path);
    if (fingerprint === undefined) {
      return { kind: "unavailable", why: "the program cannot be read", whatToDo: install };
    }
    if (this.#last?.fingerprint === fingerprint && this.#last.located.kind === "found") return this.#last.located;
    const located = await tryVersion(candidate, fingerprint, this.#options.clock);
    this.#last = { fingerprint, located };
    return located;
  }
}

/** A program that may be Claude Code. */
export interface Candidate {
  readonly path: string;
  readonly source: "settings" | "package" | "path";
}

type Unavailable = Extract<LocatedCli, { kind: "unavailable" }>;

async function findCandidate({ path, env }: LocateOptions): Promise<Candidate | Unavailable> {
  if (path !== undefined) {
    // A bare name is one of PATH, never a file of the folder that the server happens to be started in.
    const named = isAbsolute(path) ? path : await findOnPath(path, env);
    if (named !== undefined && (await isProgram(named))) return { path: named, source: "settings" };
    return {
      kind: "unavailable",
      why: "the program that the setting cli.path names is missing or not executable",
      whatToDo: "correct cli.path, or remove it so that the installed program is used",
    };
  }
  const packaged = await findPackaged();
  if (packaged !== undefined) return { path: packaged, source: "package" };
  const found = await findOnPath(programName(), env);
  if (found !== undefined) return { path: found, source: "path" };
  return { kind: "unavailable", why: "there is no Claude Code program", whatToDo: install };
}

/** In the folders of PATH that are absolute: the others are wherever this process was started. */
async function findOnPath(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    const found = join(folder, name);
    if (isAbsolute(folder) && (await isProgram(found))) return found;
  }
  return undefined;
}

async function findPackaged(): Promise<string | undefined> {
  const require = createRequire(import.meta.url);
  for (const name of packageNames(process.platform, process.arch, isMusl())) {
    try {
      const found = join(dirname(require.resolve(`${name}/package.json`)), programName());
      if (await isProgram(found)) return found;
    } catch {
      // Not installed: it is an optional dependency, for other platforms.
    }
  }
  return undefined;
}

/** The packages that may hold a program for this machine, the best first. */
export function packageNames(platform: string, arch: string, musl: boolean): readonly string[] {
  const name = `@anthropic-ai/claude-code-${platform}-${arch}`;
  if (platform !== "linux") return [name];
  return musl ? [`${name}-musl`, name] : [name, `${name}-musl`];
}

function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}

function programName(): string {
  return process.platform === "win32" ? "claude.exe" : "claude";
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false; // Not there or not for us.
  }
}

async function fingerprintOf(path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => path);
  const found = await stat(real).catch(() => undefined);
  return found && `${real}:${found.mtimeMs}:${found.size}`;
}

async function tryVersion({ path, source }: Candidate, fingerprint: string, clock: Clock): Promise<LocatedCli> {
  const home = await mkdtemp(join(tmpdir(), "claude-runner-version-")).catch(() => undefined);
  if (home === undefined) {
    const whatToDo = "create it, or name another one in the variable TMPDIR";
    return { kind: "unavailable", why: `the temporary folder ${tmpdir()} cannot be written`, whatToDo };
  }
  try {
    const env = { HOME: home, TMPDIR: home, PATH: "/usr/local/bin:/usr/bin:/bin", ...quiet };
    const { exit, stdout } = await runToEnd({
      path,
      args: ["--version"],
      env,
      cwd: home,
      clock,
      timeoutMs: versionTimeoutMs,
    });
    const version = /\b(\d+\.\d+\.\d+)\b/.exec(stdout)?.[1];
    if (exit.code !== 0 || version === undefined) {
      return { kind: "unavailable", why: "the program does not report its version", whatToDo: install };
    }
    if (isOlder(version, oldestVersion)) {
      return { kind: "unavailable", why: `the program is ${version}, older than ${oldestVersion}`, whatToDo: install };
    }
    return { kind: "found", path, version, source, fingerprint };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : "unknown error");
    return { kind: "unavailable", why: `the program does not run (${why})`, whatToDo: install };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (a?.[at] ?? 0) - (b?.[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
