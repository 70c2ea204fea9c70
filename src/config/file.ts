/**
 * Finds and reads the settings file, and knows on which line each setting stands.
 *
 * Leaves out what the settings mean; `load.ts` checks them.
 */
import { lstatSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { readRegularFile, UnreadableFileError } from "../regular-file.ts";
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

/** The usual names of the file, in the user's configuration folder. */
const settingsFileNames = ["claude-runner.yaml", "claude-runner.yml"] as const;
const fileVariable = `${variablePrefix}CONFIG`;

/** No settings of a person's come near this size, in bytes; what is larger is something else. */
const maxFileBytes = 1024 * 1024;

export interface FileChoice {
  /** What `--config` says. */
  readonly configFile?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly workingFolder: string;
}

/**
 * The named file, else the one in the user's configuration folder; `undefined` when there is none.
 *
 * Never one of the working folder: it may be anybody's, and a setting names the program that is run and the address that
 * gets the key. `passedOver` finds it, so that a person who meant it is told.
 */
export function readSettingsFile(choice: FileChoice): SettingsFile | undefined {
  const { env, workingFolder } = choice;
  if (choice.configFile !== undefined) {
    return read(choice.configFile, workingFolder, { kind: "flag", name: "--config" });
  }
  const named = env[fileVariable];
  if (named) return read(named, workingFolder, { kind: "variable", name: fileVariable });
  const [found, second] = usualFiles(configFolder(env));
  if (found === undefined) return undefined;
  const source: SettingSource = { kind: "file", file: shownName(found, workingFolder), line: undefined };
  if (second !== undefined) {
    const problem = `stands beside ${shownName(second, workingFolder)}: remove one of the two`;
    throw new SettingsError([{ source, path: "", problem }]);
  }
  return read(found, workingFolder, source);
}

/** A file of the working folder that looks like settings and is not read, since nobody named it. */
export function passedOver({ configFile, env, workingFolder }: FileChoice): string | undefined {
  if (configFile !== undefined || env[fileVariable]) return undefined;
  const read = usualFiles(configFolder(env)).map(realPath);
  const found = usualFiles(workingFolder).find((path) => !read.includes(realPath(path)));
  return found === undefined ? undefined : shownName(found, workingFolder);
}

/** Whatever has one of the usual names, so that a folder or a dangling link is an error and not overlooked. */
function usualFiles(folder: string | undefined): readonly string[] {
  if (folder === undefined) return [];
  return settingsFileNames.map((name) => join(folder, name)).filter(isThere);
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    // A folder that may not be searched may hold one; reading it says so.
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // It leads nowhere.
  }
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
    return readRegularFile(path, { maxBytes: maxFileBytes }).bytes.toString("utf8");
  } catch (error) {
    if (!(error instanceof UnreadableFileError)) throw error;
    const isFound = askedBy.kind === "file";
    const problem = isFound ? error.problem : `the settings file ${name} ${error.problem}`;
    throw new SettingsError([{ source: askedBy, path: "", problem }]);
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
