/**
 * The way to the thread of a store: gathers operations into batches, one of which is under way at a time. What comes
 * meanwhile is the next one: so many turns share one transaction, and one wait for the disk.
 *
 * Whoever waits for an answer makes the batch leave at once; events wait a moment for others.
 */
import { Worker } from "node:worker_threads";
import type { CancelTimer, Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import type { FromThread, ToThread } from "../../threads/thread.ts";
import { LeaseLost, type StoreLog } from "../store.ts";
import type { BatchEntry, Condition, Failure, FromStore, OwnersFound, Reply, SetUp, ToStore } from "./batch.ts";
import { type InputOf, isAddition, type OperationName, type OutputOf } from "./operations.ts";
import { joined, PieceReader } from "./parcel.ts";
import { faultText, storeUnavailable } from "./sqlite-faults.ts";

export interface Answer<Output> {
  readonly output: Output;
  readonly pieces: readonly Uint8Array[];
}

export interface RunOptions {
  readonly pieces?: readonly Uint8Array[];
  readonly isPowerSafe?: boolean;
  /** `soon`: with the next batch, or after a moment. */
  readonly urgency?: "now" | "soon";
}

interface Waiting {
  readonly entry: BatchEntry;
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly isPowerSafe: boolean;
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/** How long events wait for others, in milliseconds. */
const gatherMs = 30;
/** What has been gathered leaves at once when it is so large. */
const gatherBytes = 256 * 1024;
/** More than this does not wait: a disk that is too slow must not fill the memory. Ends do. */
const maxWaitingBytes = 64 * 1024 * 1024;
/** What an entry weighs beside its bytes, at most about. */
const entryBytes = 512;
/** A batch that takes longer says that something is wrong with the disk. */
const stalledMs = 5_000;

export class StoreLink {
  readonly #clock: Clock;
  readonly #log: StoreLog;
  readonly #worker: Worker;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #cancelGathering: CancelTimer | undefined;
  /** The message that is under way. */
  #underWay: { readonly sinceMs: number; readonly settle: (answer: FromThread<FromStore>) => void } | undefined;
  readonly #messages: { readonly message: ToStore; readonly settle: (answer: FromThread<FromStore>) => void }[] = [];
  #condition: Condition = { usedBytes: 0, fault: undefined };
  /** Why the thread is no more. */
  #gone: Error | undefined;

  constructor(setUp: SetUp, { clock, log }: { readonly clock: Clock; readonly log: StoreLog }) {
    this.#clock = clock;
    this.#log = log;
    this.#worker = new Worker(
      new URL(import.meta.url.endsWith(".ts") ? "./store-thread.ts" : "./store-thread.js", import.meta.url),
      { workerData: setUp, env: {}, execArgv: [], resourceLimits: { maxYoungGenerationSizeMb: 16 } },
    );
    this.#worker.unref();
    this.#worker.on("message", (answer: FromThread<FromStore>) => this.#arrived(answer));
    this.#worker.on("error", (error) => this.#lost(error));
    this.#worker.on("exit", () => this.#lost(new Error("the store's thread has ended")));
  }

  get condition(): Condition {
    return this.#condition;
  }

  /** What is wrong with the way, or the disk behind it. */
  get problem(): string | undefined {
    if (this.#gone !== undefined) return "the store has failed; restart the server";
    if (this.#condition.fault !== undefined) return faultText(this.#condition.fault);
    const sinceMs = this.#underWay?.sinceMs;
    if (sinceMs === undefined || this.#clock.now() - sinceMs < stalledMs) return undefined;
    return `the store has not answered for ${Math.round(this.#clock.now() - sinceMs)} ms`;
  }

  async open(): Promise<{ readonly recovered: OwnersFound; readonly notes: readonly string[] }> {
    const answer = await this.#send({ kind: "open", nowMs: this.#clock.wallNow() });
    if (answer.kind !== "opened") throw new Error("bug: the store has not opened");
    this.#condition = answer.condition;
    return answer;
  }

  /** Looks after the store. Returns what it found of other servers. */
  async tend(): Promise<OwnersFound> {
    const answer = await this.#send({ kind: "tend", nowMs: this.#clock.wallNow() });
    if (answer.kind !== "tended") throw new Error("bug: the store was not looked after");
    this.#condition = answer.condition;
    return answer.recovered;
  }

  run<Name extends OperationName>(
    name: Name,
    input: InputOf<Name>,
    { pieces = [], isPowerSafe = false, urgency = "now" }: RunOptions = {},
  ): Promise<Answer<OutputOf<Name>>> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) throw storeUnavailable("the store has failed; restart the server", this.#gone);
      const sizes = pieces.map(({ byteLength }) => byteLength);
      const bytes = sizes.reduce((sum, size) => sum + size, entryBytes);
      if (isAddition(name) && this.#waitingBytes + bytes > maxWaitingBytes) {
        throw storeUnavailable(`the disk of the store is too slow: ${this.#waitingBytes} bytes wait for it`);
      }
      this.#waiting.push({
        entry: { name, input, nowMs: this.#clock.wallNow(), sizes },
        pieces,
        bytes,
        isPowerSafe,
        resolve: resolve as (answer: Answer<unknown>) => void,
        reject,
      });
      this.#waitingBytes += bytes;
      if (urgency === "now" || this.#waitingBytes >= gatherBytes) this.#hurry();
      else this.#cancelGathering ??= this.#clock.after(gatherMs, () => this.#hurry());
    });
  }

  /** Writes what waits, and ends the thread. */
  async close(): Promise<void> {
    if (this.#gone !== undefined) return;
    this.#hurry();
    try {
      await this.#send({ kind: "close", nowMs: this.#clock.wallNow() });
    } finally {
      this.#gone ??= new Error("the store is closed");
      await this.#worker.terminate();
    }
  }

  /** Ends the thread as a power cut would. */
  async kill(): Promise<void> {
    this.#gone ??= new Error("the store is closed");
    await this.#worker.terminate();
  }

  #send(message: ToStore): Promise<FromStore> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) throw storeUnavailable("the store is closed", this.#gone);
      this.#messages.push({
        message,
        settle: (answer) => {
          if ("output" in answer) resolve(answer.output);
          else reject(new RunnerError(answer.error.reason, answer.error.message, { facts: answer.error.facts }));
        },
      });
      this.#next();
    });
  }

  #hurry(): void {
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    if (!this.#messages.some(({ message }) => message.kind === "batch")) this.#messages.push(this.#gathered());
    this.#next();
  }

  /** A batch of whatever waits when its turn comes. */
  #gathered() {
    const batch: ToStore = { kind: "batch", entries: [], isPowerSafe: false, bytes: new Uint8Array() };
    return { message: batch, settle: () => undefined };
  }

  #next(): void {
    if (this.#underWay !== undefined) return;
    const next = this.#messages.shift();
    if (next === undefined) return;
    // The process stays for what is under way, and for nothing else here.
    this.#worker.ref();
    if (next.message.kind === "batch") {
      this.#sendBatch();
      return;
    }
    this.#underWay = { sinceMs: this.#clock.now(), settle: next.settle };
    this.#worker.postMessage({ input: next.message } satisfies ToThread<ToStore>);
  }

  #sendBatch(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) {
      this.#next();
      return;
    }
    this.#waiting = [];
    const bytes = joined(waiting.flatMap(({ pieces }) => pieces));
    const message: ToStore = {
      kind: "batch",
      entries: waiting.map(({ entry }) => entry),
      isPowerSafe: waiting.some(({ isPowerSafe }) => isPowerSafe),
      bytes,
    };
    this.#underWay = { sinceMs: this.#clock.now(), settle: (answer) => this.#settleBatch(waiting, answer) };
    this.#worker.postMessage({ input: message } satisfies ToThread<ToStore>, [bytes.buffer]);
  }

  #settleBatch(waiting: readonly Waiting[], answer: FromThread<FromStore>): void {
    // They count until they are written: what is under way is in memory as well.
    this.#waitingBytes -= waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    if (!("output" in answer) || answer.output.kind !== "batch") {
      for (const { reject } of waiting) reject(storeUnavailable("the store has failed; restart the server"));
      return;
    }
    const { replies, bytes, condition } = answer.output;
    this.#condition = condition;
    const reader = new PieceReader(bytes);
    for (const [at, { resolve, reject }] of waiting.entries()) {
      const reply = replies[at] as Reply;
      if ("failure" in reply) reject(errorOf(reply.failure));
      else resolve({ output: reply.output, pieces: reader.take(reply.sizes) });
    }
  }

  #arrived(answer: FromThread<FromStore>): void {
    const settled = this.#underWay;
    this.#underWay = undefined;
    settled?.settle(answer);
    this.#next();
    if (this.#underWay === undefined) this.#worker.unref();
  }

  /** Nothing is known of what was under way. */
  #lost(cause: Error): void {
    if (this.#gone === undefined) this.#log.error({ err: cause }, "the store has failed");
    this.#gone ??= cause;
    const error = {
      reason: "STORE_UNAVAILABLE",
      message: "the store has failed; restart the server",
      facts: {},
    } as const;
    this.#underWay?.settle({ error });
    this.#underWay = undefined;
    for (const { settle } of this.#messages.splice(0)) settle({ error });
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#cancelGathering?.();
    for (const { reject } of waiting) reject(storeUnavailable(error.message, cause));
  }
}

function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case "leaseLost":
      return new LeaseLost(failure.message);
    case "refused":
      return new RunnerError(failure.reason, failure.message, { facts: failure.facts });
    case "fault":
      return storeUnavailable(faultText(failure.fault), new Error(failure.detail));
    case "bug":
      return new Error(failure.message);
    default:
      return failure satisfies never;
  }
}
