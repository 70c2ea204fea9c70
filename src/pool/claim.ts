/**
 * What the pool is asked for and what it gives: the words between `service/` and `pool/`.
 */
import type { SessionLaunch } from "../session-launch.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { StopReason } from "./stop-reason.ts";

/**
 * How a turn got its worker; a closed set, counted, on the span and in `started`.
 *
 * - REUSED: a worker of the same tenant, profile and binding that was reset or still has the turn's conversation
 * - SPARE: a started worker that had served nobody
 * - COLD_NO_SPARE: a worker whose start began after the turn had arrived
 * - COLD_POOL_OFF: the same, in a profile that keeps no spares
 */
export const claimSources = ["REUSED", "SPARE", "COLD_NO_SPARE", "COLD_POOL_OFF"] as const;
export type ClaimSource = (typeof claimSources)[number];

/**
 * What a claimed worker has of the turns before.
 *
 * - nothing: it has served nobody; the turn has to bind it
 * - binding: it is bound for the turn, and has forgotten every conversation
 * - conversation: it is bound for the turn and still has the conversation that the turn asked for
 */
export type Holding = { readonly kind: "nothing" } | BoundHolding;

/** What a worker has that is bound. */
export type BoundHolding =
  | { readonly kind: "binding" }
  /** `id` is the service's own name for it; the pool only compares it. */
  | { readonly kind: "conversation"; readonly id: string };

/** A conversation that only a worker of its own can go on with, since its truth is Claude Code's transcript. */
export interface SessionClaim {
  /** The name under which a parked worker has it, and under which the one has it that is started for the turn. */
  readonly conversation: string;
  /** What that one is started with. */
  readonly launch: SessionLaunch;
}

export interface ClaimRequest {
  readonly turnId: string;
  readonly tenant: string;
  /** The name of the profile. */
  readonly profile: string;
  /** The same for two turns exactly when a worker that is bound for one serves the other. */
  readonly bindingKey: string;
  /** The conversation that the turn goes on with, if a worker may still have it. */
  readonly conversation?: string | undefined;
  /** Absent: any worker that is bound for the turn, or can be, serves it. */
  readonly session?: SessionClaim | undefined;
  /** Aborting it takes the turn out of the queue; the claim then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** The call's deadline on the clock's `now()`. */
  readonly deadlineMs: number;
}

/** What becomes of a claimed worker. */
export type Release =
  /**
   * The turn is over and the process has said that it is idle: use it again if the profile does. It is reset first, at
   * once or when it is needed (`reset-timing.ts`), unless the next turn asks for the `conversation` that it has now. A
   * session's own worker is never reset: it is parked with its conversation (`parking.ts`), or ended.
   */
  | { readonly kind: "finished"; readonly conversation?: string | undefined }
  /** End it. */
  | { readonly kind: "discard"; readonly why: StopReason };

/** A worker that is one turn's until it is released. Disposing of an unreleased claim discards the worker. */
export interface Claim extends Disposable {
  readonly worker: WorkerProcess;
  readonly source: ClaimSource;
  readonly holds: Holding;
  /** Turns that it has finished before: `Started.worker_turn_count`. */
  readonly turnCount: number;
  /** How long the turn waited, in milliseconds. */
  readonly queueWaitMs: number;
  /** Turns that waited when this one came. */
  readonly queueLengthSeen: number;
  /**
   * Says that the turn is over and the worker will be given back in a moment: a turn that fits it may wait for it instead
   * of taking a spare.
   */
  finishing(): void;
  /** Gives the worker back. The first call counts. */
  release(how: Release): void;
}

/** The pool as the service sees it. */
export interface WorkerPool {
  /**
   * Waits for a worker. Never starts one and waits for just that: whichever is ready first serves.
   * Only a turn with `session` waits for the worker that it caused to start, and fails with it.
   * Throws RunnerError: QUEUE_FULL, QUEUE_TIMEOUT, POOL_DRAINING, WORKER_START_FAILED, CLI_UNAVAILABLE, SESSION_SUSPENDED.
   */
  claim(request: ClaimRequest): Promise<Claim>;
}

/** What idle workers have kept, as whoever deletes it sees the pool. */
export interface KeptConversations {
  /**
   * Resets or ends the idle workers whose conversation is one of those. Settles when none has it any more. Does not reject.
   */
  forget(isGone: (conversation: string) => boolean): Promise<void>;
}
