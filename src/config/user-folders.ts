/**
 * Where claude-runner keeps what it makes and looks for its settings, by the XDG conventions.
 *
 * Both belong to the user. Where no home folder is known there is neither: never the working folder in its place.
 */
import { userInfo } from "node:os";
import { isAbsolute, join } from "node:path";

/** What is kept between runs: the token of the first start, and the store. */
export function stateFolder(env: NodeJS.ProcessEnv): string | undefined {
  return baseFolder(env, "XDG_STATE_HOME", [".local", "state"]);
}

/** Where a settings file is looked for when none is named. */
export function configFolder(env: NodeJS.ProcessEnv): string | undefined {
  return baseFolder(env, "XDG_CONFIG_HOME", [".config"]);
}

/** The conventions say that a relative path is to be ignored. */
function baseFolder(env: NodeJS.ProcessEnv, variable: string, underHome: readonly string[]): string | undefined {
  const named = env[variable];
  if (named !== undefined && isAbsolute(named)) return join(named, "claude-runner");
  const home = homeFolder(env);
  return home === undefined ? undefined : join(home, ...underHome, "claude-runner");
}

/** HOME, else what the system's list of users says. */
function homeFolder(env: NodeJS.ProcessEnv): string | undefined {
  if (env.HOME && isAbsolute(env.HOME)) return env.HOME;
  try {
    const home = userInfo().homedir;
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined; // A user id that the list does not have, as in many containers.
  }
}
