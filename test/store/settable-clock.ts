/**
 * A fake clock whose wall time somebody sets, as people and NTP do. Durations do not notice.
 */
import { FakeClock } from "../fake-clock.ts";

export class SettableClock extends FakeClock {
  #setByMs = 0;

  override wallNow(): number {
    return super.wallNow() + this.#setByMs;
  }

  /** Sets the wall time ahead, or back. */
  setBy(byMs: number): void {
    this.#setByMs += byMs;
  }
}
