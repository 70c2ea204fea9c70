/**
 * The variables of the server that a credential hands on (`passEnv`), made fit for processes that have a folder and a
 * home of their own.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

export interface PassedVariables {
  readonly variables: Readonly<Record<string, string>>;
  /** Whether the model API is a cloud's, which has a key of its own. */
  readonly isElsewhere: boolean;
  /** The files that processes read once, so that a change of them is a change of the credential. */
  readonly files: readonly string[];
  readonly problem: string | undefined;
}

/** Variables that hold the path of a file. */
const fileVariables =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|GOOGLE_APPLICATION_CREDENTIALS|AWS_CA_BUNDLE|AWS_[A-Z_]*(CONFIG|CREDENTIALS|TOKEN)_FILE|AWS_CONFIG_FILE)$/;
/** Short-lived tokens: who reads them reads them again when they have run out. */
const rereadVariables = /^AWS_[A-Z_]*TOKEN_FILE$/;
const switches = /^CLAUDE_CODE_(USE|SKIP)_/;
const off = /^(0|false|no|off)$/i;

export function passedVariables(names: readonly string[], env: NodeJS.ProcessEnv): PassedVariables {
  const variables: Record<string, string> = {};
  const files: string[] = [];
  const missing: string[] = [];
  const take = (name: string, value: string) => {
    if (!fileVariables.test(name)) {
      variables[name] = value;
      return;
    }
    const path = resolve(value);
    variables[name] = path;
    if (!existsSync(path)) missing.push(name);
    else if (!rereadVariables.test(name)) files.push(path);
  };
  for (const name of names) {
    const value = env[name]?.trim();
    if (value === undefined || value === "" || (switches.test(name) && off.test(value))) continue;
    take(name, value);
  }
  const profile = variables.AWS_PROFILE;
  const shared = profile === undefined ? {} : sharedFiles(variables, env);
  for (const [name, path] of Object.entries(shared)) take(name, path);
  const isElsewhere = Object.keys(variables).some((name) => name.startsWith("CLAUDE_CODE_USE_"));
  return { variables, isElsewhere, files, problem: problemOf(variables, missing) };
}

function problemOf(variables: Readonly<Record<string, string>>, missing: readonly string[]): string | undefined {
  if (missing.length > 0)
    return `${missing.join(" and ")} of the server's environment names a file that does not exist`;
  const hasProfileFile = "AWS_SHARED_CREDENTIALS_FILE" in variables || "AWS_CONFIG_FILE" in variables;
  if (!("AWS_PROFILE" in variables) || hasProfileFile) return undefined;
  return "AWS_PROFILE is passed on, but the home folder of the server's user has neither .aws/credentials nor .aws/config: set AWS_SHARED_CREDENTIALS_FILE or AWS_CONFIG_FILE";
}

/** Where a named profile of AWS is: workers have another home, so they are told. */
function sharedFiles(given: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv): Record<string, string> {
  const home = env.HOME;
  const found: Record<string, string> = {};
  for (const [name, file] of [
    ["AWS_SHARED_CREDENTIALS_FILE", "credentials"],
    ["AWS_CONFIG_FILE", "config"],
  ] as const) {
    if (name in given) continue;
    const set = env[name]?.trim();
    const usual = home === undefined ? undefined : join(home, ".aws", file);
    if (set) found[name] = set;
    else if (usual !== undefined && existsSync(usual)) found[name] = usual;
  }
  return found;
}
