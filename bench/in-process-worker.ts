/**
 * A worker without a process, whose turn says a few words each second until it is ended: for measuring the server alone.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RunnerError } from "../src/runner-error.ts";
import type { EndCause, TurnEnd } from "../src/turn-end.ts";
import type { TurnEvent } from "../src/turn-event.ts";
import { noUsage } from "../src/usage.ts";
import type { ResetOutcome, RunningTurn, WorkerExit, WorkerProcess } from "../src/worker-process.ts";

const deltaIntervalMs = 1_000;
const words: TurnEvent = { kind: "textDelta", text: "a few words, ", messageIndex: 0, blockIndex: 0 };
const init: TurnEvent = {
  kind: "init",
  cliVersion: "2.1.332",
  model: "claude-opus-5-5",
  upstreamSessionId: "",
  permissionMode: "dontAsk",
  tools: [],
  mcpServers: [],
  capabilities: [],
  apiKeySource: "none",
};

let lastNumber = 0;

export class InProcessWorker implements WorkerProcess {
  readonly id: string;
  readonly pid = undefined;
  readonly startedAtMs = performance.now();
  readonly exited: Promise<WorkerExit>;
  readonly #exit = Promise.withResolvers<WorkerExit>();

  constructor() {
    lastNumber += 1;
    this.id = `w${lastNumber}`;
    this.exited = this.#exit.promise;
  }

  async ready(): Promise<void> {}
  async ping(): Promise<void> {}
  async bind(): Promise<void> {}
  async configure(): Promise<void> {}
  async seed(): Promise<void> {}

  run(): RunningTurn {
    return new IdleTurn();
  }

  async reset(): Promise<ResetOutcome> {
    return { clean: true };
  }

  async usage() {
    return { privateBytes: undefined, cpuMs: undefined };
  }

  async stop(): Promise<void> {
    this.#exit.resolve({ code: 0, signal: null, detail: "" });
  }
}

class IdleTurn implements RunningTurn {
  readonly written = Promise.resolve();
  readonly ended: Promise<TurnEnd>;
  readonly idle: Promise<void>;
  readonly events: AsyncIterable<TurnEvent>;
  readonly #end = Promise.withResolvers<TurnEnd>();
  readonly #stop = new AbortController();

  constructor() {
    this.ended = this.#end.promise;
    this.idle = this.ended.then(() => undefined);
    this.events = this.#say();
  }

  interrupt(cause: EndCause): void {
    this.#end.resolve(endBy(cause));
    this.#stop.abort();
  }

  async *#say(): AsyncGenerator<TurnEvent, void> {
    yield init;
    // Not all in the same moment.
    let pauseMs = Math.random() * deltaIntervalMs;
    while (await this.#pause(pauseMs)) {
      yield words;
      pauseMs = deltaIntervalMs;
    }
    yield { kind: "ended", end: await this.ended };
  }

  /** Whether the turn goes on. */
  #pause(forMs: number): Promise<boolean> {
    return sleep(forMs, undefined, { signal: this.#stop.signal }).then(
      () => true,
      () => false,
    );
  }
}

/** Here only callers who go end a turn. */
function endBy(cause: EndCause): TurnEnd {
  return {
    outcome:
      cause === "upstreamAuth" || cause === "upstreamSilent" || cause === "schemaNotTaken" ? "upstreamError" : cause,
    error: new RunnerError("CANCELLED", `the turn was ended: ${cause}`),
    upstreamFailure: undefined,
    text: "",
    structuredOutput: undefined,
    structuredOutputJson: "",
    usage: noUsage,
    modelUsage: [],
    costUsdMicros: 0,
    costIsEstimate: false,
    modelCallCount: 1,
    contextTokens: 7,
    contextWindowTokens: 200_000,
    answerBlocks: ["hello"],
    answerBeside: "nothing",
    stopReason: "",
    terminalReason: "",
    cliSubtype: "",
    permissionDenials: [],
    refusalCategory: "",
    refusalExplanation: "",
    apiMs: undefined,
    workerReusable: true,
  };
}
