/**
 * What failing starts of a profile lead to: how many more may be tried, and what waiting turns are told.
 *
 * Knows nothing of time beyond the moments that it is given, and starts nothing itself.
 */
import { RunnerError } from "../errors.ts";

export interface BreakerLimits {
  readonly startFailuresToBreak: number;
  readonly startRetryMs: number;
  readonly cliRecheckIntervalMs: number;
}

// closed -> open           [too many failed starts in a row: one start per startRetryMs]
// any    -> cliUnavailable [there is no program to start: one look per cliRecheckIntervalMs]
// open, cliUnavailable -> closed [a worker answers]
type State =
  | { readonly kind: "closed" }
  | { readonly kind: "open"; readonly nextStartAtMs: number }
  | { readonly kind: "cliUnavailable"; readonly nextStartAtMs: number; readonly error: RunnerError };

export class StartBreaker {
  readonly #limits: BreakerLimits;
  #state: State = { kind: "closed" };
  #failureCount = 0;
  #lastFailureAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  get kind(): State["kind"] {
    return this.#state.kind;
  }

  /** Failed starts since a worker last proved itself. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** How many starts may begin now, with so many under way. */
  startsAllowed(nowMs: number, startingCount: number): number {
    if (this.#state.kind === "closed") return Number.POSITIVE_INFINITY;
    return startingCount === 0 && nowMs >= this.#state.nextStartAtMs ? 1 : 0;
  }

  /** When the next start may be tried; `undefined` while starts do not fail. */
  get nextStartAtMs(): number | undefined {
    return this.#state.kind === "closed" ? undefined : this.#state.nextStartAtMs;
  }

  /** A start failed, or a worker ended by itself as soon as it was there. */
  failed(error: RunnerError, nowMs: number): void {
    this.#failureCount++;
    this.#lastFailureAtMs = nowMs;
    if (error.reason === "CLI_UNAVAILABLE") {
      const nextStartAtMs = nowMs + this.#limits.cliRecheckIntervalMs;
      this.#state = { kind: "cliUnavailable", nextStartAtMs, error };
    } else if (this.#failureCount >= this.#limits.startFailuresToBreak) {
      this.#state = { kind: "open", nextStartAtMs: nowMs + this.#limits.startRetryMs };
    } else {
      this.#state = { kind: "closed" };
    }
  }

  /**
   * A worker answers, so starts go on. The failures are not forgotten before it has proved itself: a program that
   * starts and dies at once is as broken as one that does not start.
   */
  answered(): void {
    if (this.#state.kind === "closed") return;
    this.#failureCount = Math.min(this.#failureCount, this.#limits.startFailuresToBreak - 1);
    this.#state = { kind: "closed" };
  }

  /**
   * A worker has served a turn, or lived for a while. One that is older than the last failure proves nothing: those
   * that run are well, and no more of them start.
   */
  proved(startedAtMs: number): void {
    if (startedAtMs > this.#lastFailureAtMs) this.#failureCount = 0;
  }

  /** What a turn is told for which there is no worker; `undefined` while starts do not fail. */
  refusal(nowMs: number, pushBackMs: (aboutMs: number) => number): RunnerError | undefined {
    const state = this.#state;
    switch (state.kind) {
      case "closed":
        return undefined;
      case "open": {
        const failureCount = this.#failureCount;
        return new RunnerError("WORKER_START_FAILED", `workers do not start: ${failureCount} starts in a row failed`, {
          facts: { failureCount },
          retryAfterMs: pushBackMs(state.nextStartAtMs - nowMs),
        });
      }
      case "cliUnavailable":
        return new RunnerError("CLI_UNAVAILABLE", state.error.message, {
          facts: state.error.facts,
          retryAfterMs: pushBackMs(state.nextStartAtMs - nowMs),
          cause: state.error,
        });
      default:
        return state satisfies never;
    }
  }
}
