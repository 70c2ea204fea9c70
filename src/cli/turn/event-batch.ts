/**
 * The events of a turn between the mapper and its reader: those of one piece of output go on together, and `init` is the
 * first of all, whatever the CLI says before it.
 */
import type { TurnEvent } from "../../turn-event.ts";

export class EventBatch {
  #ready: TurnEvent[] = [];
  /** What came before `init`; absent once that is there. */
  #early: TurnEvent[] | undefined = [];

  get hasInit(): boolean {
    return this.#early === undefined;
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0;
  }

  /** What goes on next. */
  get ready(): TurnEvent[] {
    return this.#ready;
  }

  /** Where events are to be put that are not `init`. */
  get next(): TurnEvent[] {
    return this.#early ?? this.#ready;
  }

  /** `init` is among what is ready: what came before it comes after it. */
  begin(): void {
    if (this.#early === undefined) return;
    for (const event of this.#early) this.#ready.push(event);
    this.#early = undefined;
  }

  /** Gives what is ready, and forgets it. */
  take(): readonly TurnEvent[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Forgets everything: nobody wants it any more. */
  drop(): void {
    this.#ready = [];
    if (this.#early !== undefined) this.#early = [];
  }
}
