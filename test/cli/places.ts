/** Finds the places in a JSON value, and puts something else there: for tests that change a line everywhere. */

export interface Place {
  /** The keys on the way, such as `.event.usage.input_tokens`; an item of a list is `[]`. */
  readonly name: string;
  /** The positions on the way, as `replaceAt` takes them. */
  readonly path: readonly number[];
  readonly leaf: unknown;
}

/** Every leaf of a value. */
export function placesIn(value: unknown, name = "", path: readonly number[] = []): readonly Place[] {
  if (typeof value !== "object" || value === null) return [{ name, path, leaf: value }];
  return Object.entries(value).flatMap(([key, item], at) =>
    placesIn(item, Array.isArray(value) ? `${name}[]` : `${name}.${key}`, [...path, at]),
  );
}

/** The same value with something else at some place in it. Positions beyond the end count on from the beginning. */
export function replaceAt(target: unknown, path: readonly number[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof target !== "object" || target === null) return value;
  const entries = Object.entries(target);
  if (entries.length === 0) return value;
  const chosen = first % entries.length;
  const changed = entries.map(([key, item], at) => [key, at === chosen ? replaceAt(item, rest, value) : item] as const);
  return Array.isArray(target) ? changed.map(([, item]) => item) : Object.fromEntries(changed);
}
