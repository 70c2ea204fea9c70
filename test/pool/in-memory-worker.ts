/**
 * A worker's process without a process: says what it is told to say, and remembers what it was asked.
 */
import type { Clock } from "../../src/clock.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { SessionLaunch } from "../../src/session-launch.ts";
import type { ProcessUsage, ResetOutcome, RunningTurn, WorkerExit, WorkerProcess } from "../../src/worker-process.ts";

export interface InMemoryWorkerOptions {
  /** How long it takes to answer after its start. */
  readonly startMs: number;
  readonly resetMs: number;
  readonly stopMs: number;
  readonly usage: ProcessUsage;
}

export const promptly: InMemoryWorkerOptions = {
  startMs: 500,
  resetMs: 10,
  stopMs: 20,
  usage: { privateBytes: 100 * 1024 * 1024, cpuMs: 0 },
};

export class InMemoryWorker implements WorkerProcess {
  readonly id: string;
  readonly pid = undefined;
  readonly startedAtMs: number;
  readonly exited: Promise<WorkerExit>;
  /** The session that it serves. */
  readonly session: SessionLaunch | undefined;
  /** What the next reset comes to. */
  resetOutcome: ResetOutcome = { clean: true };
  /** Whether it answers: a stopped process does not. */
  isSilent = false;
  /** Whether something that it was started with is not right any more. */
  outdated = false;
  processUsage: ProcessUsage;
  pingCount = 0;
  resetCount = 0;
  isStopped = false;
  exit: WorkerExit | undefined;

  readonly #clock: Clock;
  readonly #options: InMemoryWorkerOptions;
  readonly #settleExit: (exit: WorkerExit) => void;

  constructor(clock: Clock, id: string, options: InMemoryWorkerOptions = promptly, session?: SessionLaunch) {
    this.id = id;
    this.session = session;
    this.#clock = clock;
    this.#options = options;
    this.startedAtMs = clock.now();
    this.processUsage = options.usage;
    const exited = Promise.withResolvers<WorkerExit>();
    this.exited = exited.promise;
    this.#settleExit = exited.resolve;
  }

  ready(): Promise<void> {
    return this.#answer(this.#options.startMs, 20_000);
  }

  ping(timeoutMs: number): Promise<void> {
    this.pingCount++;
    return this.#answer(1, timeoutMs);
  }

  isOutdated(): boolean {
    return this.outdated;
  }

  async bind(): Promise<void> {}

  async configure(): Promise<void> {}

  async seed(): Promise<void> {}

  run(): RunningTurn {
    throw new Error("the pool runs no turns");
  }

  async reset(): Promise<ResetOutcome> {
    this.resetCount++;
    try {
      await this.#answer(this.#options.resetMs, 10_000);
    } catch {
      return { clean: false, why: "worker_died" };
    }
    return this.resetOutcome;
  }

  async usage(): Promise<ProcessUsage> {
    return this.processUsage;
  }

  async stop(): Promise<void> {
    if (!this.isStopped) {
      this.isStopped = true;
      this.#clock.after(this.#options.stopMs, () => this.die({ code: 0, signal: null, detail: "" }));
    }
    await this.exited;
  }

  /** Ends by itself. */
  die(exit: WorkerExit = { code: 1, signal: null, detail: "died" }): void {
    this.exit ??= exit;
    this.#settleExit(exit);
  }

  /** Answers after a while; rejects when it is gone by then, or says nothing. */
  #answer(afterMs: number, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const died = () => {
        const facts = { exitCode: this.exit?.code ?? "none", signal: this.exit?.signal ?? "none" };
        reject(new RunnerError("WORKER_DIED", "the worker is gone", { facts }));
      };
      if (this.exit !== undefined) return died();
      const cancel = this.isSilent
        ? this.#clock.after(timeoutMs, () => reject(new RunnerError("WORKER_DIED", "no answer")))
        : this.#clock.after(afterMs, resolve);
      void this.exited.then(() => {
        cancel();
        died();
      });
    });
  }
}
