/**
 * How a turn looks in a terminal: the answer on stdout, everything about it on stderr.
 *
 * To a person text is shown as it comes, and marked when it turns out to be void. A pipe gets a message once it cannot
 * be retracted any more: what was written there cannot be taken back.
 */

import { NoticeLevel, type ToolUse } from "../../gen/claude/runner/v1/event_pb.ts";
import type { StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { type Clock, systemClock } from "../clock.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type Terminal, withoutControls } from "./terminal.ts";
import { formatMs } from "./timeline.ts";

export interface ScreenOptions {
  readonly terminal: Terminal;
  /** Nothing on stderr but errors. */
  readonly isQuiet: boolean;
  /** Whether the text of the answer is wanted at all; with a schema the result is. */
  readonly showsText: boolean;
  readonly clock?: Clock;
}

interface TextPiece {
  readonly messageIndex: number;
  readonly blockIndex: number;
  readonly text: string;
}

/** How long nothing may happen before the screen says what is being waited for, in milliseconds. */
const patienceMs = 2_000;
const clearLine = "\r\x1b[K";

export class ChatScreen {
  readonly #terminal: Terminal;
  readonly #options: ScreenOptions;
  readonly #clock: Clock;
  readonly #toolNames = new Map<string, string>();
  /** The text of the turn without what was retracted, the main conversation only. */
  #pieces: TextPiece[] = [];
  /** How many of the pieces are on stdout. */
  #shownCount = 0;
  #isMidLine = false;
  #waitsFor = "a worker";
  #waitsSinceMs: number;
  #hasWaitLine = false;
  #cancelTick: (() => void) | undefined;

  constructor(options: ScreenOptions) {
    this.#terminal = options.terminal;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#waitsSinceMs = this.#clock.now();
    this.#tick();
  }

  /** The text of the turn, without what was retracted. */
  get text(): string {
    return this.#pieces.map(({ text }) => text).join("");
  }

  show({ event, parentToolUseId }: StreamChatResponse): void {
    const isMain = parentToolUseId === "";
    switch (event.case) {
      case "started":
        this.#wait("the model");
        break;
      case "textDelta":
        if (isMain) this.#addText(event.value);
        break;
      case "thinkingDelta":
      case "thinkingProgress":
        this.#wait("the model, which is thinking");
        break;
      case "messageStart":
        this.#wait("the model");
        if (isMain) this.#showOlderThan(event.value.messageIndex);
        break;
      case "retracted":
        if (isMain) this.#retract(event.value.messageIndex, event.value.fromBlockIndex);
        break;
      case "toolUse":
        this.#toolUse(event.value, isMain);
        break;
      case "toolResult":
        if (event.value.isError) this.note(`${this.#toolNames.get(event.value.toolUseId) ?? "the tool"} failed`);
        this.#wait("the model");
        break;
      default: {
        const text = noteOf(event);
        if (text !== undefined) this.note(text);
      }
    }
  }

  /** Shows what is still held back, and ends the line. */
  finish(): void {
    this.#cancelTick?.();
    this.#clearWaitLine();
    this.#showOlderThan(Number.POSITIVE_INFINITY);
    this.#endLine();
  }

  /** Writes to stdout, a line of its own. */
  print(text: string): void {
    this.#clearWaitLine();
    this.#endLine();
    this.#terminal.stdout.write(`${text}\n`);
  }

  /** A line about the turn, unless the screen is quiet. */
  note(text: string): void {
    if (!this.#options.isQuiet) this.#line(this.#terminal.err.dim(`  ${oneLine(text)}`));
  }

  /** A line that is shown in any case. */
  warn(text: string): void {
    this.#line(this.#terminal.err.yellow(oneLine(text)));
  }

  #line(text: string): void {
    this.#clearWaitLine();
    this.#endLine();
    this.#terminal.stderr.write(`${text}\n`);
  }

  #addText(delta: TextPiece): void {
    this.#showOlderThan(delta.messageIndex);
    this.#pieces.push(delta);
    if (this.#terminal.isStdoutTty && this.#options.showsText) this.#showPieces(this.#pieces.length);
    this.#wait("the model");
  }

  /** Shows what belongs to messages before this one: they cannot be retracted any more. */
  #showOlderThan(messageIndex: number): void {
    if (!this.#options.showsText) return;
    const newer = this.#pieces.findIndex((piece) => piece.messageIndex >= messageIndex);
    const olderCount = newer < 0 ? this.#pieces.length : newer;
    this.#showPieces(olderCount);
    // Each message is a paragraph of its own.
    if (olderCount > 0 && this.#shownCount === olderCount) this.#endLine();
  }

  #showPieces(upTo: number): void {
    const text = this.#pieces
      .slice(this.#shownCount, upTo)
      .map((piece) => piece.text)
      .join("");
    this.#shownCount = Math.max(this.#shownCount, upTo);
    if (text === "") return;
    this.#clearWaitLine();
    this.#terminal.stdout.write(this.#terminal.isStdoutTty ? withoutControls(text) : text);
    this.#isMidLine = !text.endsWith("\n");
  }

  #retract(messageIndex: number, fromBlockIndex: number): void {
    const isVoid = (piece: TextPiece) => piece.messageIndex === messageIndex && piece.blockIndex >= fromBlockIndex;
    const shownAndVoid = this.#pieces.slice(0, this.#shownCount).filter(isVoid);
    this.#shownCount -= shownAndVoid.length;
    this.#pieces = this.#pieces.filter((piece) => !isVoid(piece));
    if (shownAndVoid.length === 0) return;
    const characters = shownAndVoid.reduce((sum, { text }) => sum + text.length, 0);
    this.warn(
      `↑ void: the last ${characters.toLocaleString("en-US")} characters were retracted, and what follows replaces them`,
    );
  }

  #toolUse({ toolUseId, toolName, inputJson, part }: ToolUse, isMain: boolean): void {
    this.#showOlderThan(Number.POSITIVE_INFINITY);
    this.#toolNames.set(toolUseId, toolName);
    // A long input comes in slices; the first one says enough. With a schema the "tool" is the answer itself.
    const isAnswer = !this.#options.showsText && toolName === "StructuredOutput";
    if ((part?.index ?? 0) === 0 && !isAnswer) this.note(`${isMain ? "" : "  "}${toolName} ${inputJson}`);
    this.#wait(toolName);
  }

  #endLine(): void {
    if (!this.#isMidLine) return;
    this.#terminal.stdout.write("\n");
    this.#isMidLine = false;
  }

  #wait(what: string): void {
    this.#clearWaitLine();
    this.#waitsFor = what;
    this.#waitsSinceMs = this.#clock.now();
  }

  #tick(): void {
    if (!this.#terminal.isStderrTty || this.#options.isQuiet) return;
    const waitedMs = this.#clock.now() - this.#waitsSinceMs;
    // In the middle of a line there is no place to say it, and the person sees that the text stands still.
    if (waitedMs >= patienceMs && !this.#isMidLine) {
      const text = `  waiting for ${this.#waitsFor} … ${Math.floor(waitedMs / 1000)} s`;
      this.#terminal.stderr.write(`${clearLine}${this.#terminal.err.dim(text)}`);
      this.#hasWaitLine = true;
    }
    this.#cancelTick = this.#clock.after(1_000, () => this.#tick());
  }

  #clearWaitLine(): void {
    if (this.#hasWaitLine) this.#terminal.stderr.write(clearLine);
    this.#hasWaitLine = false;
  }
}

/** What else happened, if it is worth a line. */
function noteOf(event: StreamChatResponse["event"]): string | undefined {
  switch (event.case) {
    case "permissionDenied":
      return `${event.value.toolName} was not allowed: ${event.value.message}`;
    case "apiRetry": {
      const { attempt, maxAttemptCount, delay, httpStatus, error } = event.value;
      const pause = delay === undefined ? "" : ` in ${formatMs(milliseconds(delay))}`;
      const why = [httpStatus, error].filter((part) => part !== undefined && part !== "").join(" ");
      return `the model API failed (${why}); retry ${attempt} of ${maxAttemptCount}${pause}`;
    }
    case "rateLimit":
      if (event.value.status === "allowed") return undefined;
      return `rate limit of the server's account: ${event.value.status} ${event.value.window}`;
    case "modelSwitched":
      if (event.value.toModel === "") return undefined; // the result says it better
      return `now answered by ${event.value.toModel} (${event.value.trigger})`;
    case "gap": {
      const { firstSequence, lastSequence } = event.value;
      return `the server no longer has the events ${firstSequence} to ${lastSequence}: text may be missing here`;
    }
    case "compacted":
      return "the conversation was summarised to fit the model's context window";
    case "notice":
      return event.value.level === NoticeLevel.INFO ? undefined : event.value.text;
    default:
      return undefined;
  }
}

/** One line, short enough for most terminals. */
function oneLine(text: string): string {
  const line = withoutControls(text.replace(/\s+/g, " ").trim());
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
