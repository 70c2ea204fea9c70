/**
 * Finds and reads the settings file, and knows on which line each setting stands.
 *
 * Leaves out what the settings mean; `load.ts` checks them.
 */
import { lstatSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from "yaml";
import { readRegularFile, UnreadableFileError } from "../regular-file.ts";
import { isObject, variablePrefix } from "./catalog.ts";
import { NoTreeError, plainCopy } from "./plain-copy.ts";
import { type SettingSource, SettingsError } from "./source.ts";
import { configFolder } from "./user-folders.ts";

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

/** Room for some 50,000 tokens, in bytes; what is larger is something else. */
const maxFileBytes = 8 * 1024 * 1024;

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
  if (document.errors.length > 0) throw invalidYaml(name, document.errors, lines);
  const sourceOf = (path: readonly PropertyKey[]): SettingSource => {
    const offset = offsetOf(document.contents, path);
    return { kind: "file", file: name, line: offset === undefined ? undefined : lines.linePos(offset).line };
  };
  const content = contentOf(document, name, sourceOf);
  if (!isObject(content)) {
    throw new SettingsError([
      { source: { kind: "file", file: name, line: 1 }, path: "", problem: "must hold settings, such as `grpc:`" },
    ]);
  }
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

/** One mistake makes the parser find more behind it: the first ones are those to mend. */
const maxYamlErrors = 3;

function invalidYaml(name: string, errors: readonly YAMLError[], lines: LineCounter): SettingsError {
  return new SettingsError(
    errors.slice(0, maxYamlErrors).map((error) => ({
      source: { kind: "file", file: name, line: lines.linePos(error.pos[0]).line },
      path: "",
      problem: `is not valid YAML: ${error.message}`,
    })),
  );
}

/** The settings as plain values. Anchors are resolved here, which can fail after parsing has not. */
function contentOf(document: Document, name: string, sourceOf: SettingsFile["sourceOf"]): unknown {
  try {
    // How large anchors may make it is `plainCopy`'s to say, which knows the place.
    return plainCopy(document.toJS({ maxAliasCount: -1 })) ?? {};
  } catch (error) {
    const isPlaced = error instanceof NoTreeError;
    const source: SettingSource = isPlaced ? sourceOf(error.path) : { kind: "file", file: name, line: undefined };
    const problem = error instanceof Error ? error.message : String(error);
    const path = isPlaced ? error.path.slice(0, 8).join(".") : "";
    throw new SettingsError([{ source, path, problem: isPlaced ? problem : `is not valid YAML: ${problem}` }]);
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
