/**
 * What failing starts of a profile lead to: how many more may be tried, and what waiting turns are told.
 *
 * Counts the starts that failed since the last one that succeeded, whatever ended them: the kernel's kill for memory
 * looks like anybody's. A worker that dies once it has answered is no failed start. A program that has started before
 * gets the benefit of the doubt: after a burst of failures it is tried again soon, then less and less often, and
 * turns go on waiting for it for a while. One that has never started gets none.
 *
 * Knows nothing of time beyond the moments that it is given, and starts nothing itself.
 */
import { isRunnerError, RunnerError } from "../runner-error.ts";

export interface BreakerLimits {
  readonly startFailuresToBreak: number;
  readonly startRetryMs: number;
  readonly cliRecheckIntervalMs: number;
}

/** The first pause of a program that has started before is this part of `startRetryMs`; each further one doubles. */
const firstPauseShare = 1 / 16;
/** For so long starts of such a program may fail before turns are refused because of it. */
const doubtMs = 60_000;
/**
 * The same while each of them was killed, which says nothing about the program. Where starts are slow, whoever kills a
 * worker every second or so hits each start: turns wait it out, as long as the queue lets them.
 */
const killedDoubtMs = 300_000;
/**
 * Where a start takes this long, a run of starts that were killed by chance is nothing rare. Until the doubt is over no
 * pause is longer than one and a half of them then, so that a worker is there within three once nobody kills them.
 */
const slowStartMs = 1_000;
const pausePerSlowStart = 1.5;

// normal  -> failing        [too many failed starts in a row: one start at a time, with a pause before each]
// any     -> cliUnavailable [there is no program to start: one look per cliRecheckIntervalMs]
// failing, cliUnavailable -> normal [a worker answers]
// cliUnavailable -> normal, failing [a start fails for another reason: there is a program again]
type State =
  | { readonly kind: "normal" }
  | { readonly kind: "failing"; readonly sinceMs: number; readonly pauseMs: number; readonly nextStartAtMs: number }
  | { readonly kind: "cliUnavailable"; readonly nextStartAtMs: number; readonly error: RunnerError };

/** How starts go; the words of `StartsState` in pool.proto. */
export type StartsState = State["kind"];

export class StartBreaker {
  readonly #limits: BreakerLimits;
  #state: State = { kind: "normal" };
  #failureCount = 0;
  #failingSinceMs = 0;
  /** Whether one of these starts failed by itself. */
  #hasFailedByItself = false;
  #hasSucceeded = false;
  /** How long the last good start took, or a failed one after it that was slower. */
  #startMs = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  get kind(): StartsState {
    return this.#state.kind;
  }

  /** Failed starts since the last one that succeeded. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** How many starts may begin now, with so many under way. */
  startsAllowed(nowMs: number, startingCount: number): number {
    if (this.#state.kind === "normal") return Number.POSITIVE_INFINITY;
    return startingCount === 0 && nowMs >= this.#state.nextStartAtMs ? 1 : 0;
  }

  /** When the next start may be tried; `undefined` while starts do not fail. */
  get nextStartAtMs(): number | undefined {
    return this.#state.kind === "normal" ? undefined : this.#state.nextStartAtMs;
  }

  /** A start that began at `startedAtMs` failed. */
  failed(error: RunnerError, startedAtMs: number, nowMs: number): void {
    if (this.#failureCount === 0) {
      this.#failingSinceMs = nowMs;
      this.#hasFailedByItself = false;
    }
    this.#failureCount++;
    this.#hasFailedByItself ||= !wasKilled(error);
    this.#startMs = Math.max(this.#startMs, nowMs - startedAtMs);
    if (error.reason === "CLI_UNAVAILABLE") {
      const nextStartAtMs = nowMs + this.#limits.cliRecheckIntervalMs;
      this.#state = { kind: "cliUnavailable", nextStartAtMs, error };
    } else if (this.#failureCount >= this.#limits.startFailuresToBreak) {
      this.#pause(startedAtMs, nowMs);
    } else {
      this.#state = { kind: "normal" };
    }
  }

  #pause(startedAtMs: number, nowMs: number): void {
    const { startRetryMs } = this.#limits;
    const before = this.#state;
    if (before.kind === "failing") {
      // It was under way when the pause began: of the same burst, and no news.
      if (startedAtMs <= before.sinceMs) return;
      const isInDoubt = this.#startMs >= slowStartMs && !this.isHopeless(nowMs);
      const mostMs = Math.min(startRetryMs, isInDoubt ? pausePerSlowStart * this.#startMs : startRetryMs);
      const pauseMs = Math.min(2 * before.pauseMs, mostMs);
      this.#state = { ...before, pauseMs, nextStartAtMs: nowMs + pauseMs };
      return;
    }
    const pauseMs = this.#hasSucceeded ? startRetryMs * firstPauseShare : startRetryMs;
    this.#state = { kind: "failing", sinceMs: nowMs, pauseMs, nextStartAtMs: nowMs + pauseMs };
  }

  /** A worker answers after so long: starts go on, and the failures before it count no more. */
  succeeded(startMs: number): void {
    this.#hasSucceeded = true;
    this.#startMs = startMs;
    this.#failureCount = 0;
    this.#state = { kind: "normal" };
  }

  /** Whether waiting for a start is in vain, as far as one can know. */
  isHopeless(nowMs: number): boolean {
    switch (this.#state.kind) {
      case "normal":
        return false;
      case "failing":
        return !this.#hasSucceeded || nowMs - this.#failingSinceMs >= this.#doubtMs;
      case "cliUnavailable":
        return true;
      default:
        return this.#state satisfies never;
    }
  }

  get #doubtMs(): number {
    return this.#hasFailedByItself ? doubtMs : killedDoubtMs;
  }

  /** What a turn is told for which there is no worker; `undefined` while it may hope for one. */
  refusal(nowMs: number, pushBackMs: (aboutMs: number) => number): RunnerError | undefined {
    const state = this.#state;
    if (state.kind === "normal" || !this.isHopeless(nowMs)) return undefined;
    const retryAfterMs = pushBackMs(state.nextStartAtMs - nowMs);
    if (state.kind === "cliUnavailable") {
      const { message, facts } = state.error;
      return new RunnerError("CLI_UNAVAILABLE", message, { facts, retryAfterMs, cause: state.error });
    }
    const failureCount = this.#failureCount;
    return new RunnerError("WORKER_START_FAILED", `workers do not start: the last ${failureCount} starts failed`, {
      facts: { failureCount },
      retryAfterMs,
    });
  }
}

/** Signals by which others end a process; a program that crashes gets another. */
const signalsOfOthers: ReadonlySet<unknown> = new Set(["SIGKILL", "SIGTERM"]);

/** Whether a start failed because somebody, the kernel included, ended its process. */
function wasKilled(error: unknown): boolean {
  if (!isRunnerError(error)) return false;
  return (error.reason === "WORKER_DIED" && signalsOfOthers.has(error.facts.signal)) || wasKilled(error.cause);
}
