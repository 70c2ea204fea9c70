/**
 * JSON as a type: what the CLI, tools and models say that has no type of its own. And its text, however deep it is.
 */

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The text of a value, as JSON.stringify writes it, which has no stack for what is some thousands deep. */
export function jsonText(value: Json): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return deepJsonText(value);
  }
}

/** The same with a list of what is still to be written in the stack's place. */
function deepJsonText(value: Json): string {
  const written: string[] = [];
  const left: { readonly before: string; readonly json?: Json }[] = [{ before: "", json: value }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { before, json } = next;
    written.push(before);
    if (json === undefined) continue;
    if (typeof json !== "object" || json === null) {
      written.push(JSON.stringify(json));
      continue;
    }
    const isList = Array.isArray(json);
    written.push(isList ? "[" : "{");
    left.push({ before: isList ? "]" : "}" });
    const members = Object.entries(json).map(([key, member], at) => {
      const comma = at === 0 ? "" : ",";
      return { before: isList ? comma : `${comma}${JSON.stringify(key)}:`, json: member };
    });
    left.push(...members.reverse());
  }
  return written.join("");
}
