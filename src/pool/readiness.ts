/**
 * Whether a profile can be said to serve, for health checks.
 *
 * It serves while a worker is there, or a start succeeded a moment ago, or, in a profile that keeps no spares, while no
 * start has failed. A single glance without a worker does not flip it: a pool between two workers is not down. Starts
 * that are known to fail, with no worker left, do at once.
 */
import type { CancelTimer, Clock } from "../clock.ts";

const startCountsForMs = 30_000;
const secondLookAfterMs = 1_000;

export interface ReadinessView {
  /** Whether any worker is past its start and not being ended. */
  readonly hasWorker: boolean;
  /** Whether starts fail for good, until one succeeds. */
  readonly startsFail: boolean;
}

export class Readiness {
  readonly #clock: Clock;
  readonly #keepsSpares: boolean;
  readonly #flipped: () => void;
  #isReady: boolean;
  #lastStartAtMs = Number.NEGATIVE_INFINITY;
  #cancelSecondLook: CancelTimer | undefined;

  constructor(clock: Clock, keepsSpares: boolean, flipped: () => void) {
    this.#clock = clock;
    this.#keepsSpares = keepsSpares;
    this.#flipped = flipped;
    this.#isReady = !keepsSpares;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** A worker has started. */
  started(): void {
    this.#lastStartAtMs = this.#clock.now();
  }

  /** Looks at how things are now. */
  look(view: ReadinessView): void {
    if (view.hasWorker) this.#be(true);
    else if (view.startsFail) this.#be(false);
    else if (this.#isReady && this.#keepsSpares && this.#cancelSecondLook === undefined) {
      const afterMs = Math.max(this.#lastStartAtMs + startCountsForMs - this.#clock.now(), secondLookAfterMs);
      this.#cancelSecondLook = this.#clock.after(afterMs, () => this.#be(false));
    }
  }

  /** Ends what it waits for. */
  stop(): void {
    this.#cancelSecondLook?.();
    this.#cancelSecondLook = undefined;
  }

  #be(isReady: boolean): void {
    this.stop();
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    this.#flipped();
  }
}
