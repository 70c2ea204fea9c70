/**
 * What `doctor` looks at, one function for each matter. Each tells what it found and what to do about it.
 *
 * Nothing is changed and no model is asked. Secrets are looked for, never shown.
 */
import { access, constants, mkdtemp, rm, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { CliLocator, provenVersion } from "../cli/program/locate.ts";
import { readCredential } from "../cli/start/credential.ts";
import { systemClock } from "../clock.ts";
import type { LoadedSettings } from "../config/load.ts";
import { machineMemory } from "../config/machine-memory.ts";
import { isNodeNewEnough, neededNode } from "../config/node-version.ts";
import { workerBounds } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import { sourceText } from "../config/source.ts";
import { exposureProblems } from "../server/exposure.ts";
import { readTokenFile, TokenFileError } from "../server/token-file.ts";
import { placeProblem } from "../store/store-place.ts";
import { askAdminPort, askRpcPort } from "./own-server.ts";
import { counted, sizeText } from "./terminal.ts";

export interface Finding {
  /** What was looked at. */
  readonly name: string;
  /** `note` is worth knowing and no fault. */
  readonly level: "ok" | "note" | "warning" | "problem";
  readonly text: string;
  /** What to do. Empty when nothing is to be done. */
  readonly advice: string;
}

export interface Patient {
  readonly settings: Settings;
  /** Who said what. */
  readonly entries: LoadedSettings["entries"];
  readonly env: NodeJS.ProcessEnv;
}

export type Check = (patient: Patient) => Promise<readonly Finding[]>;

const finding =
  (level: Finding["level"]) =>
  (name: string, text: string, advice = ""): Finding => ({ name, level, text, advice });
const ok = finding("ok");
const note = finding("note");
const warning = finding("warning");
const problem = finding("problem");

const mebibytes = 1024 * 1024;
/** What a started worker takes, in bytes, as measured with the proven version. */
const workerBytes = 100 * mebibytes;

/** In the order in which they are shown. One that cannot look at its matter is a finding as well. */
export const checks: readonly Check[] = (
  [
    checkNode,
    checkCli,
    checkCredentials,
    checkPorts,
    checkExposure,
    checkTokens,
    checkStorePlace,
    checkWorkFolder,
    checkMemory,
    checkCores,
    checkSandboxTools,
  ] satisfies readonly Check[]
).map((check) => (patient) => check(patient).catch(notLookedAt));

function notLookedAt(error: unknown): readonly Finding[] {
  const why = error instanceof Error ? error.message : String(error);
  return [problem("doctor", `something could not be checked: ${why}`)];
}

async function checkNode(): Promise<readonly Finding[]> {
  const { node } = process.versions;
  const text = `Node ${node}`;
  const required = `Node ${neededNode.major}.${neededNode.minor} or newer is required: the SQLite of older ones can lose data`;
  return [isNodeNewEnough(node) ? ok("node", text) : problem("node", text, required)];
}

/**
 * Which program the other checks run, and who named it: said before it is run, since a settings file of somebody else's
 * can name any.
 */
export async function programToRun({ settings, entries, env }: Patient): Promise<Finding | undefined> {
  const found = await new CliLocator({ path: settings.cli.path, env, clock: systemClock }).candidate();
  if ("kind" in found) return undefined;
  const entry = entries.find(({ path }) => path.join(".") === "cli.path");
  const named = entry === undefined ? "cli.path" : `cli.path of ${sourceText(entry.source)}`;
  const from = { settings: `named by ${named}`, package: "came with claude-runner", path: "found on PATH" }[
    found.source
  ];
  return note("runs", `${found.path} --version (${from})`);
}

async function checkCli({ settings, env }: Patient): Promise<readonly Finding[]> {
  const found = await new CliLocator({ path: settings.cli.path, env, clock: systemClock }).locate();
  if (found.kind === "unavailable") return [problem("claude code", found.why, found.whatToDo)];
  const from = { settings: "named by cli.path", package: "came with claude-runner", path: "found on PATH" }[
    found.source
  ];
  const text = `${found.version}, ${from}: ${found.path}`;
  if (found.version === provenVersion) return [ok("claude code", text)];
  return [note("claude code", `${text} (claude-runner was tested with ${provenVersion})`)];
}

async function checkCredentials({ settings, env }: Patient): Promise<readonly Finding[]> {
  const used = [...new Set(Object.values(settings.profiles).map(({ credential }) => credential))];
  const findings = used.map(async (name) => {
    const credential = Object.hasOwn(settings.credentials, name) ? settings.credentials[name] : undefined;
    if (credential === undefined)
      return problem(`credential ${name}`, "does not exist", "see `claude-runner settings`");
    try {
      const { variables } = await readCredential(name, credential, env);
      const where = variables.ANTHROPIC_BASE_URL;
      const kinds = Object.keys(variables).filter((variable) => variable !== "ANTHROPIC_BASE_URL");
      return ok(`credential ${name}`, `${kinds.join(", ")} present${where ? `; model API at ${hostOf(where)}` : ""}`);
    } catch (error) {
      const why = (error instanceof Error ? error.message : String(error)).replace(`credential "${name}": `, "");
      return problem(
        `credential ${name}`,
        why,
        "set it where the server is started; `claude-runner demo` works without it",
      );
    }
  });
  return Promise.all(findings);
}

/** Scheme and host only: the rest of a URL can hold a password. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "an address that is not a URL";
}

async function checkPorts({ settings }: Patient): Promise<readonly Finding[]> {
  const ports = [
    { name: "grpc", isOpen: true, ...settings.grpc },
    { name: "web", isOpen: settings.web.enabled, ...settings.web },
    { name: "admin", isOpen: settings.admin.enabled, ...settings.admin },
  ].filter(({ isOpen }) => isOpen);
  return Promise.all(
    ports.map(async ({ name, host, port }) => {
      const where = `${host}:${port}`;
      if (port === 0) return ok(`${name} port`, `any free port of ${host}`);
      const failure = await tryListen(host, port);
      if (failure === undefined) return ok(`${name} port`, `${where} is free`);
      if (failure === "EADDRINUSE") {
        const own = await askPort(settings, { name, host, port });
        if (own?.isServing) return ok(`${name} port`, `${where} is a claude-runner that is running`);
        if (own !== undefined) {
          const advice = "the other lines, or its log, say what keeps it from serving";
          return note(`${name} port`, `${where} is a claude-runner that is running and cannot serve turns`, advice);
        }
        const other = `stop it, or choose another port with --${name}-port`;
        return problem(`${name} port`, `${where} is in use by another program`, other);
      }
      if (failure === "EACCES")
        return problem(`${name} port`, `this user may not open ${where}`, "choose a port above 1023");
      return problem(`${name} port`, `${where} cannot be opened (${failure})`, `correct ${name}.host`);
    }),
  );
}

/** Whether a port that is in use is that of a server of ours. */
function askPort(settings: Settings, { name, host, port }: { name: string; host: string; port: number }) {
  if (name === "admin") return askAdminPort({ host, port });
  const { tls } = name === "grpc" ? settings.grpc : settings.web;
  return askRpcPort({ host, port, isTls: tls !== undefined });
}

/** Opens a port for a moment; the error code when that fails. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host: host.replace(/^\[(.*)\]$/, "$1"), port }, () => server.close(() => resolve(undefined)));
  });
}

async function checkExposure({ settings }: Patient): Promise<readonly Finding[]> {
  const problems = exposureProblems(settings);
  return problems.map((text) => problem("addresses", text, "the server does not start with these settings"));
}

async function checkTokens({ settings }: Patient): Promise<readonly Finding[]> {
  const { tokens, insecureNoAuth, tokenFile } = settings.auth;
  if (insecureNoAuth) return [warning("tokens", "anyone on this machine may call", "remove auth.insecureNoAuth")];
  if (tokens.length > 0) {
    const tenants = new Set(tokens.map(({ tenant }) => tenant));
    return [ok("tokens", `${counted(tokens.length, "token")} of ${counted(tenants.size, "tenant")}`)];
  }
  if (tokenFile === undefined)
    return [problem("tokens", "there is no home folder for the token of the first start", noTokenFileAdvice)];
  try {
    const file = await readTokenFile(tokenFile, { mayClose: false });
    if (file === undefined) return [ok("tokens", `the first start will make one, in ${tokenFile}`)];
    const [open] = file.warnings;
    if (open === undefined) return [ok("tokens", `the one in ${tokenFile}`)];
    return [warning("tokens", open, "the next start closes it to others; delete it to get a new token")];
  } catch (error) {
    if (!(error instanceof TokenFileError)) throw error;
    return [problem("tokens", `${tokenFile} ${error.problem}`, noTokenFileAdvice)];
  }
}

const noTokenFileAdvice = "name another file in auth.tokenFile, or put tokens into auth.tokens";

async function checkWorkFolder({ settings }: Patient): Promise<readonly Finding[]> {
  const parent = settings.cli.workFolder ?? tmpdir();
  try {
    const folder = await mkdtemp(join(parent, "claude-runner-doctor-"));
    await rm(folder, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return [problem("work folder", `${parent} cannot be written (${code})`, "name another folder in cli.workFolder")];
  }
  const { bavail, bsize } = await statfs(parent);
  const freeBytes = bavail * bsize;
  const text = `${parent}, ${sizeText(freeBytes)} free`;
  if (freeBytes < 512 * mebibytes)
    return [warning("work folder", text, "free some space, or name another folder in cli.workFolder")];
  return [ok("work folder", text)];
}

async function checkStorePlace({ settings }: Patient): Promise<readonly Finding[]> {
  const { kind, folder } = settings.store;
  if (kind === "memory") return [note("store", "in memory: sessions and turns are gone after a restart")];
  const advice = "name a folder of a local disk in store.folder";
  const inMemory = "sessions and turns would be gone after a restart";
  const unfit = folder === undefined ? "this user has no home folder" : placeProblem(folder, { mayMake: false });
  if (unfit === undefined) return [ok("store", `in ${folder}`)];
  return [kind === "sqlite" ? problem("store", unfit, advice) : warning("store", `${unfit}: ${inMemory}`, advice)];
}

async function checkMemory({ settings }: Patient): Promise<readonly Finding[]> {
  const { bytes: availableBytes, isContainerLimit } = machineMemory();
  const limitBytes = settings.pool.memoryBudgetBytes;
  const spares = Object.values(settings.profiles).reduce((sum, profile) => sum + workerBounds(profile).minSpares, 0);
  const text =
    `${sizeText(availableBytes)}${isContainerLimit ? " (this container's limit)" : ""}, of which workers may use ` +
    `${sizeText(limitBytes)}: about ${Math.floor(limitBytes / workerBytes)} of them`;
  const findings: Finding[] = [];
  if (limitBytes > availableBytes * 0.8) {
    findings.push(warning("memory", text, `set pool.memoryBudgetBytes to ${Math.floor(availableBytes / 2)} or so`));
  }
  if (spares * workerBytes > limitBytes) {
    const advice = "lower minSpares, or raise pool.memoryBudgetBytes";
    findings.push(
      warning("memory", `${counted(spares, "spare")} need about ${sizeText(spares * workerBytes)}`, advice),
    );
  }
  return findings.length > 0 ? findings : [ok("memory", text)];
}

async function checkCores(): Promise<readonly Finding[]> {
  const text = counted(availableParallelism(), "core");
  if (process.platform !== "linux") return [ok("cores", text)];
  const hasAutogroup = await canUse("/proc/self/autogroup", constants.W_OK);
  if (hasAutogroup) return [ok("cores", `${text}; starting workers give way to running turns`)];
  return [
    note("cores", `${text}; this kernel has no autogroups, so starting workers slow down running turns a little`),
  ];
}

async function checkSandboxTools({ env }: Patient): Promise<readonly Finding[]> {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (folder !== "" && (await canUse(join(folder, "bwrap"), constants.X_OK))) {
      return [note("sandbox", `bubblewrap is installed: ${join(folder, "bwrap")}; nothing uses it yet`)];
    }
  }
  return [note("sandbox", "bubblewrap is not installed; nothing needs it yet")];
}

function canUse(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
