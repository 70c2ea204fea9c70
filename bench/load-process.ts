/**
 * The load in a process of its own: streams that run turn after turn, counted.
 */
import { type Commands, processFigures, serveCommands } from "./child-commands.ts";
import { type CounterOptions, EventCounter } from "./event-counter.ts";

let counter: EventCounter | undefined;

export interface Counted {
  readonly eventCount: number;
  readonly turnCount: number;
  /** When it was counted, in milliseconds on this process's own clock. */
  readonly atMs: number;
}

const commands = {
  /** Answers when each stream has had its first event. */
  async open(options: CounterOptions): Promise<void> {
    counter = new EventCounter(options);
    await counter.start();
  },
  counted(): Counted {
    counter!.check();
    return { eventCount: counter!.eventCount, turnCount: counter!.turnCount, atMs: performance.now() };
  },
  async close(): Promise<void> {
    await counter?.close();
    counter = undefined;
  },
  figures: processFigures,
} satisfies Commands;

export type LoadCommands = typeof commands;

serveCommands(commands, () => counter?.close());
