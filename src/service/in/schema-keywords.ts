/**
 * The keywords of JSON Schema: which of them Claude Code applies, which are left out, and what to write instead of others.
 *
 * Claude Code checks answers by draft-07 in strict mode and gives the model no tool at all, without a word, for a schema
 * that it cannot take (measured; the test "is taken by the real CLI exactly as written here" measures it again). So
 * nothing that is not in these tables reaches it.
 */

/** What stands under a keyword: a schema, several of them, or a plain value. */
export type Content = "schema" | "list" | "map" | "items" | "dependencies" | "value";

export interface Keyword {
  readonly content: Content;
  /** Whether its schemas describe the same value as the schema that they stand in, not a part of it. */
  readonly isInPlace?: boolean;
  /** What is wrong with a plain value, in words; `undefined` when nothing is. */
  readonly problem?: (value: unknown) => string | undefined;
}

const types = ["object", "array", "string", "number", "integer", "boolean", "null"];

const must =
  (fits: (value: unknown) => boolean, what: string): Keyword["problem"] =>
  (value) =>
    fits(value) ? undefined : `must be ${what}`;

const isString = (value: unknown): boolean => typeof value === "string";
const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isType = (value: unknown): boolean => typeof value === "string" && types.includes(value);

const anyNumber: Keyword = { content: "value", problem: must((value) => typeof value === "number", "a number") };
const exclusive: Keyword = {
  content: "value",
  problem: (value) =>
    typeof value === "boolean"
      ? "must be a number: write the limit itself here, in place of `minimum` or `maximum`"
      : anyNumber.problem?.(value),
};
const count: Keyword = {
  content: "value",
  problem: must((value) => Number.isInteger(value) && (value as number) >= 0, "a whole number of at least 0"),
};

/** The keywords that Claude Code applies. */
export const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  [
    "type",
    {
      content: "value",
      problem: must(
        (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
        `one or more of ${types.join(", ")}`,
      ),
    },
  ],
  [
    "enum",
    {
      content: "value",
      problem: must((value) => Array.isArray(value) && value.length > 0, "a list of at least one value"),
    },
  ],
  ["const", { content: "value" }],
  [
    "multipleOf",
    { content: "value", problem: must((value) => typeof value === "number" && value > 0, "a number above 0") },
  ],
  ["minimum", anyNumber],
  ["maximum", anyNumber],
  ["exclusiveMinimum", exclusive],
  ["exclusiveMaximum", exclusive],
  ["minLength", count],
  ["maxLength", count],
  ["minItems", count],
  ["maxItems", count],
  ["minProperties", count],
  ["maxProperties", count],
  ["uniqueItems", { content: "value", problem: must(isBoolean, "true or false") }],
  ["pattern", { content: "value", problem: patternProblem }],
  ["format", { content: "value", problem: must(isString, "text") }],
  [
    "required",
    { content: "value", problem: must(isStrings, "a list of names: it belongs in the object, not in its property") },
  ],
  ["nullable", { content: "value", problem: must(isBoolean, "true or false") }],
  ["$ref", { content: "value", problem: must(isString, "text") }],
  ["properties", { content: "map" }],
  ["patternProperties", { content: "map" }],
  ["additionalProperties", { content: "schema" }],
  ["propertyNames", { content: "schema" }],
  ["items", { content: "items" }],
  ["additionalItems", { content: "schema" }],
  ["contains", { content: "schema" }],
  ["dependencies", { content: "dependencies", isInPlace: true }],
  ["allOf", { content: "list", isInPlace: true }],
  ["anyOf", { content: "list", isInPlace: true }],
  ["oneOf", { content: "list", isInPlace: true }],
  ["not", { content: "schema", isInPlace: true }],
  ["if", { content: "schema", isInPlace: true }],
  ["then", { content: "schema", isInPlace: true }],
  ["else", { content: "schema", isInPlace: true }],
  ["$defs", { content: "map" }],
  ["definitions", { content: "map" }],
]);

/** What explains a schema to its reader. Kept if it has this shape, else left out: the meaning stays either way. */
export const explanations: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ["title", isString],
  ["description", isString],
  ["$comment", isString],
  ["default", () => true],
  ["examples", (value: unknown) => Array.isArray(value)],
  ["deprecated", isBoolean],
  ["readOnly", isBoolean],
  ["writeOnly", isBoolean],
  ["contentMediaType", isString],
  ["contentEncoding", isString],
]);

const leftOut = new Set([
  "contentSchema",
  "discriminator",
  "enumDescriptions",
  "enumNames",
  "example",
  "externalDocs",
  "id",
  "markdownDescription",
  "propertyOrdering",
  "strict",
  "xml",
  "$vocabulary",
]);

/** Whether a keyword is for other programs and says nothing about the value. Claude Code does not know it. */
export function isLeftOut(keyword: string): boolean {
  return leftOut.has(keyword) || keyword.startsWith("x-");
}

const anchors = 'put the schema under `$defs` and refer to it by `"$ref": "#/$defs/<name>"`';

const insteadOf: ReadonlyMap<string, string> = new Map([
  ["prefixItems", "use an object with a property for each position, or `items` with one schema for all"],
  ["unevaluatedItems", "use `items` with one schema, and `maxItems`"],
  ["unevaluatedProperties", "use `additionalProperties`, and list all properties beside it"],
  ["dependentRequired", "write it as `dependencies`"],
  ["dependentSchemas", "write it as `dependencies`"],
  ["minContains", "use `contains` alone, or `minItems`"],
  ["maxContains", "use `contains` alone, or `maxItems`"],
  ["$anchor", anchors],
  ["$dynamicAnchor", anchors],
  ["$dynamicRef", anchors],
  ["$recursiveAnchor", anchors],
  ["$recursiveRef", anchors],
  ["$id", `it is allowed at the top only: ${anchors}`],
  ["$async", "leave it out"],
  ["components", anchors],
  ["formatMinimum", "use `pattern`"],
  ["formatMaximum", "use `pattern`"],
]);

/** What to write in the place of a keyword that is not applied. */
export function insteadOfKeyword(keyword: string): string {
  return (
    insteadOf.get(keyword) ??
    "check the spelling; annotations for other programs are left out if their names start with `x-`"
  );
}

const dialects = /^https?:\/\/json-schema\.org\/(draft-0[67]|draft\/2019-09|draft\/2020-12)\/schema#?$/;

/** Whether a `$schema` names a draft whose keywords mean what they mean here. */
export function isKnownDialect(value: unknown): boolean {
  return typeof value === "string" && dialects.test(value);
}

/** What is wrong with a regular expression, in words; `undefined` when nothing is. */
export function patternProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return "must be text";
  // The engine of Claude Code refuses some that this one takes.
  if (/\{(?:\d{10,}|\d+,\d{10,})/.test(value)) return "repeats something more than 999999999 times";
  try {
    new RegExp(value, "u");
    return undefined;
  } catch (error) {
    const [, why] = /: ([^:]*)$/.exec(error instanceof Error ? error.message : "") ?? [];
    return `is not a JavaScript regular expression in Unicode mode${why === undefined ? "" : ` (${why})`}`;
  }
}

/** How often a pattern names a set of code points by a property (`\p{…}`), at most. */
export function propertyEscapeCount(pattern: string): number {
  return pattern.match(/\\p\{/gi)?.length ?? 0;
}

// One way to match each class: with the ^ in front as an option of its own, each class would double the work.
const atom = String.raw`(?:\\[dDwWsS]|\\[^\w\s]|\[(?:[^\\\]]|\\[^\s])+\]|[^\\^$.*+?()[\]{}|]|\.)`;
const quantifier = String.raw`(?:[*+?]|\{\d+(?:,\d*)?\})`;
const plainPattern = new RegExp(`^\\^?(?:${atom}${quantifier}?)*\\$?$`);
const maxNameLength = 64;

/**
 * Whether one of the names may match the pattern. Looks only where that is sure to be cheap, since a pattern of a
 * caller's can take for ever: at names of up to 64 characters, and patterns without groups that hardly repeat.
 */
export function mayMatch(pattern: string, names: readonly string[]): boolean {
  if (names.length === 0) return false;
  const repeats =
    pattern.match(new RegExp(String.raw`\\.|${quantifier}`, "g"))?.filter((at) => !at.startsWith("\\")) ?? [];
  const steps = repeats.length + (pattern.startsWith("^") ? 0 : 1);
  if (!plainPattern.test(pattern) || steps > 2 || names.some(({ length }) => length > maxNameLength)) return true;
  const regex = new RegExp(pattern, "u");
  return names.some((name) => regex.test(name));
}
