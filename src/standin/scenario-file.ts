/** Reads a scenario file, YAML or JSON. What it may hold is checked where it is used (`choose.ts`). */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import type { ScenarioFile } from "./choose.ts";
import { ScenarioError } from "./scenario.ts";

/** Throws a ScenarioError when the file cannot be read or is neither YAML nor JSON. */
export async function readScenarioFile(path: string): Promise<ScenarioFile> {
  try {
    // JSON is YAML. An empty file is an empty object.
    return ((parse(await readFile(path, "utf8"), { prettyErrors: false }) as unknown) ?? {}) as ScenarioFile;
  } catch (error) {
    throw new ScenarioError(`the scenario file ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
