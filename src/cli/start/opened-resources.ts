/**
 * What one worker has for itself: opened in order, closed once and in reverse.
 */
import { RunnerError } from "../../runner-error.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Command, OpenResource, StartingWorker, WorkerResource } from "../../worker-resource.ts";

interface Opened {
  readonly name: string;
  readonly resource: OpenResource;
}

export class OpenedResources {
  readonly #worker: StartingWorker;
  readonly #log: Log;
  readonly #opened: Opened[] = [];
  #closing: Promise<void> | undefined;

  constructor(worker: StartingWorker, log: Log) {
    this.#worker = worker;
    this.#log = log;
  }

  /**
   * Opens one more. Rejects with the signal's reason when that is aborted, else with WORKER_START_FAILED. What was opened
   * before stays open until `close`.
   */
  async open<R extends OpenResource>(resource: WorkerResource<R>, signal?: AbortSignal): Promise<R> {
    signal?.throwIfAborted();
    const { name } = resource;
    const others = this.variables;
    const opened = await this.#openOne(resource, signal);
    this.#opened.push({ name, resource: opened });
    checkNames(name, opened.variables, others);
    return opened;
  }

  async #openOne<R extends OpenResource>(resource: WorkerResource<R>, signal: AbortSignal | undefined): Promise<R> {
    try {
      return await resource.open(this.#worker, signal);
    } catch (cause) {
      signal?.throwIfAborted();
      throw startFailed(`its ${resource.name} could not be made`, cause);
    }
  }

  /** The variables of all. */
  get variables(): Readonly<Record<string, string>> {
    return Object.assign({}, ...this.#opened.map(({ resource }) => resource.variables));
  }

  /** The command within all of them, the first innermost. */
  wrap(command: Command): Command {
    return this.#opened.reduce((inner, { resource }) => resource.wrap?.(inner) ?? inner, command);
  }

  /** Closes all, the last first. Does not reject: one that cannot be closed does not keep the others open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { name, resource } of this.#opened.toReversed()) {
      try {
        await resource.close();
      } catch (error) {
        this.#log.warn(
          { workerId: this.#worker.id, resource: name, err: error },
          "a resource of a worker was not closed",
        );
      }
    }
  }
}

/** Throws INTERNAL when a variable of a resource is set already: one of the two would not hold, without a word. */
export function checkNames(
  name: string,
  variables: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): void {
  const taken = Object.keys(variables).filter((variable) => Object.hasOwn(others, variable));
  if (taken.length === 0) return;
  const cause = new Error(`bug: ${taken.join(", ")} of ${name} of a worker would be set twice`);
  throw new RunnerError("INTERNAL", "internal error", { cause });
}

export function startFailed(what: string, cause: unknown): RunnerError {
  const code = (cause as NodeJS.ErrnoException).code;
  return new RunnerError("WORKER_START_FAILED", `a worker could not be started: ${what}`, {
    facts: code === undefined ? {} : { code },
    cause,
  });
}
