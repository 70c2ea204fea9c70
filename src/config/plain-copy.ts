/**
 * What a settings file holds, as a tree in which nothing stands twice: an anchor that is used twice becomes two values,
 * since variables change one of them.
 *
 * Anchors make a graph of a few lines as large as one likes, or endless. Both are told with the place.
 */

/** Thrown with the place where it happened. */
export class NoTreeError extends Error {
  override readonly name = "NoTreeError";
  readonly path: readonly PropertyKey[];

  constructor(path: readonly PropertyKey[], problem: string) {
    super(problem);
    this.path = path;
  }
}

/** Values of one file, groups and lists included. */
const maxValues = 500_000;
/** Settings go six levels down. */
const maxDepth = 64;

/** A copy that shares nothing with the original. Throws NoTreeError. */
export function plainCopy(value: unknown): unknown {
  let count = 0;
  const above = new Set<object>();

  const copy = (one: unknown, path: readonly PropertyKey[]): unknown => {
    count += 1;
    if (count > maxValues) {
      throw new NoTreeError(path, `is where the settings exceed ${maxValues.toLocaleString("en-US")} values`);
    }
    if (typeof one !== "object" || one === null) return one;
    if (above.has(one)) throw new NoTreeError(path, "is an anchor that contains itself");
    if (above.size >= maxDepth) throw new NoTreeError(path.slice(0, 4), `is nested more than ${maxDepth} levels deep`);
    above.add(one);
    const copied = Array.isArray(one)
      ? one.map((item, at) => copy(item, [...path, at]))
      : // Keys such as `__proto__` stay keys, for those who check them.
        Object.fromEntries(Object.entries(one).map(([key, child]) => [key, copy(child, [...path, key])]));
    above.delete(one);
    return copied;
  };
  return copy(value, []);
}
