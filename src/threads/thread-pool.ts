/**
 * A few threads for work that would hold the event loop up: bounded in number, waiting line, time and memory.
 *
 * A thread is started when there is work for it and ends when there has been none for a while; none keeps the process
 * alive. One task at a time runs in a thread, so that a thread that crashes, hangs or runs out of memory takes its own
 * task with it and no other. Knows nothing of what is done: the module that a thread runs says that (`thread.ts`).
 */
import { Worker } from "node:worker_threads";
import type { CancelTimer, Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { FromThread, ToThread } from "./thread.ts";

export interface ThreadPoolOptions {
  /** The module that a thread runs; it calls `serveThread`. */
  readonly module: URL;
  /** What a thread is given once, at its start. */
  readonly setUp: () => unknown;
  readonly maxThreads: number;
  /** Tasks that may wait for a thread; one more is refused. */
  readonly maxWaiting: number;
  /** How long one task may run, its thread's start included, in milliseconds. */
  readonly taskTimeoutMs: number;
  /** How long a thread waits for its next task before it ends, in milliseconds. */
  readonly idleMs: number;
  /** The heap of one thread, in MiB; buffers do not count. */
  readonly maxHeapMib: number;
  readonly clock: Clock;
}

/** What a task is about, for messages: `a large JSON request`. */
export interface TaskOptions {
  readonly what: string;
  readonly signal: AbortSignal;
  /** Buffers that move to the thread, and are gone here. */
  readonly transfer: readonly ArrayBuffer[];
}

interface Task<Input, Output> extends TaskOptions {
  readonly input: Input;
  readonly resolve: (output: Output) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
}

export class ThreadPool<Input, Output> {
  readonly #options: ThreadPoolOptions;
  readonly #waiting = new Set<Task<Input, Output>>();
  readonly #threads = new Set<Thread<Input, Output>>();
  #isStopped = false;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
  }

  get threadCount(): number {
    return this.#threads.size;
  }

  /** Runs a task in a thread. Rejects with the signal's reason, with QUEUE_FULL, or with what the thread says. */
  run(input: Input, options: TaskOptions): Promise<Output> {
    const { maxWaiting } = this.#options;
    const { signal, what } = options;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#isStopped) throw new RunnerError("POOL_DRAINING", "the server is shutting down");
      if (this.#waiting.size >= maxWaiting) {
        const message = `${what} cannot be read now: ${this.#waiting.size} are waiting, limit ${maxWaiting}`;
        throw new RunnerError("QUEUE_FULL", message, { facts: { waiting: this.#waiting.size, limit: maxWaiting } });
      }
      const task: Task<Input, Output> = {
        ...options,
        input,
        resolve,
        reject,
        onAbort: () => {
          this.#waiting.delete(task);
          reject(signal.reason);
          // What it computes is nobody's: a thread that is busy with it ends.
          for (const thread of this.#threads) if (thread.task === task) thread.end();
        },
      };
      signal.addEventListener("abort", task.onAbort, { once: true });
      this.#waiting.add(task);
      this.#serve();
    });
  }

  /** Ends every thread and refuses what waits. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const task of this.#waiting) task.reject(new RunnerError("POOL_DRAINING", "the server is shutting down"));
    this.#waiting.clear();
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  /** Gives waiting tasks to idle threads, and starts threads for those that are left. */
  #serve(): void {
    for (const task of this.#waiting) {
      const thread = [...this.#threads].find(({ isIdle }) => isIdle) ?? this.#started();
      if (thread === undefined) return;
      this.#waiting.delete(task);
      thread.run(task);
    }
  }

  #started(): Thread<Input, Output> | undefined {
    if (this.#threads.size >= this.#options.maxThreads) return undefined;
    const thread = new Thread<Input, Output>(this.#options, {
      idle: () => this.#serve(),
      over: () => {
        this.#threads.delete(thread);
        this.#serve();
      },
    });
    this.#threads.add(thread);
    return thread;
  }
}

interface ThreadListener {
  idle(): void;
  over(): void;
}

class Thread<Input, Output> {
  readonly #options: ThreadPoolOptions;
  readonly #listener: ThreadListener;
  readonly #worker: Worker;
  #task: Task<Input, Output> | undefined;
  #cancelTimer: CancelTimer = () => {};
  #isOver = false;

  constructor(options: ThreadPoolOptions, listener: ThreadListener) {
    this.#options = options;
    this.#listener = listener;
    this.#worker = new Worker(options.module, {
      workerData: options.setUp(),
      // Nothing of the server's environment: it computes, and that is all.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: options.maxHeapMib, maxYoungGenerationSizeMb: 16 },
    });
    this.#worker.unref();
    this.#worker.on("message", (answer: FromThread<Output>) => this.#finish(answer));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#over());
  }

  get task(): Task<Input, Output> | undefined {
    return this.#task;
  }

  get isIdle(): boolean {
    return this.#task === undefined && !this.#isOver;
  }

  run(task: Task<Input, Output>): void {
    const { taskTimeoutMs, clock } = this.#options;
    this.#cancelTimer();
    this.#task = task;
    this.#cancelTimer = clock.after(taskTimeoutMs, () => {
      const message = `${task.what} was not read within ${taskTimeoutMs} ms`;
      this.#settle((late) => late.reject(new RunnerError("DEADLINE_EXCEEDED", message, { facts: { taskTimeoutMs } })));
      void this.end();
    });
    this.#worker.postMessage({ input: task.input } satisfies ToThread<Input>, [...task.transfer]);
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    // From now on it takes no task, though it has not exited yet.
    this.#over();
    await this.#worker.terminate();
  }

  #finish(answer: FromThread<Output>): void {
    this.#settle(({ resolve, reject }) => {
      if ("output" in answer) resolve(answer.output);
      else reject(new RunnerError(answer.error.reason, answer.error.message, { facts: answer.error.facts }));
    });
    if (this.#isOver) return;
    this.#cancelTimer = this.#options.clock.after(this.#options.idleMs, () => void this.end());
    this.#listener.idle();
  }

  #fail(error: Error & { code?: string }): void {
    const { maxHeapMib } = this.#options;
    this.#settle(({ reject, what }) => {
      if (error.code !== "ERR_WORKER_OUT_OF_MEMORY") return reject(error);
      const message = `${what} takes more than ${maxHeapMib} MiB of memory to read`;
      reject(new RunnerError("REQUEST_TOO_LARGE", message, { facts: { limitMib: maxHeapMib } }));
    });
  }

  #over(): void {
    this.#settle(({ reject, what }) => reject(new Error(`the thread that read ${what} has ended`)));
    this.#cancelTimer();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.over();
  }

  #settle(how: (task: Task<Input, Output>) => void): void {
    const task = this.#task;
    if (task === undefined) return;
    this.#task = undefined;
    this.#cancelTimer();
    task.signal.removeEventListener("abort", task.onAbort);
    how(task);
  }
}
