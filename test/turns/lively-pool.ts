/**
 * A pool of scripted workers that is never used up: so many turns run at once, the others wait in the order in which they
 * came, and what a turn does when it has its prompt is the test's.
 */
import type { Claim, ClaimRequest, WorkerPool } from "../../src/pool/claim.ts";
import type { HistoryMessage, Turn } from "../../src/turn.ts";
import type { RunningTurn } from "../../src/worker-process.ts";
import { ScriptedTurn, ScriptedWorker } from "./scripted.ts";

/** `history`: what its worker was handed over before. */
export type Perform = (turn: Turn, running: ScriptedTurn, history: readonly HistoryMessage[]) => void;

export class LivelyPool implements WorkerPool {
  /** Every turn that got its prompt, in order. */
  readonly ran: Turn[] = [];
  readonly #slotCount: number;
  readonly #perform: Perform;
  readonly #waiting: (() => void)[] = [];
  #usedCount = 0;
  #lastNumber = 0;
  #mostUsedCount = 0;

  constructor(slotCount: number, perform: Perform) {
    this.#slotCount = slotCount;
    this.#perform = perform;
  }

  /** Workers that a turn has now. */
  get usedCount(): number {
    return this.#usedCount;
  }

  /** The most that were used at once. */
  get mostUsedCount(): number {
    return this.#mostUsedCount;
  }

  async claim({ signal }: ClaimRequest): Promise<Claim> {
    signal.throwIfAborted();
    // A worker that is handed on stays used: nobody gets in between.
    if (this.#usedCount >= this.#slotCount) await this.#place(signal);
    else this.#usedCount += 1;
    this.#mostUsedCount = Math.max(this.#mostUsedCount, this.#usedCount);
    this.#lastNumber += 1;
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#usedCount -= 1;
      else next();
    };
    return {
      worker: new LivelyWorker(`w${this.#lastNumber}`, (turn, running, history) => {
        this.ran.push(turn);
        this.#perform(turn, running, history);
      }),
      source: "SPARE",
      holds: { kind: "nothing" },
      turnCount: 0,
      queueWaitMs: 0,
      queueLengthSeen: this.#waiting.length,
      finishing: () => {},
      release,
      [Symbol.dispose]: release,
    };
  }

  #place(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        const at = this.#waiting.indexOf(enter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(enter);
    });
  }
}

class LivelyWorker extends ScriptedWorker {
  readonly #perform: Perform;
  #history: readonly HistoryMessage[] = [];

  constructor(id: string, perform: Perform) {
    super(id, new ScriptedTurn());
    this.#perform = perform;
  }

  override async seed(history: readonly HistoryMessage[]): Promise<void> {
    this.#history = history;
  }

  override run(turn: Turn): RunningTurn {
    const running = super.run(turn);
    this.#perform(turn, this.turn, this.#history);
    return running;
  }
}
