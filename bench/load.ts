/**
 * The load as a scenario sees it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./child.ts";
import type { CounterOptions } from "./event-counter.ts";
import type { Counted, LoadCommands } from "./load-process.ts";
import type { Bench } from "./scenario.ts";

export class BenchLoad implements AsyncDisposable {
  readonly #child: Child<LoadCommands>;
  readonly #signal: AbortSignal;

  constructor(bench: Bench) {
    this.#signal = bench.signal;
    this.#child = new Child<LoadCommands>({
      name: "load",
      script: new URL("load-process.ts", import.meta.url),
      folder: bench.folder,
      signal: bench.signal,
    });
  }

  /** Streams turns until `close`. Resolves when each stream has had its first event. */
  open(options: CounterOptions): Promise<void> {
    return this.#child.call("open", options);
  }

  counted(): Promise<Counted> {
    return this.#child.call("counted");
  }

  close(): Promise<void> {
    return this.#child.call("close");
  }

  /** What was counted in a window, and how long that was. */
  async during(windowMs: number): Promise<Counted & { readonly elapsedMs: number }> {
    const before = await this.counted();
    await sleep(windowMs, undefined, { signal: this.#signal });
    const after = await this.counted();
    return {
      eventCount: after.eventCount - before.eventCount,
      turnCount: after.turnCount - before.turnCount,
      atMs: after.atMs,
      elapsedMs: after.atMs - before.atMs,
    };
  }

  /** Waits until so many turns have ended. */
  async turns(count: number): Promise<void> {
    while ((await this.counted()).turnCount < count) await sleep(20, undefined, { signal: this.#signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child[Symbol.asyncDispose]();
  }
}
