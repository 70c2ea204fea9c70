/**
 * Which text form of a stream a request asks for with its `Accept` header. A pure function of the header.
 *
 * A form must be named: wildcards mean what they meant before there was one, and curl sends one by itself.
 */

export type TextForm = "sse" | "ndjson";

const forms: Readonly<Record<string, TextForm | undefined>> = {
  "text/event-stream": "sse",
  "application/x-ndjson": "ndjson",
};

/** The named form with the highest weight, of two equal ones the first; `undefined` when none is acceptable. */
export function acceptedTextForm(accept: string): TextForm | undefined {
  let chosen: TextForm | undefined;
  let chosenWeight = 0;
  for (const [type = "", ...parameters] of split(accept, ",").map((range) => split(range, ";"))) {
    const form = forms[type.trim().toLowerCase()];
    const weight = weightOf(parameters);
    if (form === undefined || weight <= chosenWeight) continue;
    chosen = form;
    chosenWeight = weight;
  }
  return chosen;
}

/** The weight (`q`) among a range's parameters, which is 1 by default. One that breaks the grammar accepts nothing. */
function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=", 2);
    if (name.trim().toLowerCase() !== "q") continue;
    return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(value.trim()) ? Number(value) : 0;
  }
  return 1;
}

/** Splits a list where its separator stands outside of quotes. */
function split(list: string, separator: "," | ";"): string[] {
  const parts: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at < list.length; at += 1) {
    const letter = list[at];
    if (letter === '"') isQuoted = !isQuoted;
    else if (letter === "\\" && isQuoted) at += 1;
    else if (letter === separator && !isQuoted) {
      parts.push(list.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(list.slice(from));
  return parts;
}
