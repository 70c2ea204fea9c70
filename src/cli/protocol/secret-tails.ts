/**
 * Secrets that come in pieces: what a delta ends with is held back while it may be the beginning of a secret.
 *
 * Stands before everything that reads deltas, so that events, raw lines and the collected answer agree. A tail goes on
 * with the next delta of its block, or by itself as soon as the block goes on with something else.
 */
import { jsonText } from "../../json-value.ts";
import type { CliMessage } from "./cli-messages.ts";
import { countAt, type JsonObject, objectAt, textAt } from "./json-members.ts";
import { redacted, type Secrets } from "./secrets.ts";

/** Shorter beginnings go on at once: they tell nothing, and ordinary text has them all the time. */
const minHeldLength = 4;

/** Where each kind of delta has its text. */
const textMembers: Readonly<Record<string, string>> = {
  text_delta: "text",
  thinking_delta: "thinking",
  input_json_delta: "partial_json",
};

/** Kinds of block that may begin with text in their first frame, and the kind of delta that goes on with it. */
const deltaTypes: Readonly<Record<string, string>> = { text: "text_delta", thinking: "thinking_delta" };

export interface CliLine {
  readonly message: CliMessage;
  readonly line: string;
}

/** What is known of the text of a block so far. */
interface Tail {
  /** The end of what was passed on, as far as it is the beginning of a secret. */
  readonly passed: string;
  readonly held: string;
  /** The delta that `held` is of. */
  readonly body: JsonObject;
}

export class SecretTails {
  readonly #forms: readonly string[];
  readonly #secrets: Secrets;
  /** Which pairs of characters the forms have, by a hash: most text ends with another one. */
  readonly #pairs = new Uint8Array(1 << 14);
  readonly #firsts: ReadonlySet<number>;
  readonly #tails = new Map<string, Tail>();

  constructor(secrets: Secrets) {
    this.#secrets = secrets;
    this.#forms = secrets.forms;
    this.#firsts = new Set(secrets.forms.map((form) => form.charCodeAt(0)));
    for (const form of secrets.forms) {
      for (let at = 1; at < form.length; at++) {
        this.#pairs[pairOf(form, at)] = 1;
      }
    }
  }

  /** The lines to go on with in the place of this one. `undefined`: the line as it is. */
  pass(message: CliMessage, line: string): readonly CliLine[] | undefined {
    if (this.#forms.length === 0) return undefined;
    const event = message.kind === "streamEvent" ? objectAt(message.body, "event") : undefined;
    if (event?.type === "content_block_delta") return this.#passDelta(message, event);
    if (event?.type === "content_block_start") return this.#passStart(message, line, event);
    if (this.#tails.size === 0 || !endsTails(message, event)) return undefined;
    const stopped = event?.type === "content_block_stop" ? `${countAt(event, "index")}/` : "";
    return [...this.#release(stopped), { message, line }];
  }

  /** What is still held, when nothing more comes. */
  end(): readonly CliLine[] {
    return this.#release("");
  }

  #passDelta(message: CliMessage, event: JsonObject): readonly CliLine[] | undefined {
    const delta = objectAt(event, "delta");
    const member = textMembers[textAt(delta, "type")];
    if (member === undefined) return undefined;
    const text = textAt(delta, member);
    const out = this.#passText(message.body, text);
    if (out === text) return undefined;
    return out === "" ? [] : [withText(message.body, out)];
  }

  /** The text in the first frame of a block is the first piece of its text. The frame itself always goes on. */
  #passStart(message: CliMessage, line: string, event: JsonObject): readonly CliLine[] | undefined {
    const before = this.#release("");
    const { content_block: _, ...frame } = event;
    const block = objectAt(event, "content_block");
    const type = deltaTypes[textAt(block, "type")];
    let first: CliLine = { message, line };
    if (type !== undefined) {
      const member = textMembers[type]!;
      const text = textAt(block, member);
      const delta = { type, [member]: text };
      const asDelta = { ...message.body, event: { ...frame, type: "content_block_delta", delta } };
      const out = this.#passText(asDelta, text);
      if (out !== text) {
        const changed = { ...message.body, event: { ...event, content_block: { ...block, [member]: out } } };
        first = { message: { ...message, body: changed }, line: jsonText(changed) };
      }
    }
    return first.line === line && before.length === 0 ? undefined : [...before, first];
  }

  /** What goes on now of the text of a delta, `body` being the delta's line. */
  #passText(body: JsonObject, text: string): string {
    const event = objectAt(body, "event");
    const member = textMembers[textAt(objectAt(event, "delta"), "type")]!;
    const key = `${countAt(event, "index")}/${member}/${textAt(body, "parent_tool_use_id")}`;
    const tail = this.#tails.get(key);
    if (tail === undefined && !this.#mayEndInSecret(text)) return text;

    const passed = tail?.passed ?? "";
    const whole = passed + (tail?.held ?? "") + text;
    const clean = this.#withoutWhole(whole, passed.length);
    const begun = this.#beginningAtEnd(clean);
    const heldLength = begun.length < minHeldLength ? 0 : Math.min(begun.length, clean.length - passed.length);
    const out = clean.slice(passed.length, clean.length - heldLength);
    if (begun === "") this.#tails.delete(key);
    else {
      const held = clean.slice(clean.length - heldLength);
      this.#tails.set(key, { passed: begun.slice(0, begun.length - heldLength), held, body });
    }
    return out;
  }

  /** Without secrets that are whole now. What was passed on stays, whatever it was. */
  #withoutWhole(whole: string, passedLength: number): string {
    let clean = this.#secrets.text(whole);
    if (clean === whole || passedLength === 0) return clean;
    // A secret began in what is gone already: the rest of it goes.
    const passed = whole.slice(0, passedLength);
    if (!clean.startsWith(passed)) {
      clean = passed + clean.slice(clean.indexOf(redacted));
    }
    return clean;
  }

  /** The longest end of a text that a secret begins with; empty when there is none. */
  #beginningAtEnd(text: string): string {
    if (!this.#mayEndInSecret(text)) return "";
    let longest = "";
    for (const form of this.#forms) {
      const first = form[0]!;
      let at = text.indexOf(first, Math.max(0, text.length - form.length + 1));
      for (; at >= 0 && text.length - at > longest.length; at = text.indexOf(first, at + 1)) {
        const end = text.slice(at);
        if (form.startsWith(end)) longest = end;
      }
    }
    return longest;
  }

  #mayEndInSecret(text: string): boolean {
    const last = text.length - 1;
    if (last < 0) return false;
    if (this.#firsts.has(text.charCodeAt(last))) return true;
    return last > 0 && this.#pairs[pairOf(text, last)] === 1;
  }

  #release(keyStart: string): CliLine[] {
    const lines: CliLine[] = [];
    for (const [key, { held, body }] of this.#tails) {
      if (!key.startsWith(keyStart)) continue;
      this.#tails.delete(key);
      if (held !== "") lines.push(withText(body, held));
    }
    return lines;
  }
}

/** Whether no delta of the blocks before comes after this line. */
function endsTails({ kind }: CliMessage, event: JsonObject | undefined): boolean {
  if (kind === "streamEvent") return event?.type !== "ping";
  return kind === "assistant" || kind === "user" || kind === "result" || kind === "init";
}

function pairOf(text: string, at: number): number {
  return ((text.charCodeAt(at - 1) << 7) ^ text.charCodeAt(at)) & 0x3fff;
}

/** The same delta with another text. */
function withText(body: JsonObject, text: string): CliLine {
  const event = objectAt(body, "event");
  const delta = objectAt(event, "delta");
  const member = textMembers[textAt(delta, "type")]!;
  const changed: JsonObject = { ...body, event: { ...event, delta: { ...delta, [member]: text } } };
  return { message: { kind: "streamEvent", name: "stream_event", body: changed }, line: jsonText(changed) };
}
