/**
 * Looks over the bytes of a JSON request before it is parsed: one pass that makes nothing of them but a list of keys.
 *
 * Bounds depth and the number of values, so that parsing can only make as much as the bounds allow, and finds what
 * `JSON.parse` would pass over: a key that is given twice, `__proto__`, bytes that are not UTF-8, halves of surrogate
 * pairs. Whether names and values fit the message's type is `json-check.ts`.
 */
import { isUtf8 } from "node:buffer";
import { RunnerError, type Violation } from "../../runner-error.ts";

export interface JsonBounds {
  /** The most members, elements and values in all of the text together. */
  readonly maxValueCount: number;
  /** How deep lists and objects may stand in each other. */
  readonly maxDepth: number;
  /** The most violations that are kept. */
  readonly maxViolations: number;
}

/**
 * The longest key, in bytes as it is written: no name of a field or of a label is near it. V8 hashes texts of more than
 * 16,383 characters by their length alone, so that long keys of one length would each be compared with all others.
 */
const maxKeyBytes = 1024;
/** What of a longer key is looked at, to name it. */
const shownKeyBytes = 260;

interface Container {
  readonly keys: Set<string> | undefined;
  /** Where we are in it: a key, or the position in a list. */
  at: string | number;
}

/**
 * The text of a JSON request, and what is wrong with it so far; no text where it may not be parsed. Throws when it is no
 * JSON or beyond the bounds.
 */
export function scanJson(
  bytes: Uint8Array,
  bounds: JsonBounds,
): { readonly text: string | undefined; readonly violations: Violation[] } {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(all)) throw new RunnerError("INVALID_REQUEST", "the request is not JSON in UTF-8: it has other bytes");
  const hasByteOrderMark = all[0] === 0xef && all[1] === 0xbb && all[2] === 0xbf;
  const json = hasByteOrderMark ? all.subarray(3) : all;
  const scan = new JsonScan(json, bounds);
  try {
    scan.run();
  } catch (error) {
    if (error !== scan.stopped) throw error;
    return { text: undefined, violations: scan.violations };
  }
  return { text: json.toString("utf8"), violations: scan.violations };
}

const quote = 0x22;
const backslash = 0x5c;
/** What numbers, true, false and null are made of. */
const literal = new Set([..."0123456789+-.eEtrufalsn"].map((letter) => letter.charCodeAt(0)));

/** What a byte is worth as a hexadecimal digit, or -1. */
const hexDigit = Int8Array.from({ length: 256 }, (_, byte) => {
  const letter = String.fromCharCode(byte);
  return /[0-9a-fA-F]/.test(letter) ? Number.parseInt(letter, 16) : -1;
});

class JsonScan {
  readonly violations: Violation[] = [];
  /** Thrown where a violation is such that the text must not be parsed. */
  readonly stopped = new Error("the request is refused");
  readonly #bytes: Buffer;
  readonly #bounds: JsonBounds;
  readonly #stack: Container[] = [];
  #at = 0;
  #valueCount = 0;
  /** The next backslash, looked for once and not for each string. */
  #nextBackslash = -1;

  constructor(bytes: Buffer, bounds: JsonBounds) {
    this.#bytes = bytes;
    this.#bounds = bounds;
    this.#nextBackslash = bytes.indexOf(backslash);
  }

  run(): void {
    this.#value();
    while (this.#stack.length > 0) this.#next(this.#stack.at(-1)!);
    this.#skipSpace();
    if (this.#at < this.#bytes.length) throw this.#notJson("something follows the end of its value");
  }

  /** Behind a value inside a container: the next one, or the end of the container. */
  #next(container: Container): void {
    this.#skipSpace();
    const byte = this.#bytes[this.#at];
    const isObject = container.keys !== undefined;
    if (byte === (isObject ? 0x7d : 0x5d)) {
      this.#at += 1;
      this.#stack.pop();
      return;
    }
    if (byte !== 0x2c) throw this.#notJson(isObject ? "a comma or } is missing" : "a comma or ] is missing");
    this.#at += 1;
    if (!isObject) container.at = Number(container.at) + 1;
    this.#element(container);
  }

  #element(container: Container): void {
    if (container.keys !== undefined) this.#key(container, container.keys);
    this.#value();
  }

  #key(container: Container, keys: Set<string>): void {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== quote) throw this.#notJson("a key is missing");
    const start = this.#at;
    const hasEscapes = this.#string(container);
    const keyBytes = this.#at - 1 - (start + 1);
    if (keyBytes > maxKeyBytes) {
      container.at = this.#bytes.toString("utf8", start + 1, start + 1 + shownKeyBytes);
      this.#broken(`must have a key of at most ${maxKeyBytes} bytes; it has ${keyBytes}`);
      throw this.stopped;
    }
    const raw = this.#bytes.toString("utf8", start + 1, this.#at - 1);
    const key = hasEscapes ? unescaped(raw) : raw;
    if (key === undefined) throw this.#notJson("a key has an escape that does not exist");
    container.at = key;
    if (keys.has(key)) this.#broken("is given twice");
    else if (key === "__proto__") this.#broken("is not the name of a field");
    keys.add(key);
    this.#skipSpace();
    if (this.#bytes[this.#at] !== 0x3a) throw this.#notJson("a colon is missing");
    this.#at += 1;
  }

  #value(): void {
    this.#skipSpace();
    this.#valueCount += 1;
    const { maxValueCount } = this.#bounds;
    if (this.#valueCount > maxValueCount) {
      throw new RunnerError("REQUEST_TOO_LARGE", `the request has more than ${maxValueCount} values`, {
        facts: { limitValueCount: maxValueCount },
      });
    }
    const byte = this.#bytes[this.#at];
    if (byte === 0x7b) this.#open(new Set(), 0x7d);
    else if (byte === 0x5b) this.#open(undefined, 0x5d);
    else if (byte === quote) this.#string(undefined);
    else this.#literal();
  }

  #literal(): void {
    const start = this.#at;
    while (literal.has(this.#bytes[this.#at] ?? 0)) this.#at += 1;
    if (this.#at === start) throw this.#notJson("a value is missing");
  }

  #open(keys: Set<string> | undefined, closing: number): void {
    const { maxDepth } = this.#bounds;
    if (this.#stack.length >= maxDepth) {
      throw new RunnerError(
        "INVALID_REQUEST",
        `lists and objects are nested more than ${maxDepth} deep in the request`,
        {
          facts: { limitDepth: maxDepth },
        },
      );
    }
    this.#at += 1;
    const container: Container = { keys, at: keys === undefined ? 0 : "" };
    this.#skipSpace();
    if (this.#bytes[this.#at] === closing) {
      this.#at += 1;
      return;
    }
    this.#stack.push(container);
    this.#element(container);
  }

  /** Passes over a string, and says whether it has escapes. */
  #string(key: Container | undefined): boolean {
    let hasEscapes = false;
    let from = this.#at + 1;
    let end = this.#bytes.indexOf(quote, from);
    for (;;) {
      if (end < 0) throw this.#notJson("a string does not end");
      while (this.#nextBackslash >= 0 && this.#nextBackslash < from) {
        this.#nextBackslash = this.#bytes.indexOf(backslash, from);
      }
      if (this.#nextBackslash < 0 || this.#nextBackslash > end) break;
      hasEscapes = true;
      from = this.#escape(this.#nextBackslash, key);
      if (end < from) end = this.#bytes.indexOf(quote, from);
    }
    this.#at = end + 1;
    return hasEscapes;
  }

  /** Passes over an escape, a surrogate pair as one. */
  #escape(at: number, key: Container | undefined): number {
    const unit = this.#codeUnit(at);
    if (unit === undefined) return at + 2;
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    const second = unit < 0xdc00 ? this.#codeUnit(at + 6) : undefined;
    if (second !== undefined && second >= 0xdc00 && second <= 0xdfff) return at + 12;
    if (key !== undefined) key.at = "";
    this.#broken("has half of a surrogate pair, which is not text");
    return at + 6;
  }

  /** The number of a `\\u` escape; `undefined` for others. */
  #codeUnit(at: number): number | undefined {
    if (this.#bytes[at] !== backslash || this.#bytes[at + 1] !== 0x75) return undefined;
    let unit = 0;
    for (let digit = at + 2; digit < at + 6; digit++) {
      const value = hexDigit[this.#bytes[digit] ?? 0]!;
      if (value < 0) return undefined;
      unit = unit * 16 + value;
    }
    return unit;
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at += 1;
    }
  }

  #broken(description: string): void {
    if (this.violations.length >= this.#bounds.maxViolations) return;
    const field = this.#stack.reduce((path, { at }) => memberPath(path, at), "");
    this.violations.push({ field, description });
  }

  #notJson(why: string): RunnerError {
    return new RunnerError("INVALID_REQUEST", `the request is not JSON: ${why} at byte ${this.#at}`, {
      facts: { atByte: this.#at },
    });
  }
}

/** The path of a member or an element, for people: long keys are cut. */
export function memberPath(path: string, at: string | number): string {
  if (typeof at === "number") return `${path}[${at}]`;
  const name = at.length > 64 ? `${at.slice(0, 64)}…` : at;
  return path === "" ? name : `${path}.${name}`;
}

function unescaped(raw: string): string | undefined {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return undefined;
  }
}
