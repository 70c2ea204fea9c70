/**
 * What the fake CLI can be told to do that the real one does not do on demand: the types of a script, and the marker by
 * which a prompt asks for a behaviour.
 *
 * Only types and plain checks: the fake has to start fast, so nothing is imported here.
 */

/** Where in the life of the process something happens. The later ones come around with every turn. */
export type Point =
  /** Before anything is read or written. */
  | "start"
  /** When `initialize` arrives, before its reply. */
  | "initialize"
  /** When a line of seeded history arrives, before it is taken. */
  | "seeding"
  /** After `command_lifecycle` started. */
  | "beforeInit"
  | "afterInit"
  /** After the first half of the answer's deltas. */
  | "midText"
  /** After `message_stop`. */
  | "beforeResult"
  | "afterResult"
  /** When the process has said that it is idle. */
  | "idle";

/** Something to do at a point. `times`: only the first so many times; absent: every time. */
export type Act = { readonly at?: Point; readonly times?: number } & (
  | { readonly do: "wait"; readonly ms: number }
  /** Goes no further until it is interrupted; for ever where nothing can be interrupted. */
  | { readonly do: "hang" }
  | { readonly do: "exit"; readonly code?: number; readonly stderr?: string }
  | { readonly do: "kill"; readonly signal?: NodeJS.Signals }
  /** Lines that are no JSON. */
  | { readonly do: "garbage"; readonly lines?: number; readonly text?: string }
  /** The first half of a line, then the end of the process. */
  | { readonly do: "halfLine" }
  /** A line of so many bytes, or the beginning of one that never ends. */
  | { readonly do: "longLine"; readonly bytes: number; readonly ends?: boolean }
  | { readonly do: "stderr"; readonly bytes: number }
  /** Messages, events and deltas that nobody knows. */
  | { readonly do: "unknown" }
  | { readonly do: "compact" }
  /** Says that so many tasks run in the background; 0: none. */
  | { readonly do: "background"; readonly tasks?: number }
  /** Reads no more input. */
  | { readonly do: "stopReading" }
  /** Says the turn's result a second time. */
  | { readonly do: "secondResult" }
  /** Starts a process that holds the output open and does not end at TERM. */
  | { readonly do: "grandchild"; readonly ignoreTerm?: boolean }
  /** Takes so much memory for good. */
  | { readonly do: "grow"; readonly bytes: number }
  /** Keeps a core busy from now on, while still answering. */
  | { readonly do: "burnCpu" }
  /** Answers an interrupt and goes on as if there had been none. */
  | { readonly do: "ignoreInterrupts"; readonly count?: number }
  | { readonly do: "ignoreTerm" }
  /** Stays when its input has ended. */
  | { readonly do: "ignoreEof" }
  /** Says deltas of this turn when the next one has begun. */
  | { readonly do: "staleEvents" }
  /** Writes its output in pieces of so many bytes from now on. */
  | { readonly do: "chunk"; readonly bytes: number }
  /** Ends its lines with CR LF from now on. */
  | { readonly do: "crlf" }
  /**
   * Asks its driver, by default for a permission, and goes on when it is answered; withdraws the question when it is
   * interrupted, or after a time.
   */
  | { readonly do: "ask"; readonly request?: Readonly<Record<string, unknown>>; readonly withdrawAfterMs?: number }
  /** Writes a message, as given. */
  | { readonly do: "say"; readonly message: Readonly<Record<string, unknown>> }
);

/** What the model answers. */
export interface Answer {
  /** Absent: an echo of the prompt. */
  readonly text?: string;
  /** Characters of a delta. Default 10. */
  readonly deltaChars?: number;
  /** Instead of `text`: so many deltas of so many characters. */
  readonly flood?: { readonly deltas: number; readonly chars: number };
  /** Deltas per second. Absent: as fast as they are read. */
  readonly perSecond?: number;
  /** Comes first, as thinking. */
  readonly thinking?: string;
  /** A tool that is used before the text. */
  readonly tool?: {
    readonly name: string;
    readonly input?: Readonly<Record<string, unknown>>;
    readonly result?: string;
    readonly isError?: boolean;
  };
  /** Retries that are reported before the answer. */
  readonly retries?: { readonly count: number; readonly status?: number | null; readonly delayMs?: number };
  /** The model API fails, after the retries and instead of an answer. */
  readonly error?: {
    readonly status: number | null;
    readonly error?: string;
    readonly type?: string;
    readonly message?: string;
  };
  readonly stopReason?: string;
  /** Taken back and said again, as after a broken stream. */
  readonly retracts?: boolean;
  readonly structuredOutput?: unknown;
}

/** How a control request is answered instead of rightly. */
export interface ControlScript {
  readonly delayMs?: number;
  readonly reply?: Readonly<Record<string, unknown>>;
  readonly error?: string;
  /** Not at all. */
  readonly silent?: boolean;
  /** Only the first so many times. */
  readonly times?: number;
}

export interface ProcessScript {
  /** What `--version` says. Default `2.1.332 (Claude Code)`. */
  readonly version?: string;
  readonly acts?: readonly Act[];
  /** The answer to prompts without a marker. */
  readonly answer?: Answer;
  /** By subtype. */
  readonly controls?: Readonly<Record<string, ControlScript>>;
  /** Acts of the first turn, the second one and so on; seeding does not count. */
  readonly turns?: readonly (readonly Act[])[];
}

export interface FakeScript extends ProcessScript {
  /** Scripts of the first processes that start; the later ones follow the rest of this object. */
  readonly processes?: readonly ProcessScript[];
}

/** The point of an act that names none. */
export const usualPoint: Readonly<Record<Act["do"], Point>> = {
  wait: "beforeInit",
  hang: "midText",
  exit: "midText",
  kill: "midText",
  garbage: "midText",
  halfLine: "midText",
  longLine: "midText",
  stderr: "midText",
  unknown: "midText",
  compact: "beforeResult",
  background: "beforeResult",
  stopReading: "afterResult",
  secondResult: "afterResult",
  grandchild: "beforeInit",
  grow: "beforeResult",
  burnCpu: "idle",
  ignoreInterrupts: "beforeInit",
  ignoreTerm: "beforeInit",
  ignoreEof: "beforeInit",
  staleEvents: "beforeInit",
  chunk: "beforeInit",
  crlf: "beforeInit",
  ask: "midText",
  say: "midText",
};

/** What the markers of a prompt ask for. */
export interface Asked {
  readonly acts: readonly Act[];
  readonly answer: Answer;
}

/**
 * Reads every `[[fake NAME {json}]]` of a prompt: NAME is an act's `do`, or `answer`, whose JSON is an Answer. Throws
 * when one cannot be read, so that a test with a typing mistake does not pass by chance.
 */
export function readMarkers(prompt: string): Asked {
  const acts: Act[] = [];
  let answer: Answer = {};
  for (const [marker, name = "", json] of prompt.matchAll(/\[\[fake (\w+)\s*(\{.*?\})?\s*\]\]/gsu)) {
    let options: object;
    try {
      options = json === undefined ? {} : (JSON.parse(json) as object);
    } catch {
      throw new Error(`cannot read ${marker}`);
    }
    if (name === "answer") answer = { ...answer, ...options };
    else acts.push(checkAct({ ...options, do: name }));
  }
  return { acts, answer };
}

/** Throws for an act that does not exist. */
export function checkAct(act: { readonly do: string }): Act {
  if (!(act.do in usualPoint))
    throw new Error(`there is no act ${act.do}; known are ${Object.keys(usualPoint).join(", ")}`);
  return act as Act;
}
