/**
 * What a worker is made with: what its process is started with, its bounds, and whom it asks.
 */
import type { Clock } from "../clock.ts";
import type { ProfileSettings } from "../config/profile-settings.ts";
import type { Settings } from "../config/settings.ts";
import type { SessionLaunch } from "../session-launch.ts";
import type { Log } from "../telemetry/log.ts";
import type { Command } from "../worker-resource.ts";
import type { CliCapabilities } from "./program/capabilities.ts";
import type { CliQuestion, OnRequest } from "./protocol/questions.ts";
import type { Secrets } from "./protocol/secrets.ts";
import type { OpenFolder } from "./start/folder-resource.ts";
import type { SessionTranscript } from "./transcript/session-transcript.ts";

/** A question of a worker's process. */
export interface WorkerQuestion extends CliQuestion {
  readonly workerId: string;
  /** The turn in which it asks; `undefined`: between turns. */
  readonly turnId: string | undefined;
}

/** The session that a process serves. */
export interface ServedSession {
  readonly launch: SessionLaunch;
  readonly transcript: SessionTranscript;
}

export interface WorkerOptions {
  readonly id: string;
  readonly command: Command;
  readonly env: Readonly<Record<string, string>>;
  /** Values that nothing that the process says may hold further on. */
  readonly secrets: Secrets;
  readonly home: Pick<OpenFolder, "folder" | "occupy">;
  readonly profile: ProfileSettings;
  /** Absent: it serves turns of any conversation, one after the other. */
  readonly session?: ServedSession | undefined;
  readonly timeouts: Pick<
    Settings["pool"],
    "startTimeoutMs" | "controlTimeoutMs" | "silenceTimeoutMs" | "interruptTimeoutMs" | "stopTimeoutMs" | "workerNice"
  >;
  readonly maxLineBytes: number;
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
  /** Answers what the CLI asks. Absent: everything is refused at once. */
  readonly onRequest?: OnRequest<WorkerQuestion> | undefined;
  /** Whether what it was started with is not right any more. */
  readonly isOutdated: () => boolean;
  /** The model API did not take the credential. */
  readonly refused: () => void;
  /** What the CLI was found to be able to; whoever needs to know waits for the probe. `undefined`: nobody knows. */
  readonly capabilities: () => Promise<CliCapabilities | undefined> | CliCapabilities | undefined;
  /** Closes what the worker has for itself, once its process is gone. Does not reject. */
  readonly release: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}
