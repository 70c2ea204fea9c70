/**
 * What is running, how far it is and when the whole will be done, on stderr: one line that is rewritten on a terminal,
 * a line now and then elsewhere.
 */
import type { Clock } from "../src/clock.ts";

export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

interface Part {
  readonly name: string;
  readonly estimateMs: number;
}

/** How often a line is written where it cannot be rewritten, in milliseconds. */
const lineIntervalMs = 10_000;
const rewriteIntervalMs = 100;

export class Progress {
  readonly #parts: readonly Part[];
  readonly #output: ProgressOutput;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #current = -1;
  #currentStartedAtMs = 0;
  /** What the parts so far took, over what had been guessed. */
  #slowness = 1;
  #guessedDoneMs = 0;
  #lastShownAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: readonly Part[], output: ProgressOutput, clock: Clock) {
    this.#parts = parts;
    this.#output = output;
    this.#clock = clock;
    this.#startedAtMs = clock.now();
  }

  /** The next part begins. */
  begin(): void {
    const nowMs = this.#clock.now();
    this.#guessedDoneMs = this.#parts.slice(0, this.#current + 1).reduce((sum, part) => sum + part.estimateMs, 0);
    if (this.#guessedDoneMs > 0) this.#slowness = (nowMs - this.#startedAtMs) / this.#guessedDoneMs;
    this.#current += 1;
    this.#currentStartedAtMs = nowMs;
    this.#lastShownAtMs = Number.NEGATIVE_INFINITY;
    this.step("starting", 0);
  }

  step(what: string, doneShare: number): void {
    const nowMs = this.#clock.now();
    const intervalMs = this.#output.isTTY ? rewriteIntervalMs : lineIntervalMs;
    if (nowMs - this.#lastShownAtMs < intervalMs) return;
    this.#lastShownAtMs = nowMs;
    const part = this.#parts[this.#current]!;
    const left = `${Math.round(doneShare * 100)} %, about ${duration(this.#leftMs(nowMs, doneShare))} left in all`;
    this.#show(`[${this.#current + 1}/${this.#parts.length}] ${part.name}: ${what} · ${left}`);
  }

  /** Clears the line for whatever comes next. */
  end(): void {
    if (this.#output.isTTY) this.#output.write("\r\x1b[K");
  }

  #leftMs(nowMs: number, doneShare: number): number {
    const { estimateMs } = this.#parts[this.#current]!;
    const guessedMs = (1 - doneShare) * estimateMs * this.#slowness;
    const spentMs = nowMs - this.#currentStartedAtMs;
    const seenMs = doneShare > 0 ? (spentMs * (1 - doneShare)) / doneShare : guessedMs;
    // What was seen of this part counts the more the further it is.
    const hereMs = guessedMs * (1 - doneShare) + seenMs * doneShare;
    const laterMs = this.#parts.slice(this.#current + 1).reduce((sum, part) => sum + part.estimateMs, 0);
    return hereMs + laterMs * this.#slowness;
  }

  #show(line: string): void {
    if (!this.#output.isTTY) this.#output.write(`${line}\n`);
    else this.#output.write(`\r\x1b[K${line.slice(0, (this.#output.columns ?? 80) - 1)}`);
  }
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
