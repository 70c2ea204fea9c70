/**
 * The sources of settings as layers: the built-in credential, the file, and what variables and flags assign. Each layer is
 * complete when it is made (its paths are absolute, its empty groups open), none is changed afterwards, and where two
 * give a setting, the later one counts.
 *
 * Leaves out defaults. Those of a single setting are the schema's, after the merge; those that follow from other
 * settings are in `derived-defaults.ts`.
 */
import { resolve } from "node:path";
import { findSetting, isObject, nodeAt } from "./catalog.ts";
import { alternatives } from "./checks.ts";
import type { Assignment } from "./environment.ts";

/** A part of the settings' tree, unchecked. */
export type Layer = Readonly<Record<string, unknown>>;

/** What a settings file says. Its relative paths start at its folder. */
export function fileLayer(settings: Layer, folder: string, path: readonly string[] = []): Layer {
  const children = Object.entries(settings).map(([key, child]) => {
    const below = [...path, key];
    // `default:` with nothing below it is a profile that has all its defaults.
    if (child === null && nodeAt(below)?.type === "object") return [key, {}] as const;
    return [key, isObject(child) ? fileLayer(child, folder, below) : resolved(below, child, folder)] as const;
  });
  return Object.fromEntries(children);
}

/** What variables and flags say, the later ones over the earlier. Their relative paths start at the working folder. */
export function overlayLayer(assignments: readonly Assignment[], workingFolder: string): Layer {
  return merged(
    ...assignments.map(({ path, value }) =>
      path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), resolved(path, value, workingFolder)),
    ),
  );
}

/** A variable that changes one thing of the built-in credential leaves the rest of it, except what it replaces. */
export function builtInLayer(file: Layer, assignments: readonly Assignment[]): Layer {
  const touched = assignments.filter(({ path }) => path[0] === "credentials").map(({ path }) => path.at(-1));
  if ("credentials" in file || touched.length === 0) return {};
  const replaced = alternatives.filter((group) => group.some((key) => touched.includes(key))).flat();
  const builtIn = nodeAt(["credentials"])?.default as { readonly default: Layer };
  const kept = Object.entries(builtIn.default).filter(([key]) => !replaced.includes(key));
  return { credentials: { default: Object.fromEntries(kept) } };
}

/** One tree of all layers. Only groups are merged: a list that is given replaces another as a whole. */
export function merged(...layers: readonly unknown[]): Layer {
  const groups = layers.filter(isObject);
  const keys = new Set(groups.flatMap((group) => Object.keys(group)));
  return Object.fromEntries([...keys].map((key) => [key, mergedAt(groups, key)]));
}

function mergedAt(groups: readonly Layer[], key: string): unknown {
  const given = groups.filter((group) => Object.hasOwn(group, key)).map((group) => group[key]);
  const last = given.at(-1);
  if (!isObject(last)) return last;
  // What stands before a value that is no group counts for nothing any more.
  return merged(...given.slice(given.findLastIndex((value) => !isObject(value)) + 1));
}

function resolved(path: readonly string[], value: unknown, folder: string): unknown {
  if (typeof value !== "string" || value === "") return value;
  // A program without a slash is looked for on PATH.
  const isPath = findSetting(path)?.kind === "file" || (path.join(".") === "cli.path" && value.includes("/"));
  return isPath ? resolve(folder, value) : value;
}
