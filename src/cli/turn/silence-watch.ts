/**
 * Tells a model that is silent from a worker that is dead, while nothing comes of a turn.
 *
 * A worker that says nothing is asked whether it is there. While it answers, the model has as long as the CLI itself gives
 * it: the CLI asks again without a word when no byte came for a while, and once more without streaming. A tool may take as
 * long as the turn may.
 */
import type { Clock } from "../../clock.ts";
import { Timers } from "../../timers.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { Awaited } from "./awaited.ts";

/** How much longer than the CLI's own bounds a silence may last, in milliseconds: the CLI is to be the first to say so. */
const graceMs = 10_000;
/** So long after the CLI's bound its silent retry is reported, in milliseconds. */
const reportDelayMs = 1_000;

export interface SilenceBounds {
  readonly silenceTimeoutMs: number;
  /** Without a byte of an answer for this long the CLI asks again, and says nothing about it. */
  readonly upstreamIdleTimeoutMs: number;
  /** Without the headers of an answer for this long the CLI asks again, and says so. */
  readonly upstreamTimeoutMs: number;
}

export interface SilenceHost {
  readonly clock: Clock;
  readonly bounds: SilenceBounds;
  awaited(): Awaited;
  /** Asks the process for anything. Rejects when it does not answer. */
  ping(): Promise<unknown>;
  /** The model has been silent for so long that the CLI has asked again. */
  onRepeated(silentMs: number): void;
  onModelSilent(silentMs: number): void;
  onWorkerSilent(silentMs: number): void;
}

/** The longest silence in which the CLI may still be waiting for the model: two attempts that stream, one that does not. */
export function maxModelSilenceMs(bounds: SilenceBounds): number {
  const { silenceTimeoutMs, upstreamIdleTimeoutMs, upstreamTimeoutMs } = bounds;
  return Math.max(silenceTimeoutMs, 2 * upstreamIdleTimeoutMs + upstreamTimeoutMs + graceMs);
}

/** What is told of it: the CLI does not say when it asks again because no byte came. */
export function silenceNotice(silentMs: number, { upstreamIdleTimeoutMs }: SilenceBounds): TurnEvent {
  const seconds = (ms: number) => Math.floor(ms / 1_000);
  const text =
    `The model API has sent nothing for ${seconds(silentMs)} s. After ${seconds(upstreamIdleTimeoutMs)} s ` +
    "without a byte, Claude Code sends the request again; each attempt may be charged.";
  return { kind: "notice", level: "warning", noticeKind: "upstream_silent", text };
}

export class SilenceWatch {
  readonly #host: SilenceHost;
  readonly #timers: Timers;
  #heardAtMs: number;
  /** When the process last showed that it lives, by whatever it wrote. */
  #aliveAtMs: number;
  #reportedCount = 0;
  /** How many reasons there are why it is not the process that is silent. */
  #pauseCount = 0;
  #isPinging = false;
  #isOver = false;

  constructor(host: SilenceHost) {
    this.#host = host;
    this.#timers = new Timers(host.clock);
    this.#heardAtMs = host.clock.now();
    this.#aliveAtMs = this.#heardAtMs;
    this.#wait(this.#longestWaitMs());
  }

  /** Something of the turn came. */
  heard(): void {
    this.#heardAtMs = this.#host.clock.now();
    this.#aliveAtMs = this.#heardAtMs;
    this.#reportedCount = 0;
  }

  /** The process wrote something. */
  alive(): void {
    this.#aliveAtMs = this.#host.clock.now();
  }

  /** While we do not read, and while it waits for us, it is not the process that is silent. Each pause needs its resume. */
  pause(): void {
    this.#pauseCount += 1;
  }

  resume(): void {
    this.#pauseCount -= 1;
    if (this.#pauseCount === 0) this.heard();
  }

  stop(): void {
    this.#isOver = true;
    this.#timers.clear();
  }

  #wait(forMs: number): void {
    if (this.#isOver) return;
    this.#timers.clear();
    this.#timers.after(forMs, () => this.#look());
  }

  #look(): void {
    const nextMs = this.#pauseCount > 0 ? this.#longestWaitMs() : this.#act();
    if (nextMs !== undefined) this.#wait(nextMs);
  }

  /** Does what is due, and gives when to look again; `undefined`: never, the turn is being ended. */
  #act(): number | undefined {
    const { clock, bounds } = this.#host;
    const { silenceTimeoutMs, upstreamIdleTimeoutMs } = bounds;
    const silentMs = clock.now() - this.#heardAtMs;
    const dueMs = [this.#longestWaitMs()];
    switch (this.#host.awaited()) {
      case "worker":
        if (silentMs >= silenceTimeoutMs) {
          this.#host.onWorkerSilent(silentMs);
          return undefined;
        }
        dueMs.push(silenceTimeoutMs - silentMs);
        break;
      case "model": {
        const maxSilentMs = maxModelSilenceMs(bounds);
        if (silentMs >= maxSilentMs) {
          this.#host.onModelSilent(silentMs);
          return undefined;
        }
        const attemptCount = Math.floor((silentMs - reportDelayMs) / upstreamIdleTimeoutMs);
        if (attemptCount > this.#reportedCount) {
          this.#reportedCount = attemptCount;
          this.#host.onRepeated(silentMs);
        }
        dueMs.push(
          maxSilentMs - silentMs,
          (this.#reportedCount + 1) * upstreamIdleTimeoutMs + reportDelayMs - silentMs,
        );
        break;
      }
      default:
        break;
    }
    const lifelessMs = clock.now() - this.#aliveAtMs;
    if (lifelessMs >= silenceTimeoutMs) this.#ping(silentMs);
    else dueMs.push(silenceTimeoutMs - lifelessMs);
    return Math.min(...dueMs);
  }

  /** Whom the turn waits for changes meanwhile: what may be due for any of them is looked after. */
  #longestWaitMs(): number {
    const { silenceTimeoutMs, upstreamIdleTimeoutMs } = this.#host.bounds;
    return Math.min(silenceTimeoutMs, upstreamIdleTimeoutMs + reportDelayMs);
  }

  #ping(silentMs: number): void {
    if (this.#isPinging) return;
    this.#isPinging = true;
    this.#host.ping().then(
      () => {
        this.#isPinging = false;
        this.alive();
      },
      () => {
        this.#isPinging = false;
        // Something may have come meanwhile.
        if (this.#host.clock.now() - this.#aliveAtMs < this.#host.bounds.silenceTimeoutMs || this.#isOver) return;
        this.stop();
        this.#host.onWorkerSilent(silentMs);
      },
    );
  }
}
