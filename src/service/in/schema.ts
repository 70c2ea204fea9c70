/**
 * A caller's JSON Schema as the one that Claude Code applies, or what is wrong with it, in words.
 *
 * Nothing is compiled: one walk over the parsed text, with bounds, copies what Claude Code applies and leaves out what
 * only explains. What references do to its size is in `schema-references.ts`, the keywords are in `schema-keywords.ts`.
 */
import {
  explanations,
  insteadOfKeyword,
  isKnownDialect,
  isLeftOut,
  keywords,
  mayMatch,
  patternProblem,
  propertyEscapeCount,
} from "./schema-keywords.ts";
import { type Place, short } from "./schema-places.ts";
import { type SchemaNode, SchemaTree } from "./schema-references.ts";

/** How deep schemas may be nested, and the values in them. */
export const maxSchemaDepth = 64;
/** Schemas within a schema, itself and patterns included; a reference counts as what it stands for. */
export const maxSchemaCount = 2_000;
/** Schemas in one `anyOf`, `oneOf` or `allOf`: Claude Code takes seconds for more. */
export const maxAlternativeCount = 256;
/** Values in all `enum`s together. */
export const maxEnumValueCount = 5_000;
/** `\p{…}` in all patterns together, each pattern once: the engine makes a set of code points for each, in 0.1 ms. */
export const maxPropertyEscapeCount = 100;
/** Names under `properties`, times the patterns beside them. */
const maxPatternChecks = 2_000;
/** Problems that are told at once. */
const maxProblems = 10;

export type CheckedSchema =
  | { readonly kind: "applied"; readonly json: string }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

type JsonObject = Record<string, unknown>;

/** Checks the text of a schema. */
export function checkSchema(text: string): CheckedSchema {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return refused(`is not JSON: ${error instanceof Error ? error.message : "it cannot be parsed"}`);
  }
  if (!isObject(parsed)) return refused('must be a JSON object, such as {"type": "object", "properties": {…}}');
  const walk = new Walk();
  try {
    const root = walk.root(parsed);
    return { kind: "applied", json: JSON.stringify(root) };
  } catch (error) {
    if (error !== walk.stopped) throw error;
    return refused(...walk.problems);
  }
}

function refused(...problems: readonly string[]): CheckedSchema {
  return { kind: "refused", problems };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One look at one schema. */
class Walk {
  readonly problems: string[] = [];
  /** Thrown when there is nothing more to say. */
  readonly stopped = new Error("the schema is refused");
  readonly #tree = new SchemaTree(maxSchemaCount);
  readonly #patternProblems = new Map<string, string | undefined>();
  #enumValueCount = 0;
  #propertyEscapeCount = 0;

  /** The schema to apply. Throws `stopped` when it is refused. */
  root(schema: JsonObject): JsonObject {
    const { $id: _id, ...members } = schema;
    const { node, applied } = this.#schema(members, this.#tree.root, 1);
    this.#refuseIfAny();
    for (const problem of this.#tree.problems()) this.#problem(problem);
    this.#refuseIfAny();
    const root = applied as JsonObject;
    if (root.type === "object") return root;
    if (root.type === undefined && this.#tree.describesObject(node)) return { type: "object", ...root };
    this.#problem(
      'must describe an object: write "type": "object" at the top, and put anything else into one of its properties',
    );
    throw this.stopped;
  }

  #problem(text: string): void {
    this.problems.push(text);
    if (this.problems.length >= maxProblems) throw this.stopped;
  }

  /** A problem after which looking further makes no sense. */
  #fatal(text: string): never {
    this.problems.push(text);
    throw this.stopped;
  }

  #refuseIfAny(): void {
    if (this.problems.length > 0) throw this.stopped;
  }

  #schema(schema: unknown, place: Place, depth: number): { readonly node: SchemaNode; readonly applied: unknown } {
    if (depth > maxSchemaDepth) this.#fatal(`nests schemas more than ${maxSchemaDepth} deep (at ${place.path})`);
    const node = this.#tree.add(place);
    if (node === undefined) this.#fatal(`has more than ${maxSchemaCount} schemas in it`);
    if (typeof schema === "boolean") return { node, applied: schema };
    if (!isObject(schema)) {
      this.#problem(`must have a schema at ${place.path}, which is an object, true or false`);
      return { node, applied: true };
    }
    const applied: JsonObject = {};
    for (const [keyword, value] of Object.entries(this.#meaning(schema, place))) {
      const rule = keywords.get(keyword);
      if (rule === undefined) {
        if (explanations.get(keyword)?.(value) && isPlain(value)) applied[keyword] = value;
        continue;
      }
      const content = { keyword, value, at: place, depth, node };
      switch (rule.content) {
        case "schema":
          applied[keyword] = this.#child(content, value, place.enter(keyword));
          break;
        case "list":
          applied[keyword] = this.#list(content, maxAlternativeCount);
          break;
        case "items":
          applied[keyword] = Array.isArray(value)
            ? this.#list(content, maxSchemaCount)
            : this.#child(content, value, place.enter(keyword));
          break;
        case "map":
        case "dependencies":
          applied[keyword] = this.#map(content);
          break;
        case "value":
          applied[keyword] = this.#value(content);
          break;
        default:
          rule.content satisfies never;
      }
    }
    if (typeof applied.$ref === "string") node.ref = applied.$ref;
    if (typeof applied.type === "string") node.type = applied.type;
    this.#checkPatterns(applied, place);
    return { node, applied };
  }

  /** The keywords of a schema that say something, as Claude Code wants them. Names those that it would not apply. */
  #meaning(schema: JsonObject, place: Place): JsonObject {
    const members: JsonObject = {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === "$schema") {
        if (!isKnownDialect(value)) this.#problem("has a `$schema` that is neither draft-07 nor 2020-12");
      } else if (keywords.has(keyword) || explanations.has(keyword)) members[keyword] = value;
      else if (!isLeftOut(keyword)) {
        this.#problem(
          `uses \`${short(keyword)}\` (at ${place.path}), which is not applied: ${insteadOfKeyword(keyword)}`,
        );
      }
    }
    // By their definition these say nothing without the other; Claude Code does not take them alone.
    if (!Array.isArray(members.items)) delete members.additionalItems;
    if (members.then === undefined && members.else === undefined) delete members.if;
    if (members.if === undefined) {
      delete members.then;
      delete members.else;
    }
    if (typeof members.nullable === "boolean") this.#resolveNullable(members, place);
    return members;
  }

  /** `nullable` as the type that it means. */
  #resolveNullable(members: JsonObject, place: Place): void {
    const { type, nullable } = members;
    if (typeof type !== "string" && !Array.isArray(type)) {
      if (nullable)
        this.#problem(`uses \`nullable\` without \`type\` (at ${place.path}): use \`anyOf\` with {"type": "null"}`);
    } else if (nullable) members.type = [type, "null"].flat();
    delete members.nullable;
  }

  #child(parent: Held, schema: unknown, place: Place): unknown {
    const { node, applied } = this.#schema(schema, place, parent.depth + 1);
    this.#tree.connect(parent.node, node, keywords.get(parent.keyword)?.isInPlace ? parent.keyword : undefined);
    return applied;
  }

  #list(held: Held, mostCount: number): unknown {
    const { keyword, value, at } = held;
    if (!Array.isArray(value) || value.length === 0) {
      this.#problem(`must have a list of at least one schema under \`${keyword}\` (at ${at.path})`);
      return value;
    }
    if (value.length > mostCount) {
      this.#fatal(`has ${value.length} schemas under \`${keyword}\` (at ${at.path}); it may have at most ${mostCount}`);
    }
    const inside = at.enter(keyword);
    return value.map((schema, index) => this.#child(held, schema, inside.enter(String(index))));
  }

  #map(held: Held): unknown {
    const { keyword, value, at } = held;
    if (!isObject(value)) {
      this.#problem(`must have an object of schemas under \`${keyword}\` (at ${at.path})`);
      return value;
    }
    const applied: JsonObject = {};
    const inside = at.enter(keyword);
    for (const [name, schema] of Object.entries(value)) {
      if (isInherited(name)) this.#inherited(name, at);
      else if (keyword === "dependencies" && Array.isArray(schema)) applied[name] = this.#names(schema, held);
      else applied[name] = this.#child(held, schema, inside.enter(name));
    }
    return applied;
  }

  #names(names: readonly unknown[], { keyword, at }: Held): readonly unknown[] {
    const problem = keywords.get("required")?.problem?.(names);
    if (problem !== undefined) this.#problem(`must have names under \`${keyword}\` (at ${at.path})`);
    for (const name of names) if (typeof name === "string" && isInherited(name)) this.#inherited(name, at);
    return [...new Set(names)];
  }

  /** What every object of JavaScript has is there for Claude Code in every answer. */
  #inherited(name: string, at: Place): void {
    this.#problem(`names a property \`${name}\` (at ${at.path}), which Claude Code cannot check: choose another name`);
  }

  #value(held: Held): unknown {
    const { keyword, value, at } = held;
    const problem =
      keyword === "pattern" && typeof value === "string"
        ? this.#patternProblem(value)
        : keywords.get(keyword)?.problem?.(value);
    if (problem !== undefined) {
      this.#problem(`\`${keyword}\` (at ${at.path}) ${problem}`);
      return value;
    }
    if (!isPlain(value)) {
      this.#problem(
        `\`${keyword}\` (at ${at.path}) has a value that is nested more than ${maxSchemaDepth} deep, or a number that is too large`,
      );
      return value;
    }
    if (keyword === "pattern") this.#count(1);
    if (keyword === "required") return this.#names(value as readonly unknown[], held);
    if (keyword === "type" && Array.isArray(value)) return [...new Set(value)];
    if (keyword === "enum") return this.#enumValues(value as readonly unknown[]);
    return value;
  }

  /** Each value once, as the draft wants it. */
  #enumValues(values: readonly unknown[]): readonly unknown[] {
    this.#enumValueCount += values.length;
    if (this.#enumValueCount > maxEnumValueCount) {
      this.#fatal(
        `has more than ${maxEnumValueCount} values under \`enum\`: use a \`pattern\`, or check them yourself`,
      );
    }
    return [...new Map(values.map((value) => [canonical(value), value])).values()];
  }

  #checkPatterns(schema: JsonObject, place: Place): void {
    const { patternProperties, properties } = schema;
    if (!isObject(patternProperties)) return;
    const names = isObject(properties) ? Object.keys(properties) : [];
    const patterns = Object.keys(patternProperties);
    this.#count(patterns.length);
    if (names.length * patterns.length > maxPatternChecks) {
      this.#fatal(`has too many patterns (${patterns.length}) for ${names.length} properties (at ${place.path})`);
    }
    for (const pattern of patterns) {
      const problem = this.#patternProblem(pattern);
      if (problem !== undefined) {
        this.#problem(`has the pattern ${short(pattern)} (at ${place.path}/patternProperties), which ${problem}`);
      } else if (mayMatch(pattern, names)) {
        this.#problem(
          `has the pattern ${short(pattern)} (at ${place.path}/patternProperties), which may match a name under \`properties\`: ` +
            "Claude Code accepts only patterns that match none of them",
        );
      }
    }
  }

  /** What is wrong with a pattern; each is tried once. */
  #patternProblem(pattern: string): string | undefined {
    if (this.#patternProblems.has(pattern)) return this.#patternProblems.get(pattern);
    this.#propertyEscapeCount += propertyEscapeCount(pattern);
    if (this.#propertyEscapeCount > maxPropertyEscapeCount) {
      this.#fatal(`has more than ${maxPropertyEscapeCount} property escapes such as \`\\p{L}\` in its patterns`);
    }
    const problem = patternProblem(pattern);
    this.#patternProblems.set(pattern, problem);
    return problem;
  }

  #count(more: number): void {
    if (!this.#tree.count(more)) this.#fatal(`has more than ${maxSchemaCount} schemas and patterns in it`);
  }
}

/** A keyword with what stands under it. */
interface Held {
  readonly keyword: string;
  readonly value: unknown;
  /** The place of the schema that the keyword stands in. */
  readonly at: Place;
  readonly depth: number;
  readonly node: SchemaNode;
}

function isInherited(name: string): boolean {
  return name in Object.prototype;
}

/** Whether a value can be written as JSON as it is: not too deep, no number beyond what JSON can say. */
function isPlain(value: unknown, depth = 1): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return depth <= maxSchemaDepth && Object.values(value).every((member) => isPlain(member, depth + 1));
}

/** The same text for values that JSON Schema takes for equal. */
function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join()}}`;
}
