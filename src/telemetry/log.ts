/**
 * The server's log: JSON lines with ISO times, trace ids and without credentials.
 *
 * Leaves out where lines are kept and turned over: they go to stderr, whoever runs the server collects them. Prompts
 * and answers are never passed to a log.
 */
import { context, isSpanContextValid, trace } from "@opentelemetry/api";
import { type Level, type Logger, type LoggerOptions, pino } from "pino";
import { type CancelTimer, type Clock, systemClock } from "../clock.ts";
import { redactSecrets } from "../redact.ts";
import { withEscapes } from "../unseen.ts";

/** What a line carries beside its message: ids, counts, durations with their unit in the name; an error as `err`. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** A log whose lines all carry these fields too. */
  child(fields: LogFields): Log;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LogOptions {
  readonly level: LogLevel;
  /** Where lines go, each with its line end. Absent: stderr. */
  readonly write?: (line: string) => void;
  readonly clock?: Clock;
}

/** A log, and the way to have everything written before the process ends. */
export interface OpenLog extends Log {
  /** Writes what is still held, and waits for nobody. */
  flush(): void;
}

/** More than this waits for a reader of stderr that has stopped reading; beyond it lines are dropped, not memory. */
const maxHeldBytes = 4 * 1024 * 1024;

/**
 * Lines on stderr are gathered for so long, in milliseconds: each write is a thread that is woken, and a line for each
 * of hundreds of refused calls a second was a tenth of what they cost. Warnings and errors wait for nothing.
 */
const gatherMs = 50;
/** What has been gathered goes at once when it is so long. */
const gatherLength = 8 * 1024;

/** A log that says nothing. For tests, and for commands that are not the server. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export function createLog(options: LogOptions): OpenLog {
  const out = options.write === undefined ? new Stderr(options.clock ?? systemClock) : undefined;
  const write = options.write ?? ((line: string) => out?.write(line));
  const settings: LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    messageKey: "message",
    formatters: { level: (label) => ({ level: label }) },
    mixin: activeSpan,
  };
  // The whole line is looked at once, after it was made: no field can be forgotten. What a terminal or a collector would
  // take for more than text is escaped.
  const logger = pino(settings, { write: (line: string) => write(`${withEscapes(redactSecrets(line.trimEnd()))}\n`) });
  return { ...logOf(logger, () => out?.hurry()), flush: () => out?.flushNow() };
}

function logOf(logger: Logger, hurry: () => void): Log {
  const at = (level: Level) => (fields: LogFields, message: string) => logger[level](fields, message);
  const atOnce = (level: Level) => (fields: LogFields, message: string) => {
    logger[level](fields, message);
    hurry();
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: atOnce("warn"),
    error: atOnce("error"),
    child: (fields) => logOf(logger.child(fields), hurry),
  };
}

/** Not synchronous: a reader of stderr that stalls must not stall the turns. */
class Stderr {
  readonly #clock: Clock;
  readonly #stream: ReturnType<typeof pino.destination>;
  #held = "";
  #cancelTimer: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    // Before the stream's own, which ends it.
    process.once("beforeExit", () => this.hurry()).once("exit", () => this.flushNow());
    this.#stream = pino.destination({ dest: 2, sync: false, maxLength: maxHeldBytes });
  }

  write(line: string): void {
    this.#held += line;
    if (this.#held.length >= gatherLength) this.hurry();
    else this.#cancelTimer ??= this.#clock.after(gatherMs, () => this.hurry());
  }

  /** Hands over what is held; it is written in a moment. */
  hurry(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#held === "") return;
    const held = this.#held;
    this.#held = "";
    this.#stream.write(held);
  }

  flushNow(): void {
    try {
      this.hurry();
      this.#stream.flushSync();
    } catch {
      // stderr is not ready yet or gone; there is nobody left to tell.
    }
  }
}

/** The ids that lead from a line to its trace. */
function activeSpan(): Record<string, string> {
  const span = trace.getSpanContext(context.active());
  if (span === undefined || !isSpanContextValid(span)) return {};
  return { trace_id: span.traceId, span_id: span.spanId };
}
