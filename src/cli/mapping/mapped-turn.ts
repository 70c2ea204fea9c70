/**
 * What the mappers of one turn share: its settings, its messages, its meter, and their notes.
 */

import { redactSecrets } from "../../redact.ts";
import type { Detail } from "../../turn.ts";
import type { TurnEvent, TurnEventBody } from "../../turn-event.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import type { HostPaths } from "../protocol/host-paths.ts";
import { type JsonObject, textAt } from "../protocol/json-members.ts";
import { toldLine } from "../upstream/upstream-words.ts";
import { AnswerText } from "./answer-text.ts";
import { HeldAnswer } from "./held-answer.ts";
import { TurnMessages } from "./message-records.ts";
import type { TurnMeter } from "./meter.ts";
import { TurnNotes } from "./turn-notes.ts";

/** Shorter words of the model API are replaced where they are reported only. */
const minNotedWords = 16;
/** What is told of a failure that nothing was said about. */
const failed = "the model API failed";

export interface MappedTurnOptions {
  readonly detail: Detail;
  readonly paths: HostPaths;
  readonly meter: TurnMeter;
  /** Whether the turn is an operator's, who gets the model API's own words about a failure. Absent: no. */
  readonly forOperator?: boolean | undefined;
  /** A line whose kind is not known to this driver. */
  readonly onUnknown: (name: string) => void;
}

export class MappedTurn {
  readonly detail: Detail;
  readonly forOperator: boolean;
  readonly meter: TurnMeter;
  readonly onUnknown: (name: string) => void;
  readonly messages = new TurnMessages();
  readonly answer = new AnswerText();
  readonly held = new HeldAnswer();
  readonly notes = new TurnNotes();
  /** The names of the tools that were used, by the id of the use. */
  readonly toolNames = new Map<string, string>();

  #paths: HostPaths;
  readonly #toldNotices = new Set<string>();
  #isMuted = false;

  constructor(options: MappedTurnOptions) {
    this.detail = options.detail;
    this.#paths = options.paths;
    this.forOperator = options.forOperator ?? false;
    this.meter = options.meter;
    this.onUnknown = options.onUnknown;
  }

  /** What is replaced in texts that the CLI filled in: paths, and words of the model API that were seen in the turn. */
  get paths(): HostPaths {
    return this.#paths;
  }

  /** Whether more than text is wanted. What is not wanted is not built; it is counted all the same. */
  get wantsAll(): boolean {
    return this.detail !== "text";
  }

  /** Words of the model API about a failure as they are told; noted, since the CLI repeats them in other lines. */
  told(words: string, sentence: string): string {
    if (this.forOperator) return redactSecrets(words);
    // What is shorter may be in any text.
    if (words.length >= minNotedWords) this.#paths = this.#paths.with(words, sentence);
    return sentence;
  }

  /** A line as it is told at full detail. */
  rawLine(message: CliMessage, line: string): string {
    const sentence = this.notes.failure?.sentence ?? failed;
    return this.#paths.line(message, toldLine(message, line, this.forOperator, sentence));
  }

  /** Whether what the model writes is no longer passed on, since the turn is being ended. */
  get isMuted(): boolean {
    return this.#isMuted || this.meter.reached === "outputLimit";
  }

  /** Passes nothing on any more that the model writes: the answer is what its caller has. */
  mute(): void {
    this.#isMuted = true;
  }

  /** Tells, once in a turn, of something that is not as it has to be. */
  notice(noticeKind: string, text: string, out: TurnEvent[]): void {
    if (!this.wantsAll || this.#toldNotices.has(noticeKind)) return;
    this.#toldNotices.add(noticeKind);
    out.push({ kind: "notice", level: "warning", noticeKind, text });
  }
}

/** The tool use that started the sub-agent to which a line belongs; empty for the main conversation. */
export function parentOf(body: JsonObject): string {
  return textAt(body, "parent_tool_use_id");
}

export function withParent(event: TurnEventBody, parentToolUseId: string): TurnEvent {
  return parentToolUseId === "" ? event : { ...event, parentToolUseId };
}

/** Keeps a line of an unknown kind as an event, where it is wanted. */
export function keepUnknown(turn: MappedTurn, name: string, out: TurnEvent[]): void {
  turn.onUnknown(name);
  if (turn.wantsAll) out.push({ kind: "unknown", name, internal: false });
}
