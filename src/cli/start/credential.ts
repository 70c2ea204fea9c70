/**
 * What opens the model API for a worker: the settings of a credential to environment variables.
 *
 * Reads anew each time. Errors name what is missing or wrong, never what was found. When to look again is
 * `credentials.ts`.
 */
import { createHash } from "node:crypto";
import { addressProblem, baseUrlProblem } from "../../config/base-url.ts";
import type { CredentialSettings } from "../../config/profile-settings.ts";
import { readRegularFile, UnreadableFileError } from "../../regular-file.ts";
import { RunnerError } from "../../runner-error.ts";
import { passedVariables } from "./credential-passed.ts";
import { secretsOf } from "./credential-secrets.ts";

export interface Credential {
  readonly variables: Readonly<Record<string, string>>;
  /** Values that must not leave the server, neither to callers nor to the log. */
  readonly secrets: readonly string[];
  /** The files that it was read from, and those that its processes read. */
  readonly files: readonly string[];
  /** The same for the same variables and the same content of files. */
  readonly digest: string;
}

/** A credential that cannot be used. */
export class CredentialError extends RunnerError {
  /** Whether something is only not there yet, and nothing is wrong. */
  readonly isMissing: boolean;

  constructor(credential: string, why: string, isMissing: boolean, cause?: unknown) {
    super("WORKER_START_FAILED", `credential "${credential}": ${why}`, {
      facts: { credential },
      ...(cause !== undefined && { cause }),
    });
    this.isMissing = isMissing;
  }
}

const maxKeyFileBytes = 65_536;
/** Files that processes read themselves: certificates and the like. */
const maxPassedFileBytes = 4 * 1024 * 1024;

/** Throws CredentialError. */
export async function readCredential(
  name: string,
  settings: CredentialSettings,
  env: NodeJS.ProcessEnv,
): Promise<Credential> {
  const passed = passedVariables(settings.passEnv, env);
  if (passed.problem !== undefined) throw new CredentialError(name, passed.problem, false);
  const variables: Record<string, string> = { ...passed.variables };

  const { baseUrl = variableOf(settings.baseUrlEnv, env) } = settings;
  if (baseUrl !== undefined) variables.ANTHROPIC_BASE_URL = trimmed(baseUrl);
  for (const [variable, address] of Object.entries(variables)) {
    if (!/_URL(_|$)/.test(variable)) continue;
    const isOwn = variable === "ANTHROPIC_BASE_URL";
    const problem = isOwn ? baseUrlProblem(address) : addressProblem(address);
    if (problem === undefined) continue;
    const where = isOwn ? (settings.baseUrl ? "`baseUrl`" : (settings.baseUrlEnv ?? variable)) : variable;
    throw new CredentialError(name, `${where} ${problem}`, false);
  }

  const read = (what: string, variable: string | undefined, path: string | undefined) =>
    secret(name, what, variable, path, env);
  const apiKey = read("API key", settings.apiKeyEnv, settings.apiKeyFile);
  if (apiKey !== undefined) variables.ANTHROPIC_API_KEY = apiKey;
  const authToken = read("bearer token", settings.authTokenEnv, settings.authTokenFile);
  if (authToken !== undefined) variables.ANTHROPIC_AUTH_TOKEN = authToken;

  // With Bedrock, Vertex or Foundry the key is theirs.
  if (apiKey === undefined && authToken === undefined && !passed.isElsewhere) {
    throw new CredentialError(name, nothingNamed(settings), true);
  }
  const files = [settings.apiKeyFile, settings.authTokenFile].filter((path) => path !== undefined);
  return {
    variables,
    secrets: secretsOf(variables),
    files: [...files, ...passed.files],
    digest: digestOf(name, variables, passed.files),
  };
}

/** Variables by name, in an order that says nothing; of files their content. */
function digestOf(name: string, variables: Readonly<Record<string, string>>, files: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(Object.entries(variables).sort()));
  for (const path of files) {
    try {
      hash.update(readRegularFile(path, { maxBytes: maxPassedFileBytes }).bytes);
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error;
      throw new CredentialError(name, `the file that one of its \`passEnv\` variables names ${error.problem}`, false);
    }
  }
  return hash.digest("base64url");
}

function secret(
  name: string,
  what: string,
  variable: string | undefined,
  path: string | undefined,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const where = path === undefined ? variable : `the file with its ${what}`;
  const found = path === undefined ? variableOf(variable, env) : keyFile(name, what, path);
  if (found === undefined) return undefined;
  const value = trimmed(found);
  if (value === "") throw new CredentialError(name, `${where} is empty`, true);
  const wrong = (why: string) => new CredentialError(name, `${where} ${why}`, false);
  // It becomes a header: anything else in it would be a mistake that is hard to find later.
  if (!/^[\x21-\x7e]+$/.test(value)) throw wrong("has more than one word, or characters that no key has");
  if (/^(["']).*\1$/.test(value)) throw wrong("has quotes around the key: leave the quotes out");
  if (value.startsWith("sk-ant-oat")) throw wrong(`holds ${subscriptionToken}`);
  return value;
}

export const subscriptionToken =
  "the token of a personal subscription, which is not supported: workers take API keys, bearer tokens of gateways, Bedrock, Vertex and Foundry";

function keyFile(name: string, what: string, path: string): string {
  try {
    return readRegularFile(path, { maxBytes: maxKeyFileBytes }).bytes.toString("utf8");
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    throw new CredentialError(name, `the file with its ${what} ${error.problem}`, error.isMissing);
  }
}

/** White space and byte order marks around a value are of editors and shells. */
function trimmed(text: string): string {
  return text.replace(/^[\s\uFEFF\u200B]+|[\s\uFEFF\u200B\0]+$/g, "");
}

function variableOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const value = variable === undefined ? undefined : env[variable];
  return value === undefined || trimmed(value) === "" ? undefined : value;
}

function nothingNamed({ apiKeyEnv, authTokenEnv }: CredentialSettings): string {
  const variables = [apiKeyEnv, authTokenEnv].filter((variable) => variable !== undefined);
  if (variables.length === 0) return "it names neither an API key nor a bearer token";
  return `the environment variable ${variables.join(" or ")} of the server is not set`;
}
