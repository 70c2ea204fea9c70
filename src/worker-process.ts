/**
 * The port behind which a worker's process hides: what the pool and the service ask of it.
 *
 * `cli/claude-worker.ts` is the implementation; tests and the bench have others.
 */
import type { SessionFile } from "./session-launch.ts";
import type { Binding, HistoryMessage, ModelSettings, Turn } from "./turn.ts";
import type { EndCause, TurnEnd } from "./turn-end.ts";
import type { TurnEvent } from "./turn-event.ts";

/** How a worker's process ended. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** One line for logs; redacted, never shown to callers. */
  readonly detail: string;
}

/** Why a process did not forget its turn. It must be ended then. A closed list: the values are labels. */
export const resetFailures = [
  // What was noticed of its turns makes it unfit for a reset.
  "compacted",
  "model_switched",
  "background_tasks",
  "conversation_reset",
  "foreign_turn",
  "second_result",
  "stale_events",
  "garbage",
  "cost_unknown",
  "idle_not_confirmed",
  "unexpected_end",
  // The reset itself did not come to its end.
  "worker_died",
  "reset_failed",
  "reset_not_proven",
  "clear_failed",
  // It was asked to go back to its first message: it did not, or went somewhere else.
  "rewind_refused",
  "rewind_elsewhere",
  "rewind_not_to_start",
  // Its own word for why not, as far as it is known here.
  "rewind_commands_queued",
  "rewind_prompt_pending",
  "rewind_turn_running",
  "rewind_target_not_found",
  "rewind_stale_target",
  "rewind_unseen_later_turn",
  "rewind_state_changed",
  "rewind_persist_failed",
  "rewind_expired",
  "rewind_other",
] as const;
export type ResetFailure = (typeof resetFailures)[number];

export type ResetOutcome = { readonly clean: true } | { readonly clean: false; readonly why: ResetFailure };

/** What a process uses. `undefined` where the platform does not tell. */
export interface ProcessUsage {
  readonly privateBytes: number | undefined;
  readonly cpuMs: number | undefined;
}

/** A turn on a worker whose prompt is being or has been written. */
export interface RunningTurn {
  /**
   * Settles when the prompt line is with the process. Rejects with WORKER_DIED when it could not be written whole: the
   * turn may go to another worker then.
   */
  readonly written: Promise<void>;
  /**
   * What happens, `init` first and `ended` last; does not throw. Reading slowly stops the reading of the process's
   * output after a bounded number of events. `init` may be missing when the turn ends before it.
   */
  readonly events: AsyncIterable<TurnEvent>;
  /**
   * The next of `events` if it is there already, without a wait: a reader of many small events takes them by the dozen.
   * Absent: there is no such way. Not while a `next()` of `events` is under way.
   */
  takeReady?(): TurnEvent | undefined;
  /** How the turn ended; known also when nobody reads `events`. Never rejects. */
  readonly ended: Promise<TurnEnd>;
  /** Settles after `ended`, when the process has said that it is idle, or is gone. Never rejects. */
  readonly idle: Promise<void>;
  /**
   * Ends the turn early. The first cause wins; `ended` follows within the stop timeouts whatever the process does.
   * Events that nobody has read by then may be dropped, except `ended`.
   */
  interrupt(cause: EndCause): void;
}

/** Claude Code's own record of a conversation. Everything rejects with SESSION_SUSPENDED when it is not what it was. */
export interface WorkerTranscript {
  /** The session's id within Claude Code. */
  readonly cliSessionId: string;
  /**
   * Its whole lines from a byte on. All of a turn is there when the turn has ended, also when its process died; after that
   * nothing can be read from before the byte where the last read began.
   */
  read(fromBytes: number): Promise<Uint8Array>;
  /** The files beside it, such as long outputs of tools, but for those that are `known` by name. */
  files(known?: ReadonlySet<string>): Promise<readonly SessionFile[]>;
}

/**
 * One CLI process as the pool and the service see it. One call at a time, in the order ready, bind, then for each turn
 * configure, seed, run, reset. One that was launched for a session is bound, and has its model and effort, when it is ready;
 * it is neither seeded nor reset. Everything rejects with WORKER_DIED once the process is gone or does not answer in time.
 */
export interface WorkerProcess {
  /** Short and unique within the server's life, such as `w17`. */
  readonly id: string;
  readonly pid: number | undefined;
  /** When the process was started, on the clock's `now()`. */
  readonly startedAtMs: number;
  /** Settles once, when the process and its group are gone and its folders are swept. Never rejects. */
  readonly exited: Promise<WorkerExit>;
  /** Only of a process that was launched for a session. */
  readonly transcript?: WorkerTranscript | undefined;
  /** Settles when the process answers. Rejects when it does not within its start timeout. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Whether an idle process still answers. Rejects when it does not within `timeoutMs`. */
  ping(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Fixes the system prompt and the schema; once in a process's life. */
  bind(binding: Binding, signal?: AbortSignal): Promise<void>;
  /** Sets model and effort where they differ from what the process has, and checks that they hold. */
  configure(settings: ModelSettings, signal?: AbortSignal): Promise<void>;
  /** Hands over the conversation so far, without model calls. */
  seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void>;
  /** Writes the prompt. */
  run(turn: Turn): RunningTurn;
  /** Makes an idle process forget its turn, and sets model and effort back to the profile's. Does not reject. */
  reset(): Promise<ResetOutcome>;
  /**
   * Whether it was started with something that is not right any more, such as a key that has been replaced: then it gets
   * no further turn. Asked often. Absent: it never is.
   */
  isOutdated?(): boolean;
  usage(): Promise<ProcessUsage>;
  /** Ends the process in steps, down to its whole group, and sweeps what it left. Does not reject; twice is fine. */
  stop(): Promise<void>;
}
