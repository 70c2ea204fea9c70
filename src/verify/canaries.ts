/**
 * Canaries: words that are nowhere else, each planted by one owner, so that wherever one turns up it tells whose it is.
 */
import { randomBytes } from "node:crypto";

export interface Canary {
  readonly text: string;
  /** Whose it is, such as a turn. */
  readonly owner: string;
  /** What it was planted in, such as `prompt`. */
  readonly what: string;
}

/** Enough of one to know it by, where a text was cut. */
const knownBy = "canary-".length + 8;
const form = /canary-[0-9a-f]{8,16}/g;

export class Canaries {
  readonly #planted = new Map<string, Canary>();

  /** A new one. Without letters that JSON, headers or a shell would write in another way. */
  plant(owner: string, what: string): string {
    const text = `canary-${randomBytes(8).toString("hex")}`;
    this.#planted.set(text.slice(0, knownBy), { text, owner, what });
    return text;
  }

  /** Those that are in a text, each once. */
  in(text: string): readonly Canary[] {
    const found = new Set<Canary>();
    for (const [match] of text.matchAll(form)) {
      const canary = this.#planted.get(match.slice(0, knownBy));
      if (canary !== undefined) found.add(canary);
    }
    return [...found];
  }
}
