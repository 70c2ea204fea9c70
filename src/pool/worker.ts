/**
 * One worker: the state machine around one process, and what was measured of it.
 *
 * Every change of state passes through `#become`. Decides nothing: when to start, check, reset or stop a worker, and
 * which turn it serves, is up to the pool.
 */
import { type Clock, within } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import { type ResetFailure, resetFailures, type WorkerExit, type WorkerProcess } from "../worker-process.ts";
import type { BoundHolding, ClaimRequest } from "./claim.ts";
import { conversationOf, type Dedication } from "./dedicated.ts";
import { IdleCpu } from "./idle-cpu.ts";
import { needsReset } from "./reset-timing.ts";
import type { WorkerSnapshot } from "./snapshot.ts";
import { startErrorOf } from "./start-error.ts";
import type { StopReason } from "./stop-reason.ts";
import {
  affinityOf,
  type BoundIdleState,
  type IdleState,
  isLiving,
  moves,
  type WorkerKind,
  type WorkerState,
} from "./worker-state.ts";

/** What came of a reset: well, not, or the worker ended for something else meanwhile. */
export const resetResults = ["clean", "cut_short", ...resetFailures] as const;
export type ResetResult = (typeof resetResults)[number];

export interface WorkerSurroundings {
  readonly clock: Clock;
  readonly profile: string;
  /** The worker's number among all that were started: names it until there is a process. */
  readonly startNumber: number;
  /** A number larger than all before it. */
  readonly nextOrder: () => number;
  /** Told of every change, after it. Must not change the worker. */
  readonly changed: (worker: Worker, from: WorkerState) => void;
  /** Its process is there, and with it its id. */
  readonly named: () => void;
}

export class Worker {
  readonly profile: string;
  /** Compares with the order of arrival of a turn: the smaller came first. */
  readonly startOrder: number;
  readonly startedAtMs: number;
  /** At this age it is recycled. */
  readonly ageLimitMs: number;
  /** Set: it is started for one session, and serves no other turn. */
  readonly dedication: Dedication | undefined;
  /** Settles when nothing of it is left. */
  readonly gone: Promise<void>;

  readonly #around: WorkerSurroundings;
  readonly #abortStart = new AbortController();
  readonly #settleGone: () => void;
  #state: WorkerState;
  #process: WorkerProcess | undefined;
  #exit: WorkerExit | undefined;
  #tenant: string | undefined;
  #finishedTurnCount = 0;
  #givenTurnCount = 0;
  #memoryBytes: number | undefined;
  readonly #idleCpu = new IdleCpu();

  constructor(around: WorkerSurroundings, ageLimitMs: number, dedication?: Dedication) {
    this.#around = around;
    this.dedication = dedication;
    this.#tenant = dedication?.tenant;
    this.profile = around.profile;
    this.startOrder = around.nextOrder();
    this.startedAtMs = around.clock.now();
    this.ageLimitMs = ageLimitMs;
    this.#state = { kind: "starting", sinceMs: this.startedAtMs };
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#settleGone = gone.resolve;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** The process's id; until there is a process a stand-in for logs. */
  get id(): string {
    // Not by its order, which counts the turns of all tenants.
    return this.#process?.id ?? `starting-${this.#around.startNumber}`;
  }

  /** The tenant whose turn it served first, or is started for. It never serves another's. */
  get tenant(): string | undefined {
    return this.#tenant;
  }

  /** Turns that it finished. */
  get finishedTurnCount(): number {
    return this.#finishedTurnCount;
  }

  /** Turns that it was given, those included that it did not finish. */
  get givenTurnCount(): number {
    return this.#givenTurnCount;
  }

  /** Private memory at the last sample. */
  get memoryBytes(): number | undefined {
    return this.#memoryBytes;
  }

  /** The share of a core that it used in the last full window of its present idleness. */
  get idleCpuPercent(): number | undefined {
    return this.#idleCpu.percent;
  }

  /** How the process ended, once it has. */
  get exit(): WorkerExit | undefined {
    return this.#exit;
  }

  get process(): WorkerProcess {
    if (this.#process === undefined) throw new Error(`bug: worker ${this.id} has no process yet`);
    return this.#process;
  }

  /**
   * Starts the process and waits until it answers. Gives the error if that failed; then the worker is ending or gone.
   * A stop in the meantime is no failure.
   */
  async start(
    launch: (signal: AbortSignal) => Promise<WorkerProcess>,
    timeoutMs: number,
  ): Promise<RunnerError | undefined> {
    const { clock } = this.#around;
    const { signal } = this.#abortStart;
    const late = () => new RunnerError("WORKER_START_FAILED", `no answer within ${timeoutMs} ms`);
    let abandoned = false;
    const launched = (async () => launch(signal))();
    try {
      const process = await within(
        clock,
        timeoutMs,
        launched.then((process) => this.#adopt(process, abandoned)),
        late,
      );
      const leftMs = timeoutMs - (clock.now() - this.startedAtMs);
      await within(clock, leftMs, process.ready(signal), late);
      if (this.#state.kind === "starting") this.#started();
      return undefined;
    } catch (error) {
      abandoned = true;
      const wasStopped = signal.aborted;
      const hadProcess = this.#process !== undefined;
      if (!hadProcess) {
        // A process that comes after all is stopped by #adopt; nobody waits for it.
        this.#abortStart.abort();
        this.#leave(wasStopped ? this.#why : "start_failed");
      } else {
        this.stop("start_failed");
      }
      return wasStopped ? undefined : startErrorOf(error, hadProcess);
    }
  }

  #started(): void {
    const { clock, nextOrder } = this.#around;
    const { dedication } = this;
    if (dedication !== undefined) {
      this.#idleFromNow(dedication.affinity, { kind: "conversation", id: dedication.conversation });
      return;
    }
    const now = clock.now();
    this.#become({ kind: "spare", sinceMs: now, order: nextOrder(), verifiedAtMs: now });
  }

  /** Takes the process of a start; one that nobody waits for any more is stopped. */
  #adopt(process: WorkerProcess, abandoned: boolean): WorkerProcess {
    if (abandoned) {
      void process.stop();
      return process;
    }
    this.#process = process;
    this.#around.named();
    void process.exited.then((exit) => {
      this.#exit = exit;
      this.#leave(this.#why);
    });
    if (this.#state.kind === "stopping") void process.stop();
    return process;
  }

  /** Gives the worker to a turn; from here on it belongs to that turn's tenant. */
  claim(turn: Pick<ClaimRequest, "turnId" | "tenant" | "bindingKey" | "conversation" | "session">): void {
    const before = this.#idle("claimed");
    const affinity = affinityOf(turn);
    const fits = this.#tenant === undefined || this.#tenant === turn.tenant;
    if (!fits || (before.kind === "boundIdle" && before.affinity !== affinity)) {
      throw new Error(`bug: worker ${this.id} is another tenant's or bound otherwise`);
    }
    if ((turn.session === undefined) !== (this.dedication === undefined)) {
      throw new Error(`bug: worker ${this.id} serves a session, or the turn needs one that does`);
    }
    if (needsReset(before, conversationOf(turn))) throw new Error(`bug: worker ${this.id} has another conversation`);
    this.#tenant = turn.tenant;
    this.#givenTurnCount++;
    this.#become({ kind: "claimed", sinceMs: this.#around.clock.now(), turnId: turn.turnId, affinity });
  }

  /** The claimed turn is over; the process will say in a moment that it is idle. */
  finishing(): void {
    if (this.#state.kind !== "claimed" || this.#state.finishingSinceMs !== undefined) return;
    this.#become({ ...this.#state, finishingSinceMs: this.#around.clock.now() });
  }

  /** Counts the claimed turn, behind which the worker can be used again, whether or not it came as far as its prompt. */
  countTurn(): void {
    this.#finishedTurnCount++;
  }

  /** Lets a claimed worker be idle with the conversation that it has: whoever needs it otherwise has it reset first. */
  keep(conversation: string): void {
    if (this.#state.kind !== "claimed") return;
    this.#idleFromNow(this.#state.affinity, { kind: "conversation", id: conversation });
  }

  /**
   * Makes a worker forget its turn that has just ended, or that it has kept. Afterwards it is bound idle or ending. Gives
   * what came of it.
   */
  async reset(limitMs: number): Promise<ResetResult> {
    const before = this.#state;
    if (before.kind !== "claimed" && before.kind !== "boundIdle") return "cut_short";
    const { clock } = this.#around;
    const { affinity } = before;
    const idle = before.kind === "boundIdle" ? { sinceMs: before.sinceMs, order: before.order } : undefined;
    this.#become({ kind: "resetting", sinceMs: clock.now(), affinity, ...(idle && { idle }) });
    let why: ResetFailure | undefined;
    try {
      const outcome = await within(clock, limitMs, this.process.reset(), () => new Error("late"));
      if (!outcome.clean) why = outcome.why;
    } catch {
      // The port promises not to reject, and to have bounds of its own. If it does not, the worker is not to be used.
      why = "reset_failed";
    }
    if (this.#state.kind !== "resetting") return "cut_short";
    if (why !== undefined) {
      this.stop(why);
      return why;
    }
    // That it was reset is no use of it: it has been idle for as long as before.
    this.#idleFromNow(affinity, { kind: "binding" }, idle);
    return "clean";
  }

  #idleFromNow(affinity: string, holds: BoundHolding, since?: Pick<BoundIdleState, "sinceMs" | "order">): void {
    const now = this.#around.clock.now();
    const { sinceMs, order } = since ?? { sinceMs: now, order: this.#around.nextOrder() };
    this.#become({ kind: "boundIdle", sinceMs, order, verifiedAtMs: now, affinity, holds });
  }

  /** Asks an idle worker for a sign of life. Afterwards it is idle again or ending. */
  async check(timeoutMs: number): Promise<void> {
    const { clock } = this.#around;
    const idle = this.#idle("checking");
    this.#become({ kind: "checking", sinceMs: clock.now(), idle });
    let answered = true;
    try {
      await within(clock, timeoutMs, this.process.ping(timeoutMs), () => new Error("late"));
    } catch {
      // Dead or silent, it makes no difference here: it is not given out.
      answered = false;
    }
    if (this.#state.kind !== "checking") return;
    if (answered) this.#become({ ...idle, verifiedAtMs: clock.now() });
    else this.stop("unresponsive");
  }

  /** Looks at what the process uses. */
  async sample(): Promise<void> {
    const process = this.#process;
    if (process === undefined || !isLiving(this.#state.kind)) return;
    let usage: Awaited<ReturnType<WorkerProcess["usage"]>>;
    try {
      usage = await process.usage();
    } catch {
      return; // It is going; its exit says so.
    }
    this.#memoryBytes = usage.privateBytes ?? this.#memoryBytes;
    const state = this.#state.kind === "checking" ? this.#state.idle : this.#state;
    const isIdle = state.kind === "spare" || state.kind === "boundIdle";
    if (isIdle && usage.cpuMs !== undefined) this.#idleCpu.sample(state.order, this.#around.clock.now(), usage.cpuMs);
  }

  /** What it is now; `undefined` once it is gone. */
  snapshot(): WorkerSnapshot | undefined {
    const { kind, sinceMs } = this.#state;
    if (kind === "exited") return undefined;
    return {
      id: this.id,
      profile: this.profile,
      kind,
      sinceMs,
      startedAtMs: this.startedAtMs,
      tenant: this.#tenant,
      turnId: this.#state.kind === "claimed" ? this.#state.turnId : undefined,
      givenTurnCount: this.#givenTurnCount,
      memoryBytes: this.#memoryBytes,
    };
  }

  /** Ends the worker. The first reason stands; `gone` says when it is over. */
  stop(why: StopReason): void {
    if (!isLiving(this.#state.kind)) return;
    this.#become({ kind: "stopping", sinceMs: this.#around.clock.now(), why });
    this.#abortStart.abort();
    void this.#process?.stop();
  }

  get #why(): StopReason {
    switch (this.#state.kind) {
      case "stopping":
      case "exited":
        return this.#state.why;
      case "starting":
        return "start_failed";
      default:
        return "died";
    }
  }

  #idle(next: WorkerKind): IdleState {
    const state = this.#state;
    if (state.kind === "spare" || state.kind === "boundIdle") return state;
    throw new Error(`bug: worker ${this.id} cannot go from ${state.kind} to ${next}`);
  }

  #leave(why: StopReason): void {
    if (this.#state.kind === "exited") return;
    this.#become({ kind: "exited", sinceMs: this.#around.clock.now(), why });
    this.#settleGone();
  }

  /** The one door: every change passes through here. */
  #become(to: WorkerState): void {
    const from = this.#state;
    if (!moves[from.kind].includes(to.kind)) {
      throw new Error(`bug: worker ${this.id} cannot go from ${from.kind} to ${to.kind}`);
    }
    this.#state = to;
    this.#around.changed(this, from);
  }
}
