/**
 * Counts what a turn uses while it runs, and says which of its limits is reached first.
 *
 * Counting only: it ends nothing and knows no time. Cost is not counted here, since only the CLI knows prices; this says
 * when it is time to ask.
 */
import type { TurnLimits } from "../../turn.ts";
import { noUsage, type Usage } from "../../usage.ts";
import { addUsage, largerUsage } from "./cli-usage.ts";

export type CountedLimit = "modelCallLimit" | "outputLimit";

export class TurnMeter {
  readonly #limits: TurnLimits;
  readonly #maxEventCount: number;
  #eventCount = 0;
  #outputBytes = 0;
  #modelCallCount = 0;
  #finished: Usage = noUsage;
  #running: Usage | undefined;
  #reached: CountedLimit | undefined;
  #costIsDue = false;

  constructor(limits: TurnLimits, maxEventCount = Number.POSITIVE_INFINITY) {
    this.#limits = limits;
    this.#maxEventCount = maxEventCount;
  }

  /** The limit that was reached first. */
  get reached(): CountedLimit | undefined {
    return this.#reached;
  }

  get modelCallCount(): number {
    return this.#modelCallCount;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Usage of the main conversation so far, for a turn that ends without an account of the CLI's. */
  get provisionalUsage(): Usage {
    return this.#running === undefined ? this.#finished : addUsage(this.#finished, this.#running);
  }

  /** What the last call of the main conversation took in and gave out. 0: there was none, or nothing is known of it. */
  get contextTokens(): number {
    const last = this.#running ?? noUsage;
    return last.inputTokens + last.cacheReadInputTokens + last.cacheCreationInputTokens + last.outputTokens;
  }

  /** The CLI has reported something: a line, or a block in one. */
  reported(): void {
    this.#eventCount += 1;
    if (this.hasTooManyEvents) this.#reached ??= "outputLimit";
  }

  /** Whether the turn has reported more than any turn may. */
  get hasTooManyEvents(): boolean {
    return this.#eventCount > this.#maxEventCount;
  }

  /** The model wrote something: text, thinking or a tool's input. */
  wrote(bytes: number): void {
    this.#outputBytes += bytes;
    const { maxOutputBytes } = this.#limits;
    if (maxOutputBytes !== undefined && this.#outputBytes > maxOutputBytes) this.#reached ??= "outputLimit";
  }

  /** A model call of the main conversation has begun to answer. */
  callBegan(usage: Usage): void {
    this.#finishCall();
    this.#running = usage;
    this.#modelCallCount += 1;
    const { maxModelCallCount } = this.#limits;
    if (maxModelCallCount !== undefined && this.#modelCallCount > maxModelCallCount) this.#reached ??= "modelCallLimit";
  }

  /** The usage of the running call so far, as far as it says; gateways leave out what they said before. */
  callUsed(usage: Usage): void {
    this.#running = this.#running === undefined ? usage : largerUsage(this.#running, usage);
  }

  /** Nothing of the running call is left: its stream broke, and the CLI makes it again. It does not count as one. */
  callLost(): void {
    if (this.#modelCallCount > 0) this.#modelCallCount -= 1;
  }

  /** Another call of the main conversation is about to follow. */
  callFollows(): void {
    const { maxModelCallCount } = this.#limits;
    if (maxModelCallCount !== undefined && this.#modelCallCount >= maxModelCallCount)
      this.#reached ??= "modelCallLimit";
    this.costGrew();
  }

  /** A call was paid for while the turn goes on, perhaps one of a sub-agent. */
  costGrew(): void {
    this.#costIsDue = this.#limits.maxCostUsdMicros !== undefined;
  }

  /** Whether the cost is to be asked for now; true once for each time that it grew. */
  takeCostDue(): boolean {
    const isDue = this.#costIsDue;
    this.#costIsDue = false;
    return isDue;
  }

  #finishCall(): void {
    if (this.#running !== undefined) this.#finished = addUsage(this.#finished, this.#running);
    this.#running = undefined;
  }
}
