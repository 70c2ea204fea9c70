/**
 * The marker by which a prompt asks for a scenario: `[[scenario NAME]]`, `[[scenario NAME {"option": 1}]]` or
 * `[[scenario {"steps": […]}]]`, anywhere in the text. The last one counts.
 */
import { ScenarioError } from "./scenario.ts";

export type Marker =
  | { readonly name: string; readonly options: Readonly<Record<string, unknown>> }
  /** A whole scenario, not checked yet. */
  | { readonly written: unknown };

interface Found {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** Empty when there is none. */
  readonly json: string;
}

const opening = "[[scenario ";

/** The marker of a text, or undefined. Throws a ScenarioError when it cannot be read. */
export function findMarker(text: string): Marker | undefined {
  const start = text.lastIndexOf(opening);
  if (start < 0) return undefined;
  const found = readMarker(text, start);
  if (found === undefined) {
    const excerpt = text.slice(start, start + 80);
    throw new ScenarioError(`a marker is [[scenario NAME]] or [[scenario NAME {"option": 1}]], not ${excerpt}`);
  }
  const written = found.json === "" ? {} : parse(found.json);
  return found.name === "" ? { written } : { name: found.name, options: written };
}

/** The text without its marker. */
export function withoutMarker(text: string): string {
  const found = readMarker(text, text.lastIndexOf(opening));
  return found === undefined ? text : `${text.slice(0, found.start)}${text.slice(found.end)}`.trim();
}

function readMarker(text: string, start: number): Found | undefined {
  if (start < 0) return undefined;
  const nameStart = start + opening.length;
  const name = /^[\w-]*/u.exec(text.slice(nameStart, nameStart + 100))![0];
  const jsonStart = skipSpaces(text, nameStart + name.length);
  const jsonEnd = endOfObject(text, jsonStart);
  const end = skipSpaces(text, jsonEnd);
  if ((name === "" && jsonEnd === jsonStart) || !text.startsWith("]]", end)) return undefined;
  return { start, end: end + 2, name, json: text.slice(jsonStart, jsonEnd) };
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\n") at++;
  return at;
}

/** Behind the brace that closes the object which begins here; the same place when none does. */
function endOfObject(text: string, from: number): number {
  if (text[from] !== "{") return from;
  let depth = 0;
  let inString = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return at + 1;
  }
  return from;
}

function parse(json: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new ScenarioError(`a marker's options are no JSON: ${error instanceof Error ? error.message : error}`);
  }
}
