/**
 * Finds and reads the settings file, and knows on which line each setting stands.
 *
 * Leaves out what the settings mean; `load.ts` checks them.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { isObject, variablePrefix } from "./catalog.ts";
import { configFolder } from "./folders.ts";
import { type SettingSource, SettingsError } from "./source.ts";

export interface SettingsFile {
  /** The name as a person would type it. */
  readonly name: string;
  /** Relative paths in the file start here. */
  readonly folder: string;
  readonly settings: Record<string, unknown>;
  /** The file and line of a setting, or of the nearest thing around it. */
  sourceOf(path: readonly PropertyKey[]): SettingSource;
}

/** The file's usual name, in the working folder and in the configuration folder. */
export const settingsFileName = "claude-runner.yaml";
const fileVariable = `${variablePrefix}CONFIG`;

export interface FileChoice {
  /** What `--config` says. */
  readonly configFile?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly workingFolder: string;
}

/** The named file, else the first of the usual ones that exists; `undefined` when there is none. */
export function readSettingsFile(choice: FileChoice): SettingsFile | undefined {
  const { env, workingFolder } = choice;
  if (choice.configFile !== undefined) {
    return read(choice.configFile, workingFolder, { kind: "flag", name: "--config" });
  }
  const named = env[fileVariable];
  if (named) return read(named, workingFolder, { kind: "variable", name: fileVariable });
  const usual = [join(workingFolder, settingsFileName), join(configFolder(env), settingsFileName)];
  const found = usual.find(isFile);
  return found === undefined
    ? undefined
    : read(found, workingFolder, { kind: "file", file: shownName(found, workingFolder), line: undefined });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function shownName(path: string, workingFolder: string): string {
  const short = relative(workingFolder, path);
  return short === "" || short.startsWith("..") ? path : short;
}

function read(file: string, workingFolder: string, askedBy: SettingSource): SettingsFile {
  const path = resolve(workingFolder, file);
  const name = shownName(path, workingFolder);
  const lines = new LineCounter();
  const document = parseDocument(textOf(path, name, askedBy), { lineCounter: lines, merge: true, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new SettingsError(
      document.errors.map((error) => ({
        source: { kind: "file", file: name, line: lines.linePos(error.pos[0]).line },
        path: "",
        problem: `is no valid YAML: ${error.message}`,
      })),
    );
  }
  const content: unknown = plainValue(() => document.toJS(), name) ?? {};
  if (!isObject(content)) {
    throw new SettingsError([
      { source: { kind: "file", file: name, line: 1 }, path: "", problem: "has to hold settings, such as `grpc:`" },
    ]);
  }
  const sourceOf = (path: readonly PropertyKey[]): SettingSource => {
    const offset = offsetOf(document.contents, path);
    return { kind: "file", file: name, line: offset === undefined ? undefined : lines.linePos(offset).line };
  };
  return { name, folder: dirname(path), settings: content, sourceOf };
}

function textOf(path: string, name: string, askedBy: SettingSource): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === "ENOENT" ? "does not exist" : `cannot be read (${code})`;
    throw new SettingsError([{ source: askedBy, path: "", problem: `the settings file ${name} ${why}` }]);
  }
}

/** Resolving aliases can fail after parsing has not. */
function plainValue(resolveAliases: () => unknown, name: string): unknown {
  try {
    return resolveAliases();
  } catch (error) {
    const problem = `is no valid YAML: ${error instanceof Error ? error.message : String(error)}`;
    throw new SettingsError([{ source: { kind: "file", file: name, line: undefined }, path: "", problem }]);
  }
}

/** Where the deepest part of a path begins that the file has. */
function offsetOf(contents: unknown, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = contents;
  let offset: number | undefined;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(segment));
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      offset = startOf(node) ?? offset;
    } else break;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | undefined)?.range?.[0];
}
