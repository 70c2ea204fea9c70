/**
 * Starts workers of a profile: finds the program, reads the credential, opens what the worker has for itself, launches.
 *
 * The one thing of this folder that `main` hands to the pool.
 */
import type { Clock } from "../clock.ts";
import type { ProfileSettings } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import { isRunnerError, RunnerError } from "../runner-error.ts";
import type { SessionLaunch } from "../session-launch.ts";
import type { Log } from "../telemetry/log.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { WorkerResource } from "../worker-resource.ts";
import { ClaudeWorker } from "./claude-worker.ts";
import type { CliCapabilities } from "./program/capabilities.ts";
import type { FoundCli, LocatedCli } from "./program/locate.ts";
import type { WorkerPaths } from "./protocol/host-paths.ts";
import type { OnRequest } from "./protocol/questions.ts";
import type { Credentials } from "./start/credentials.ts";
import { FolderResource } from "./start/folder-resource.ts";
import { launch } from "./start/launch.ts";
import { OpenedResources, startFailed } from "./start/opened-resources.ts";
import type { WorkFolders } from "./start/worker-folders.ts";
import { restoreTranscript } from "./transcript/restore-transcript.ts";
import { SessionTranscript } from "./transcript/session-transcript.ts";
import type { ServedSession, WorkerQuestion } from "./worker-options.ts";

export interface WorkerFactoryOptions {
  /** The program to start; asked at each start. */
  readonly cli: () => Promise<LocatedCli>;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly credentials: Credentials;
  readonly pool: Pick<
    Settings["pool"],
    "startTimeoutMs" | "controlTimeoutMs" | "silenceTimeoutMs" | "interruptTimeoutMs" | "stopTimeoutMs" | "workerNice"
  >;
  readonly maxLineBytes: number;
  readonly maxTranscriptBytes: number;
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
  /** What a program was found to be able to; `undefined`: nobody knows. */
  readonly capabilities: (cli: FoundCli) => Promise<CliCapabilities | undefined> | CliCapabilities | undefined;
  readonly folders: WorkFolders;
  /** What else each worker has for itself, in the order of opening; its folders come first. Default: nothing. */
  readonly resources?: readonly WorkerResource[] | undefined;
  /** Answers what Claude Code asks. Absent: everything is refused at once. */
  readonly onRequest?: OnRequest<WorkerQuestion> | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What the ids of its workers begin with; two factories on the same folders need different ones. Default `w`. */
  readonly idPrefix?: string;
}

export interface WorkerFactory {
  /**
   * Starts a worker; it is not ready yet. With `session` it serves that one alone. Rejects with CLI_UNAVAILABLE,
   * WORKER_START_FAILED, SESSION_SUSPENDED for a transcript that cannot be resumed, or INTERNAL for a profile that should
   * have been refused when the settings were read. Aborting the signal before the process runs leaves none, and rejects
   * with its reason.
   */
  start(profileName: string, signal?: AbortSignal, session?: SessionLaunch): Promise<WorkerProcess>;
}

export function createWorkerFactory(options: WorkerFactoryOptions): WorkerFactory {
  let startedCount = 0;
  return {
    start(profileName, signal, session) {
      startedCount += 1;
      return startWorker(`${options.idPrefix ?? "w"}${startedCount}`, profileName, options, { signal, session });
    },
  };
}

async function startWorker(
  id: string,
  profileName: string,
  options: WorkerFactoryOptions,
  {
    signal,
    session: sessionLaunch,
  }: { readonly signal: AbortSignal | undefined; readonly session: SessionLaunch | undefined },
): Promise<ClaudeWorker> {
  const { pool, clock, log, credentials } = options;
  const profile = options.profiles[profileName];
  if (profile === undefined) {
    const cause = new Error(`bug: profile ${profileName} is not in the settings`);
    throw new RunnerError("INTERNAL", "internal error", { cause });
  }
  // Before the program is looked for: without a key there is nothing to run it for.
  const credential = await credentials.current(profile.credential);
  const cli = await options.cli();
  if (cli.kind === "unavailable") {
    throw new RunnerError("CLI_UNAVAILABLE", `Claude Code cannot be used: ${cli.why}; ${cli.whatToDo}`);
  }
  const { secrets } = credentials;
  const starting = {
    id,
    profile: profileName,
    cliSessionId: sessionLaunch?.cliSessionId,
    withoutSecrets: (json: string) => secrets.line(json),
  };
  const resources = new OpenedResources(starting, log);
  try {
    const home = await resources.open(new FolderResource(options.folders, options.profiles), signal);
    for (const resource of options.resources ?? []) await resources.open(resource, signal);
    signal?.throwIfAborted();
    const { args, env } = launch({
      profile,
      credential: credential.variables,
      resources: resources.variables,
      session: sessionLaunch,
    });
    const session =
      sessionLaunch && (await openSession(sessionLaunch, home.folder, options.maxTranscriptBytes, signal));
    signal?.throwIfAborted();
    return await ClaudeWorker.start({
      id,
      command: resources.wrap({ path: cli.path, args, cwd: home.folder.cwd }),
      env,
      secrets,
      home,
      profile,
      session,
      timeouts: pool,
      maxLineBytes: options.maxLineBytes,
      eventBufferSize: options.eventBufferSize,
      maxEventsPerTurn: options.maxEventsPerTurn,
      onRequest: options.onRequest,
      isOutdated: () => !credentials.isCurrent(profile.credential, credential),
      refused: () => void credentials.lookAtAll(),
      capabilities: () => options.capabilities(cli),
      release: () => resources.close(),
      clock,
      log,
    });
  } catch (cause) {
    await resources.close();
    if (signal?.aborted) throw signal.reason;
    throw isRunnerError(cause) ? cause : startFailed("its process could not be started", cause);
  }
}

/** Gives a session's process what it goes on from. */
async function openSession(
  launched: SessionLaunch,
  paths: WorkerPaths,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<ServedSession> {
  const { cliSessionId, resume } = launched;
  const sizeBytes =
    resume === undefined ? 0 : await restoreTranscript(resume, { cliSessionId, paths, maxBytes, signal });
  return {
    launch: launched,
    transcript: new SessionTranscript({ cliSessionId, home: paths.home, maxBytes, sizeBytes }),
  };
}
