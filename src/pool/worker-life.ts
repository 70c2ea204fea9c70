/**
 * The life of one worker, from its start until nothing is left of it: the log says it, the metrics count it, and its
 * profile learns how starts go.
 *
 * Decides nothing: when a worker starts, and when it is reset or stopped, is up to `worker-pool.ts`.
 */
import type { RunnerError } from "../runner-error.ts";
import type { SessionLaunch } from "../session-launch.ts";
import { attributeNames, instruments } from "../telemetry/instruments.ts";
import { label } from "../telemetry/label.ts";
import type { Dedication } from "./dedicated.ts";
import type { PoolOptions } from "./pool-options.ts";
import type { ProfilePool } from "./profile-pool.ts";
import type { WaitingTurn } from "./queue.ts";
import { ageLimitMs } from "./recycling.ts";
import { Worker } from "./worker.ts";
import { isLiving, isNobodys, type WorkerState } from "./worker-state.ts";

export interface LifeSurroundings extends Pick<PoolOptions, "clock" | "settings" | "startWorker" | "random" | "log"> {
  /** A number larger than all before it. */
  readonly nextOrder: () => number;
  /** Something of this tenant's may have changed; `undefined`: of nobody's, or of all. */
  readonly active: (tenant: string | undefined) => void;
  /** A worker is there, or gone: it is time to look at how things are. */
  readonly serve: () => void;
}

export class WorkerLives {
  readonly #around: LifeSurroundings;
  #startCount = 0;

  constructor(around: LifeSurroundings) {
    this.#around = around;
  }

  /** Starts a worker of the profile, perhaps for a turn's session alone. Settles when nothing of it is left. */
  async live(profile: ProfilePool, turn?: Pick<WaitingTurn<unknown>, "dedication" | "request">): Promise<void> {
    const { clock, active, serve } = this.#around;
    const worker = this.#begin(profile, turn?.dedication);
    await this.#start(worker, profile, turn?.request.session?.launch);
    active(undefined); // how starts go may have changed after the worker has
    serve();

    await worker.gone;
    profile.workers.delete(worker);
    if (worker.state.kind === "exited" && worker.state.why === "died" && worker.tenant === undefined) {
      profile.sparePace.died(clock.now());
    }
    serve();
  }

  /** Makes a worker forget its turn. */
  async reset(worker: Worker): Promise<void> {
    const { clock, settings, serve } = this.#around;
    const sinceMs = clock.now();
    // A reset is a few control requests, each with its own bound; this is the bound of them all.
    const outcome = await worker.reset(2 * settings.pool.controlTimeoutMs);
    instruments().resetDuration.record((clock.now() - sinceMs) / 1000, {
      [attributeNames.profile]: worker.profile,
      [attributeNames.resetOutcome]: outcome,
    });
    serve();
  }

  #begin(profile: ProfilePool, dedication: Dedication | undefined): Worker {
    const { clock, settings, random, log, nextOrder, active } = this.#around;
    const worker = new Worker(
      {
        clock,
        profile: profile.name,
        startNumber: ++this.#startCount,
        nextOrder,
        changed: (changed, from) => this.#changed(changed, from),
        named: () => active(undefined),
      },
      ageLimitMs(settings.pool.maxWorkerAgeMs, random),
      dedication,
    );
    profile.workers.add(worker);
    active(undefined);
    log.debug({ workerId: worker.id, profile: profile.name, to: "starting" }, "worker changed state");
    instruments().workerStarts.add(1, { [attributeNames.profile]: profile.name });
    return worker;
  }

  async #start(worker: Worker, profile: ProfilePool, launch: SessionLaunch | undefined): Promise<void> {
    const { clock, settings, startWorker } = this.#around;
    const { startTimeoutMs } = settings.pool;
    const error = await worker.start((signal) => startWorker(profile.name, signal, launch), startTimeoutMs);
    const startMs = clock.now() - worker.startedAtMs;
    if (error !== undefined) {
      this.#failed(worker, profile, error, startMs);
      if (worker.dedication !== undefined) profile.ownStartFailed(worker.dedication, error);
    } else if (isLiving(worker.state.kind)) {
      instruments().workerStartDuration.record(startMs / 1000, { [attributeNames.profile]: profile.name });
      profile.started(startMs);
    }
  }

  #failed(worker: Worker, profile: ProfilePool, error: RunnerError, startMs: number): void {
    const { clock, log } = this.#around;
    const reason = label(error.reason);
    instruments().workerStartFailures.add(1, {
      [attributeNames.profile]: profile.name,
      [attributeNames.errorReason]: reason,
    });
    // Of a session that cannot go on: that says nothing of starts.
    if (error.reason !== "SESSION_SUSPENDED") profile.breaker.failed(error, worker.startedAtMs, clock.now());
    const { failureCount } = profile.breaker;
    const fields = { profile: profile.name, workerId: worker.id, startMs: Math.round(startMs), failureCount };
    // What is expected to happen, such as a missing credential, is a sentence; only its cause, if any, has a stack.
    const why = { reason, why: error.message, ...(error.cause !== undefined && { err: error.cause }) };
    log.warn({ ...fields, ...why }, "worker did not start");
  }

  /** One log line for every change of a worker, one count for every worker that ends. */
  #changed(worker: Worker, from: WorkerState): void {
    const { log, active } = this.#around;
    const { state } = worker;
    const about = { workerId: worker.id, profile: worker.profile };
    log.debug({ ...about, from: label(from.kind), to: label(state.kind) }, "worker changed state");
    // What is or was nobody's is everybody's to see.
    active(isNobodys(from) && worker.dedication === undefined ? undefined : worker.tenant);
    const isEnd = state.kind === "stopping" || (state.kind === "exited" && from.kind !== "stopping");
    if (!isEnd || state.why === "start_failed") return;
    const { why } = state;
    instruments().recycles.add(1, {
      [attributeNames.recycleReason]: why,
      [attributeNames.profile]: worker.profile,
    });
    const ageMs = Math.round(state.sinceMs - worker.startedAtMs);
    log.info({ ...about, why, ageMs, turnCount: worker.finishedTurnCount, exit: worker.exit }, "recycle");
  }
}
