/**
 * The port through which a worker is given something that it has for itself: private folders, a path for its spans.
 *
 * A resource is opened before the process is started and closed when it is gone. It may set variables, and put something
 * around the command; of a request nothing ever comes to it. `cli/worker-factory.ts` opens and closes them.
 */

/** A worker that is about to be started. */
export interface StartingWorker {
  readonly id: string;
  /** The name of its profile. */
  readonly profile: string;
  /** The session that it serves, by its id within Claude Code. Absent: none. */
  readonly cliSessionId?: string | undefined;
  /** Takes the secrets of the worker's credential out of JSON that its process wrote. */
  readonly withoutSecrets: (json: string) => string;
}

/** What a process is started with. */
export interface Command {
  readonly path: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/** What a worker has of a resource. */
export interface OpenResource {
  /** Environment variables for the process. That two resources set the same one is a bug. */
  readonly variables: Readonly<Record<string, string>>;
  /** Puts something around a command. The command of what was opened before is within. */
  wrap?(command: Command): Command;
  /** The process is gone, or was not started after all. Called once. */
  close(): void | Promise<void>;
}

export interface WorkerResource<Opened extends OpenResource = OpenResource> {
  /** What a worker has of it, for errors and logs: `folders`. */
  readonly name: string;
  /** When it rejects there is nothing to close. `signal` aborts when nobody wants the worker any more. */
  open(worker: StartingWorker, signal?: AbortSignal): Promise<Opened>;
}
