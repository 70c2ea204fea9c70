/**
 * What a browser gets of a module: JavaScript, also in a checkout, where the page's own modules are TypeScript.
 */
import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";

/** The module as JavaScript. Types give way to blanks, so that lines and columns stay those of the file. */
export async function moduleSource(file: URL): Promise<string> {
  const source = await readFile(file, "utf8");
  return file.pathname.endsWith(".ts") ? withoutTypes(source) : source;
}

/**
 * Node warns on stderr, once in a process, that taking types out by this function is experimental; it is what runs our
 * own source as well. A line that is no JSON does not belong between those of the log.
 */
function withoutTypes(source: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/**
 * Matches the statements that name another module, as TypeScript and its libraries write them: at the beginning of a
 * line; those for types alone not. No parser: what it would miss does not load, and the browser tests load everything.
 */
const importing = /^(?:import|export)\b(?!\s+type\b)(?:[^;'"]*?\bfrom)?\s*["']([^"']+)["']/gm;

/** The modules that a module names, as it names them. TypeScript or JavaScript. */
export function importsOf(source: string): readonly string[] {
  return [...source.matchAll(importing)].map(([, name = ""]) => name);
}
