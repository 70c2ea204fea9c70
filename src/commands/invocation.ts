/**
 * How this program was called, so that what it advises can be typed where it is read: `claude-runner` on PATH,
 * `bin/claude-runner.js` in a checkout, `npx --no claude-runner` where npm has installed it beside other packages.
 */
import { basename, delimiter, dirname, isAbsolute, relative, sep } from "node:path";

export interface Invocation {
  /** What was started: `process.argv[1]`, or what the launcher that handed over was started as. */
  readonly script: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly workingFolder: string;
}

/** The program's name on PATH, and in all texts. */
const plainName = "claude-runner";
/** Set by the launcher in `bin/` when it hands over to another Node. */
const launcherVariable = "CLAUDE_RUNNER_LAUNCHER_SCRIPT";

export function thisInvocation({ env, workingFolder }: Pick<Invocation, "env" | "workingFolder">): Invocation {
  return { script: env[launcherVariable] || process.argv[1], env, workingFolder };
}

/** What to type for the program. */
export function programName({ script, env, workingFolder }: Invocation): string {
  if (script === undefined || !isAbsolute(script)) return plainName;
  const folder = dirname(script);
  const isInstalledByNpm = script.includes(`${sep}node_modules${sep}`);
  // npm puts its folder in front of PATH for what it starts, and for that only.
  const onPath = (env.PATH ?? "").split(delimiter).includes(folder) && basename(script) === plainName;
  if (onPath && !isInstalledByNpm) return plainName;
  // `--no`: another folder has no such program, and the registry's is not ours.
  if (isInstalledByNpm) return `npx --no ${plainName}`;
  if (basename(script) === plainName) return quoted(script);
  const near = relative(workingFolder, script);
  return quoted(near.startsWith("..") ? script : near.includes(sep) ? near : `.${sep}${near}`);
}

function quoted(path: string): string {
  return /^[\w./+@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** A text of ours in which each command line begins as it does here. */
export function asTyped(text: string, invocation: Invocation): string {
  const name = programName(invocation);
  return name === plainName ? text : text.replace(commandLine, name);
}

/** The name in front of a command or its place in a usage line, and nowhere else: not in a path, not in the title. */
const commandLine =
  /(?<![\w/.@-])claude-runner(?= (?:chat|demo|doctor|health|pool|serve|sessions|settings|standin|store|token|turns|verify)\b| <command>)/g;
