/**
 * What the suite stands on: one Claude Code program, what it can do, and folders that are gone afterwards. Everything is
 * on loopback, with a stand-in in the model API's place and a key that opens nothing.
 */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probeCli } from "../cli/probe.ts";
import type { CliCapabilities } from "../cli/program/capabilities.ts";
import type { FoundCli } from "../cli/program/locate.ts";
import { Credentials } from "../cli/start/credentials.ts";
import { WorkFolders } from "../cli/start/worker-folders.ts";
import { createWorkerFactory } from "../cli/worker-factory.ts";
import { systemClock } from "../clock.ts";
import { probeSettings } from "../config/probe-settings.ts";
import { settingsSchema } from "../config/settings.ts";
import { openProbeSink } from "../standin/probe-sink.ts";
import { startStandin } from "../standin/standin-server.ts";
import type { Log } from "../telemetry/log.ts";
import type { WorkerProcess } from "../worker-process.ts";
import { Lane } from "./lane.ts";
import { type LaneName, type LaneSpec, lanes, sessionLane } from "./lanes.ts";
import type { SessionStage } from "./session-cases.ts";

export interface RigOptions {
  readonly cli: FoundCli;
  readonly log: Log;
  /** Resets by `/clear`, as a profile may with `acceptClearResidue`, whatever else the CLI can do. */
  readonly resetByClear?: boolean | undefined;
  /** Stands between the suite and a worker; to see that a worker that lies is found out. */
  readonly wrapWorker?: (worker: WorkerProcess) => WorkerProcess;
}

export interface Rig extends AsyncDisposable {
  /** A folder for whatever else is started. */
  readonly folder: string;
  readonly capabilities: CliCapabilities;
  openLane(name: LaneName): Promise<Lane>;
  openSessions(): Promise<SessionStage>;
}

/** Rejects when the program does not start. */
export async function openRig(options: RigOptions): Promise<Rig> {
  const { cli, log, resetByClear = false, wrapWorker = (worker: WorkerProcess) => worker } = options;
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "claude-runner-verify-"));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const folders = await WorkFolders.open(folder, log);
  opened.defer(() => folders.close());
  await using sink = await openProbeSink();
  const capabilities = await probeCli({
    cli,
    sink,
    settings: probeSettings(sink.url),
    folders,
    clock: systemClock,
    log,
  });
  const forReset = resetByClear ? { ...capabilities, rewind: false } : capabilities;

  /** Workers that are launched in one way, and the stand-in that they ask. */
  const openStage = async (name: string, spec: LaneSpec) => {
    const { binding, profile, hasWorkspace, usualScenario = "text" } = spec;
    const workspace = join(folder, `workspace-${name}`);
    await mkdir(workspace, { mode: 0o700 });
    // A stand-in of its own: what it gets is this lane's.
    const standin = await startStandin({ defaultScenario: usualScenario });
    const settings = settingsSchema.parse({
      profiles: {
        [profileName(name)]: {
          ...profile,
          ...(hasWorkspace && { workspace: { path: workspace } }),
          acceptClearResidue: resetByClear,
        },
      },
      credentials: { verify: { baseUrl: standin.url, apiKeyEnv: "VERIFY_KEY" } },
    });
    const factory = createWorkerFactory({
      cli: async () => cli,
      profiles: settings.profiles,
      credentials: new Credentials({
        settings: settings.credentials,
        env: { VERIFY_KEY: "opens-nothing-and-is-no-key" },
        clock: systemClock,
        log,
      }),
      pool: settings.pool,
      maxLineBytes: settings.cli.maxLineBytes,
      maxTranscriptBytes: settings.cli.maxTranscriptBytes,
      eventBufferSize: settings.calls.eventBufferSize,
      maxEventsPerTurn: settings.calls.maxEventsPerTurn,
      capabilities: () => forReset,
      idPrefix: `${name}-`,
      folders,
      clock: systemClock,
      log,
    });
    const { model, effort } = settings.profiles[profileName(name)]!;
    return { factory, standin, profile: profileName(name), binding, settings: { model, effort }, workspace };
  };

  const openLane = async (name: LaneName): Promise<Lane> => {
    const { factory, ...stage } = await openStage(name, lanes[name]);
    return new Lane({ ...stage, start: async () => wrapWorker(await factory.start(stage.profile)), capabilities });
  };

  const openSessions = async (): Promise<SessionStage> => {
    const { factory, ...stage } = await openStage("sessions", sessionLane);
    return {
      ...stage,
      start: (launch) => factory.start(stage.profile, undefined, launch),
      [Symbol.asyncDispose]: () => stage.standin.close(),
    };
  };

  const parts = opened.move();
  return { folder, capabilities, openLane, openSessions, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Profiles have no capital letters. */
function profileName(lane: string): string {
  return lane.toLowerCase();
}
