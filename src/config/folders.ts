/**
 * Where claude-runner keeps what it makes and looks for what it is told, by the XDG conventions.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** What is kept between runs: the token of the first start. */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(baseFolder(env, "XDG_STATE_HOME", [".local", "state"]), "claude-runner");
}

/** Where a settings file is looked for when none is named. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return join(baseFolder(env, "XDG_CONFIG_HOME", [".config"]), "claude-runner");
}

/** The conventions say that a relative path is to be ignored. */
function baseFolder(env: NodeJS.ProcessEnv, variable: string, underHome: readonly string[]): string {
  const named = env[variable];
  return named !== undefined && isAbsolute(named) ? named : join(env.HOME || homedir(), ...underHome);
}
