/**
 * The server's log as tests read it: every line parsed, and a way to wait for one.
 *
 * Lines are written by the server's own log, so what is true of them here is true of what an operator collects.
 */
import { createLog, type Log, type LogLevel } from "../../src/telemetry/log.ts";

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly trace_id?: string;
  readonly [field: string]: unknown;
}

interface Waiter {
  readonly fits: (line: LogLine) => boolean;
  readonly resolve: (line: LogLine) => void;
}

export class LogBook {
  readonly log: Log;
  readonly lines: LogLine[] = [];
  /** The same lines as they were written. */
  readonly texts: string[] = [];
  readonly #waiters = new Set<Waiter>();

  constructor(level: LogLevel = "debug") {
    this.log = createLog({
      level,
      write: (text) => {
        this.texts.push(text);
        this.#add(JSON.parse(text) as LogLine);
      },
    });
  }

  /** How many lines there are: to be given to `wait`, so that only later ones count. */
  get position(): number {
    return this.lines.length;
  }

  /** A line that fits, from a position on: one that is there, else the next to come. */
  wait(fits: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    const known = this.lines.slice(from).find(fits);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        fits,
        resolve: (line) => {
          this.#waiters.delete(waiter);
          resolve(line);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** The line with which a turn was booked. */
  turnEnded(turnId: string): Promise<LogLine> {
    return this.wait((line) => line.message === "turn ended" && line.turnId === turnId);
  }

  since(position: number, message: string): readonly LogLine[] {
    return this.lines.slice(position).filter((line) => line.message === message);
  }

  #add(line: LogLine): void {
    this.lines.push(line);
    for (const waiter of [...this.#waiters]) if (waiter.fits(line)) waiter.resolve(line);
  }
}
