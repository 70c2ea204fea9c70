/**
 * The schemas within a schema and what refers to what: whether each reference leads to one of them, ends, and does not
 * make a small text a large schema.
 *
 * Claude Code puts a copy of what a reference names in its place where that refers to nothing itself, so size is counted
 * with the copies; the rest it follows for every value that it checks.
 */
import { Place } from "./schema-places.ts";

/** How many schemas may apply to one value. */
const maxAppliedCount = 10_000;

export interface SchemaNode {
  readonly place: Place;
  /** Schemas that describe a part of the value. */
  readonly parts: SchemaNode[];
  /** Schemas that describe the same value, with the keyword that they stand under. */
  readonly inPlace: { readonly keyword: string; readonly node: SchemaNode }[];
  ref?: string;
  type?: string;
  target?: SchemaNode;
}

export class SchemaTree {
  readonly root = Place.root();
  readonly #maxCount: number;
  readonly #nodes = new Map<Place, SchemaNode>();
  #extraCount = 0;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** A schema at a place; `undefined` when there are too many. */
  add(place: Place): SchemaNode | undefined {
    const node: SchemaNode = { place, parts: [], inPlace: [] };
    this.#nodes.set(place, node);
    return this.count(0) ? node : undefined;
  }

  /** Counts what costs as much as a schema. Whether there are not too many. */
  count(more: number): boolean {
    this.#extraCount += more;
    return this.#nodes.size + this.#extraCount <= this.#maxCount;
  }

  connect(parent: SchemaNode, node: SchemaNode, inPlaceKeyword: string | undefined): void {
    if (inPlaceKeyword === undefined) parent.parts.push(node);
    else parent.inPlace.push({ keyword: inPlaceKeyword, node });
  }

  /** What is wrong with the references, in words. To be asked once, when all is added. */
  *problems(): Generator<string> {
    let isComplete = true;
    for (const node of this.#nodes.values()) {
      if (node.ref === undefined) continue;
      const { target, problem } = this.#resolve(node.ref);
      if (target !== undefined) node.target = target;
      else {
        isComplete = false;
        yield `has a \`$ref\` (at ${node.place.path}) ${problem}`;
      }
    }
    if (!isComplete) return;
    if (this.#countWithCopies() > this.#maxCount) {
      yield `has more than ${this.#maxCount} schemas in it, counting what each \`$ref\` stands for`;
      return;
    }
    const applied = new Map<SchemaNode, number>();
    for (const node of this.#nodes.values()) {
      const count = appliedCount(node, applied);
      if (count === Number.POSITIVE_INFINITY) {
        yield `has a \`$ref\` that leads back to itself (from ${node.place.path}) without going into a property or an item`;
        return;
      }
      if (count > maxAppliedCount) {
        yield `has \`$ref\`s that multiply (from ${node.place.path}): more than ${maxAppliedCount} schemas apply to one value`;
        return;
      }
    }
  }

  /** Whether all that a schema allows is objects. Only once the references have no problems. */
  describesObject({ type, target, inPlace }: SchemaNode): boolean {
    if (type !== undefined) return type === "object";
    if (target !== undefined && this.describesObject(target)) return true;
    const under = (keyword: string) => inPlace.filter((at) => at.keyword === keyword).map(({ node }) => node);
    const all = (nodes: readonly SchemaNode[]) => nodes.length > 0 && nodes.every((node) => this.describesObject(node));
    return under("allOf").some((node) => this.describesObject(node)) || all(under("anyOf")) || all(under("oneOf"));
  }

  #resolve(ref: string): { readonly target?: SchemaNode; readonly problem?: string } {
    if (!ref.startsWith("#")) {
      return { problem: "to something outside the schema: put it under `$defs` and refer to it by `#/$defs/<name>`" };
    }
    let names: readonly string[];
    try {
      names = ref.split("/").map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
    } catch {
      return { problem: "that is not percent-encoded properly" };
    }
    const [start, ...inner] = names;
    const place = start === "#" ? this.root.find(inner) : undefined;
    const target = place && this.#nodes.get(place);
    return target === undefined ? { problem: "that does not lead to a schema" } : { target };
  }

  /** All schemas, with what is copied in the place of references. */
  #countWithCopies(): number {
    const sizes = new Map<SchemaNode, number | undefined>();
    let count = this.#nodes.size + this.#extraCount;
    for (const { target } of this.#nodes.values()) {
      if (target === undefined) continue;
      if (!sizes.has(target)) sizes.set(target, sizeOfCopy(target));
      count += sizes.get(target) ?? 0;
    }
    return count;
  }
}

/** How many schemas a copy has; `undefined` when there is no copy, since it refers to others itself. */
function sizeOfCopy(node: SchemaNode): number | undefined {
  if (node.target !== undefined) return undefined;
  let size = 1;
  for (const child of [...node.parts, ...node.inPlace.map((at) => at.node)]) {
    const more = sizeOfCopy(child);
    if (more === undefined) return undefined;
    size += more;
  }
  return size;
}

/** How many schemas apply to a value that a schema applies to; infinite when it leads back to itself. */
function appliedCount(node: SchemaNode, known: Map<SchemaNode, number>): number {
  const before = known.get(node);
  if (before !== undefined) return before;
  known.set(node, Number.POSITIVE_INFINITY); // until it is known: who gets back here goes round
  let count = 1;
  for (const child of node.inPlace) count += appliedCount(child.node, known);
  if (node.target !== undefined) count += appliedCount(node.target, known);
  if (Number.isFinite(count)) count = Math.min(count, maxAppliedCount + 1);
  known.set(node, count);
  return count;
}
