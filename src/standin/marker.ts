/**
 * The marker by which a prompt asks for a scenario: `[[scenario NAME]]`, `[[scenario NAME {"option": 1}]]` or
 * `[[scenario {"steps": […]}]]`, anywhere in the text.
 */
import { ScenarioError } from "./scenario.ts";

export type Marker =
  | { readonly name: string; readonly options: Readonly<Record<string, unknown>> }
  /** A whole scenario, not checked yet. */
  | { readonly written: unknown };

const opening = "[[scenario ";

/** The last marker of a text, or undefined. Throws a ScenarioError when it cannot be read. */
export function findMarker(text: string): Marker | undefined {
  const start = text.lastIndexOf(opening);
  if (start < 0) return undefined;
  const rest = text.slice(start + opening.length);
  const { name } = /^\s*(?<name>[\w-]*)\s*/u.exec(rest)!.groups as { name: string };
  const afterName = rest.slice(rest.indexOf(name) + name.length).trimStart();
  if (afterName.startsWith("]]") && name !== "") return { name, options: {} };
  const json = afterName.startsWith("{") ? jsonObjectAtStart(afterName) : undefined;
  if (json === undefined || !afterName.slice(json.length).trimStart().startsWith("]]")) {
    throw new ScenarioError(`a marker is [[scenario NAME]] or [[scenario NAME {"option": 1}]], not ${excerpt(rest)}`);
  }
  const written: unknown = parse(json);
  return name === "" ? { written } : { name, options: written as Readonly<Record<string, unknown>> };
}

/** The object at the start of a text, up to the brace that closes it. */
function jsonObjectAtStart(text: string): string | undefined {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return text.slice(0, at + 1);
  }
  return undefined;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new ScenarioError(`a marker's options are no JSON: ${error instanceof Error ? error.message : error}`);
  }
}

function excerpt(text: string): string {
  return `[[scenario ${text.slice(0, 60)}${text.length > 60 ? "…" : ""}`;
}
