/**
 * Where in the text of a JSON object the values of some of its own members are.
 *
 * For changing a line of the CLI as text, since parsing and writing it anew would not be exact. Takes text that is known
 * to be a JSON object; with anything else the answer is of no use, but it comes.
 */
export interface MemberRange {
  readonly key: string;
  /** The positions in the string of the first character of the value and of the one behind it. */
  readonly start: number;
  readonly end: number;
}

/** The ranges of the members with these keys, in the order of the text. */
export function memberRanges(json: string, keys: readonly string[]): readonly MemberRange[] {
  const found: MemberRange[] = [];
  let depth = 0;
  let key: string | undefined;
  let start = -1;
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case '"': {
        const end = endOfString(json, at);
        // At depth 1, a string that no key precedes is a key.
        if (depth === 1 && key === undefined) key = json.slice(at + 1, end - 1);
        at = end - 1;
        break;
      }
      case ":":
        if (depth === 1 && start < 0) start = at + 1;
        break;
      case "{":
      case "[":
        depth++;
        break;
      case "}":
      case "]":
        depth--;
        if (depth === 0) finish(at);
        break;
      case ",":
        if (depth === 1) finish(at);
        break;
    }
  }
  return found;

  function finish(end: number): void {
    if (key !== undefined && start >= 0 && keys.includes(key)) found.push({ key, start, end });
    key = undefined;
    start = -1;
  }
}

/** The position behind the closing quote of the string that begins at `at`. */
function endOfString(json: string, at: number): number {
  for (let quote = json.indexOf('"', at + 1); quote >= 0; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return json.length;
}
