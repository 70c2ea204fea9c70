/**
 * Halves of surrogate pairs in what the CLI wrote, which are no text: encoders replace them, refuse them, or write JSON
 * that other programs refuse. Here each becomes U+FFFD, once for all that is read.
 */
import type { Json } from "../../json-value.ts";

/** Whether the text of a JSON value may hold one: as characters they cannot be in a line, only as their escapes. */
export function mayHoldHalves(json: string): boolean {
  return json.includes("\\ud") || json.includes("\\uD");
}

/** Makes every text in a value well-formed, in place, however deep it is; what is in `except` is left alone. */
export function makeWellFormed(value: object, except?: object): void {
  const left: object[] = [value];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const container = next as Record<string, Json>;
    for (const [key, member] of Object.entries(container)) {
      const name = key.toWellFormed();
      if (name !== key) delete container[key];
      if (name !== key || (typeof member === "string" && !member.isWellFormed())) {
        set(container, name, typeof member === "string" ? member.toWellFormed() : member);
      }
      if (typeof member === "object" && member !== null && member !== except) left.push(member);
    }
  }
}

/** Sets a member of any name: `__proto__` too is one. */
function set(container: object, key: string, value: Json): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
}
