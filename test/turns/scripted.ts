/**
 * A worker and a pool that do what a test tells them, for the service alone: no queue, no process, no CLI.
 */

import type { Claim, ClaimRequest, Release, WorkerPool } from "../../src/pool/claim.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { HistoryMessage, Turn } from "../../src/turn.ts";
import type { EndCause, TurnEnd } from "../../src/turn-end.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import { noUsage } from "../../src/usage.ts";
import type { ResetOutcome, RunningTurn, WorkerExit, WorkerProcess } from "../../src/worker-process.ts";

export const goodEnd: TurnEnd = {
  outcome: "completed",
  error: undefined,
  upstreamFailure: undefined,
  text: "hello",
  structuredOutput: undefined,
  structuredOutputJson: "",
  usage: { ...noUsage, inputTokens: 3, outputTokens: 4 },
  modelUsage: [],
  costUsdMicros: 12,
  costIsEstimate: false,
  modelCallCount: 1,
  contextTokens: 7,
  contextWindowTokens: 200_000,
  answerBlocks: ["hello"],
  answerBeside: "nothing",
  stopReason: "end_turn",
  terminalReason: "completed",
  cliSubtype: "success",
  permissionDenials: [],
  refusalCategory: "",
  refusalExplanation: "",
  apiMs: 5,
  workerReusable: true,
};

export const init: TurnEvent = {
  kind: "init",
  cliVersion: "2.1.332",
  model: "m",
  upstreamSessionId: "s",
  permissionMode: "dontAsk",
  tools: [],
  mcpServers: [],
  capabilities: [],
  apiKeySource: "none",
};

/** A turn that asks for nothing special. */
export function aTurn(more: Partial<Turn> = {}): Turn {
  return {
    id: "00000000-0000-4000-8000-000000000001",
    tenant: "t",
    profile: "default",
    content: [],
    history: [],
    binding: {},
    settings: { model: "m", effort: "medium" },
    limits: {},
    detail: "standard",
    labels: {},
    ...more,
  };
}

export const text = (words: string): TurnEvent => ({ kind: "textDelta", text: words, messageIndex: 0, blockIndex: 0 });

/** A turn whose events a test pushes. */
export class ScriptedTurn implements RunningTurn {
  readonly written: Promise<void>;
  readonly ended: Promise<TurnEnd>;
  readonly idle: Promise<void>;
  readonly causes: EndCause[] = [];
  readonly #end = Promise.withResolvers<TurnEnd>();
  readonly #idle = Promise.withResolvers<void>();
  readonly #queue: TurnEvent[] = [];
  #wake: (() => void) | undefined;
  #over = false;
  /** How this turn ends when it is interrupted. */
  onInterrupt: (cause: EndCause) => TurnEnd | undefined = (cause) => ({
    ...goodEnd,
    outcome:
      cause === "upstreamAuth" || cause === "upstreamSilent" || cause === "schemaNotTaken" ? "upstreamError" : cause,
    error:
      {
        cancelled: "CANCELLED",
        deadlineExceeded: "DEADLINE_EXCEEDED",
        drained: "DRAINED",
        clientStalled: "CLIENT_STALLED",
      }[cause as string] === undefined
        ? undefined
        : new RunnerError(
            (
              {
                cancelled: "CANCELLED",
                deadlineExceeded: "DEADLINE_EXCEEDED",
                drained: "DRAINED",
                clientStalled: "CLIENT_STALLED",
              } as const
            )[cause as "cancelled"],
            cause,
          ),
  });

  constructor(written: Promise<void> = Promise.resolve()) {
    this.written = written;
    this.ended = this.#end.promise;
    this.idle = this.#idle.promise;
  }

  push(...events: TurnEvent[]): void {
    this.#queue.push(...events);
    this.#wake?.();
  }

  end(end: TurnEnd = goodEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#end.resolve(end);
    this.push({ kind: "ended", end });
  }

  becomeIdle(): void {
    this.#idle.resolve();
  }

  interrupt(cause: EndCause): void {
    if (this.#over) return;
    this.causes.push(cause);
    const end = this.onInterrupt(cause);
    if (end === undefined) return;
    this.end(end);
    this.becomeIdle();
  }

  get events(): AsyncIterable<TurnEvent> {
    const turn = this;
    return {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const event = turn.#queue.shift();
          if (event === undefined) {
            await new Promise<void>((resolve) => {
              turn.#wake = resolve;
            });
            continue;
          }
          yield event;
          if (event.kind === "ended") return;
        }
      },
    };
  }
}

export class ScriptedWorker implements WorkerProcess {
  readonly id: string;
  readonly pid = undefined;
  readonly startedAtMs = 0;
  readonly exited = new Promise<WorkerExit>(() => {});
  readonly calls: string[] = [];
  readonly turn: ScriptedTurn;
  onBind: () => Promise<void> = async () => {};
  onConfigure: () => Promise<void> = async () => {};
  onSeed: (signal: AbortSignal | undefined) => Promise<void> = async () => {};

  constructor(id = "w1", turn = new ScriptedTurn()) {
    this.id = id;
    this.turn = turn;
  }
  async ready(): Promise<void> {}
  async ping(): Promise<void> {}
  async bind(): Promise<void> {
    this.calls.push("bind");
    await this.onBind();
  }
  async configure(): Promise<void> {
    this.calls.push("configure");
    await this.onConfigure();
  }
  async seed(_history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void> {
    this.calls.push("seed");
    await this.onSeed(signal);
  }
  run(_turn: Turn): RunningTurn {
    this.calls.push("run");
    return this.turn;
  }
  async reset(): Promise<ResetOutcome> {
    return { clean: true };
  }
  async usage() {
    return { privateBytes: undefined, cpuMs: undefined };
  }
  async stop(): Promise<void> {}
}

/** Gives out the workers that it was made with, one after the other, and remembers how they came back. */
export class ScriptedPool implements WorkerPool {
  readonly releases: { readonly workerId: string; readonly how: Release }[] = [];
  readonly requests: ClaimRequest[] = [];
  holds: Claim["holds"] = { kind: "nothing" };
  /** How long the pool says that each turn waited. */
  queueWaitMs = 0;
  onClaim: (request: ClaimRequest) => Promise<void> = async () => {};
  readonly #workers: ScriptedWorker[];

  constructor(...workers: ScriptedWorker[]) {
    this.#workers = workers;
  }

  async claim(request: ClaimRequest): Promise<Claim> {
    this.requests.push(request);
    await this.onClaim(request);
    const worker = this.#workers.shift();
    if (worker === undefined) throw new RunnerError("QUEUE_FULL", "no more workers in this test");
    let released = false;
    const release = (how: Release) => {
      if (released) return;
      released = true;
      this.releases.push({ workerId: worker.id, how });
    };
    return {
      worker,
      source: "SPARE",
      holds: this.holds,
      turnCount: 0,
      queueWaitMs: this.queueWaitMs,
      queueLengthSeen: 0,
      finishing: () => {},
      release,
      [Symbol.dispose]: () => release({ kind: "discard", why: "not_released" }),
    };
  }
}
