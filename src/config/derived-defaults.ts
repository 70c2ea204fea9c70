/**
 * Defaults that follow from other settings: what nobody wrote gives way to a bound that somebody did.
 *
 * Before the schema fills in the others, since only then can be seen what nobody wrote. Leaves alone what is of a wrong
 * type: the schema says so.
 */
import { anyName, isObject, nodeAt } from "./catalog.ts";
import type { Layer } from "./layers.ts";

export function withDerivedDefaults(input: Layer): Layer {
  return {
    ...input,
    ...(isObject(input.calls) && { calls: withDefaultTimeout(input.calls) }),
    ...(isObject(input.profiles) && { profiles: mapValues(input.profiles, withBounds) }),
  };
}

function mapValues(record: Layer, change: (value: Layer) => Layer): Layer {
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, isObject(value) ? change(value) : value]),
  );
}

function withDefaultTimeout(calls: Layer): Layer {
  const { maxTimeoutMs, defaultTimeoutMs } = calls;
  if (typeof maxTimeoutMs !== "number") return calls;
  return {
    ...calls,
    defaultTimeoutMs: defaultTimeoutMs ?? Math.min(defaultOf(["calls", "defaultTimeoutMs"]), maxTimeoutMs),
  };
}

/**
 * Whoever sets one bound of a profile keeps the others: an object replaces a default as a whole, and bounds would go
 * missing without a word.
 */
function withBounds(profile: Layer): Layer {
  const { maxLimits, defaultLimits } = profile;
  const most = { ...limits("maxLimits"), ...(isObject(maxLimits) ? maxLimits : {}) };
  const usual = Object.entries(limits("defaultLimits")).map(([key, value]) => {
    const bound = most[key];
    return [key, typeof bound === "number" ? Math.min(value, bound) : value] as const;
  });
  return {
    ...profile,
    ...(profile.minSpares === undefined && minSparesOf(profile)),
    ...(isGiven(maxLimits) && { maxLimits: most }),
    ...(isGiven(defaultLimits) && { defaultLimits: { ...Object.fromEntries(usual), ...defaultLimits } }),
  };
}

/** A group, or one that nobody wrote. */
const isGiven = (group: unknown): group is Layer | undefined => group === undefined || isObject(group);

/** Spares that nobody asked for give way to the most workers that the profile can have. */
function minSparesOf({ workspace, maxWorkers }: Layer): { readonly minSpares: number } | undefined {
  const isOneAtATime = isObject(workspace) && workspace.access !== "read-only";
  const most = isOneAtATime ? 1 : maxWorkers;
  const isLess =
    typeof most === "number" &&
    Number.isInteger(most) &&
    most > 0 &&
    most < defaultOf<number>(["profiles", anyName, "minSpares"]);
  return isLess ? { minSpares: most } : undefined;
}

function limits(key: "defaultLimits" | "maxLimits"): Readonly<Record<string, number>> & Layer {
  return defaultOf(["profiles", anyName, key]);
}

/** What the schema would fill in. */
function defaultOf<T = number>(path: readonly string[]): T {
  return nodeAt(path)?.default as T;
}
