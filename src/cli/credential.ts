/**
 * What opens the model API for a worker: the settings of a credential to environment variables.
 *
 * Read anew for each worker, so that a key that was changed is used by the next one. Errors name what is missing, never
 * what was found.
 */
import { readFile } from "node:fs/promises";
import type { CredentialSettings } from "../config/profile-settings.ts";
import { RunnerError } from "../errors.ts";
import { secretsOf } from "./credential-secrets.ts";

export interface Credential {
  readonly variables: Readonly<Record<string, string>>;
  /** Values that must not leave the server, neither to callers nor to the log. */
  readonly secrets: readonly string[];
}

export async function readCredential(
  name: string,
  settings: CredentialSettings,
  env: NodeJS.ProcessEnv,
): Promise<Credential> {
  const variables: Record<string, string> = {};

  for (const variable of settings.passEnv) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    variables[variable] = value;
  }
  const baseUrl = settings.baseUrl ?? variableOf(settings.baseUrlEnv, env);
  if (baseUrl !== undefined) variables.ANTHROPIC_BASE_URL = baseUrl;

  const apiKey = await secret(name, "API key", settings.apiKeyEnv, settings.apiKeyFile, env);
  if (apiKey !== undefined) variables.ANTHROPIC_API_KEY = apiKey;
  const authToken = await secret(name, "bearer token", settings.authTokenEnv, settings.authTokenFile, env);
  if (authToken !== undefined) variables.ANTHROPIC_AUTH_TOKEN = authToken;

  // With Bedrock or Vertex the key is theirs.
  const isElsewhere = settings.passEnv.some((variable) => /^CLAUDE_CODE_USE_/.test(variable) && variable in variables);
  if (apiKey === undefined && authToken === undefined && !isElsewhere) throw missing(name, nothingNamed(settings));
  return { variables, secrets: secretsOf(variables) };
}

async function secret(
  name: string,
  what: string,
  variable: string | undefined,
  path: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  if (path === undefined) return variableOf(variable, env);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw missing(name, `the file with its ${what} cannot be read (${code})`, error);
  }
  const value = text.replace(/\r?\n$/, "");
  if (value === "") throw missing(name, `the file with its ${what} is empty`);
  // It becomes a header: anything else in it would be a mistake that is hard to find later.
  if (!/^[\x21-\x7e]+$/.test(value)) throw missing(name, `the file with its ${what} holds more than one word`);
  return value;
}

function variableOf(variable: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const value = variable === undefined ? undefined : env[variable];
  return value === "" ? undefined : value;
}

function nothingNamed({ apiKeyEnv, authTokenEnv }: CredentialSettings): string {
  const variables = [apiKeyEnv, authTokenEnv].filter((variable) => variable !== undefined);
  if (variables.length === 0) return "it names neither an API key nor a bearer token";
  return `the environment variable ${variables.join(" or ")} of the server is not set`;
}

function missing(name: string, why: string, cause?: unknown): RunnerError {
  return new RunnerError("WORKER_START_FAILED", `credential "${name}": ${why}`, {
    facts: { credential: name },
    ...(cause !== undefined && { cause }),
  });
}
