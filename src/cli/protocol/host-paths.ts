/**
 * Replaces the paths of a worker's own folders by `<home>`, `<tmp>` and `<cwd>` in what the CLI filled in.
 *
 * Text that the model wrote is never touched: which member of which line that is, is decided here for whole lines and by
 * the mappers for single texts.
 */
import { type Json, jsonText } from "../../json-value.ts";
import type { CliMessage } from "./cli-messages.ts";
import { flagAt, type JsonObject, objectAt, textAt } from "./json-members.ts";
import { memberRanges } from "./member-ranges.ts";

export interface WorkerPaths {
  readonly home: string;
  readonly tmp: string;
  readonly cwd: string;
}

type Replacement = readonly [path: string, name: string];

/** Members of a `result` that hold the model's own words. */
const modelWritten = ["result", "structured_output", "permission_denials"];

/** Of other texts the last ones are replaced. */
const maxOthers = 8;

export class HostPaths {
  readonly #inText: readonly Replacement[];
  readonly #inJson: readonly Replacement[];
  readonly #paths: WorkerPaths;
  readonly #others: readonly Replacement[];

  constructor(paths: WorkerPaths, others: readonly Replacement[] = []) {
    this.#paths = paths;
    this.#others = others;
    const named: Replacement[] = [
      [paths.cwd, "<cwd>"],
      [paths.home, "<home>"],
      [paths.tmp, "<tmp>"],
    ];
    // The longest first: one folder may be in another.
    this.#inText = [...others, ...named, [projectSlug(paths.cwd), "<cwd>"] as const]
      .filter(([path]) => path.length > 1)
      .sort(([a], [b]) => b.length - a.length);
    this.#inJson = this.#inText.map(([path, name]) => [inJson(path), inJson(name)]);
  }

  /** The same, with another text that is replaced as well. */
  with(text: string, name: string): HostPaths {
    if (this.#others.some(([known]) => known === text)) return this;
    return new HostPaths(this.#paths, [...this.#others.slice(1 - maxOthers), [text, name]]);
  }

  /** A text that the CLI filled in. */
  text(value: string): string {
    return replaceAll(value, this.#inText);
  }

  /** Every text in a value that the CLI filled in, keys included; the value itself when there is nothing to replace. */
  json(value: Json): Json {
    // By its text, which has no depth.
    const text = jsonText(value);
    return this.#inJson.some(([path]) => text.includes(path))
      ? (JSON.parse(replaceAll(text, this.#inJson)) as Json)
      : value;
  }

  /** A whole line as the CLI wrote it. */
  line(message: CliMessage, line: string): string {
    switch (message.kind) {
      case "streamEvent":
        return line;
      case "assistant":
        return isSynthetic(message.body) ? replaceAll(line, this.#inJson) : line;
      case "result":
        // The text of a failure is the CLI's own.
        return flagAt(message.body, "is_error")
          ? replaceAll(line, this.#inJson)
          : this.#lineWithout(line, modelWritten);
      default:
        return replaceAll(line, this.#inJson);
    }
  }

  #lineWithout(line: string, members: readonly string[]): string {
    if (!this.#inJson.some(([path]) => line.includes(path))) return line;
    let from = 0;
    let replaced = "";
    for (const { start, end } of memberRanges(line, members)) {
      replaced += replaceAll(line.slice(from, start), this.#inJson) + line.slice(start, end);
      from = end;
    }
    return replaced + replaceAll(line.slice(from), this.#inJson);
  }
}

/** How the CLI names its folders for a project: after the working directory, all but letters and digits as `-`. */
export function projectSlug(cwd: string): string {
  return cwd.replace(/[^A-Za-z0-9]/g, "-");
}

/** Whether an `assistant` line is the CLI's own, an error for instance, and not the model's. */
export function isSynthetic(body: JsonObject): boolean {
  return textAt(objectAt(body, "message"), "model") === "<synthetic>";
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function replaceAll(text: string, replacements: readonly Replacement[]): string {
  let result = text;
  for (const [path, name] of replacements) if (result.includes(path)) result = result.replaceAll(path, () => name);
  return result;
}
