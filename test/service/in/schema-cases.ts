/**
 * Schemas with what becomes of them: applied as they are, applied as another text, or refused with words. Used against the
 * service's check alone, and once against the real CLI.
 */

export interface SchemaCase {
  readonly what: string;
  readonly schema: unknown;
  /** What is applied, where it differs. */
  readonly applied?: unknown;
  /** What a refusal says. */
  readonly refused?: RegExp;
}

const withProperty = (a: unknown) => ({ type: "object", properties: { a } });

const node = { type: "object", properties: { kids: { type: "array", items: { $ref: "#/$defs/Node" } } } };

/** Applied, as they are or changed. */
export const appliedCases: readonly SchemaCase[] = [
  { what: "a plain object", schema: withProperty({ type: "number" }) },
  {
    what: "the `$schema` line of zod 4",
    schema: { $schema: "https://json-schema.org/draft/2020-12/schema", ...withProperty({ type: "string" }) },
    applied: withProperty({ type: "string" }),
  },
  {
    what: "the `$schema` line of draft-07",
    schema: { $schema: "http://json-schema.org/draft-07/schema#", type: "object" },
    applied: { type: "object" },
  },
  ...["x-order", "example", "xml", "discriminator", "propertyOrdering", "strict", "id", "contentSchema"].map(
    (keyword) => ({
      what: `a \`${keyword}\`, which explains`,
      schema: { [keyword]: "v", ...withProperty({ type: "string", [keyword]: "v" }) },
      applied: withProperty({ type: "string" }),
    }),
  ),
  {
    what: "explanations of the wrong shape",
    schema: { type: "object", title: 7, description: null, examples: { a: 1 } },
    applied: { type: "object" },
  },
  {
    what: "explanations",
    schema: withProperty({
      title: "t",
      description: "d",
      $comment: "c",
      default: 1,
      examples: [1],
      deprecated: true,
      readOnly: true,
      writeOnly: true,
      contentMediaType: "text/plain",
      contentEncoding: "base64",
    }),
  },
  {
    what: "the recursive root of Pydantic",
    schema: { $defs: { Node: node }, $ref: "#/$defs/Node" },
    applied: { type: "object", $defs: { Node: node }, $ref: "#/$defs/Node" },
  },
  {
    what: "a root of objects only",
    schema: { anyOf: [withProperty({ const: 1 }), withProperty({ const: 2 })] },
    applied: { type: "object", anyOf: [withProperty({ const: 1 }), withProperty({ const: 2 })] },
  },
  {
    what: "a root that refers to itself in a property",
    schema: { type: "object", properties: { next: { anyOf: [{ $ref: "#" }, { type: "null" }] } } },
  },
  {
    what: "doubled values, names and types",
    schema: {
      type: "object",
      properties: { a: { enum: ["x", "x", { a: 1, b: 2 }, { b: 2, a: 1 }], type: ["string", "object", "string"] } },
      required: ["a", "a"],
    },
    applied: {
      type: "object",
      properties: { a: { enum: ["x", { b: 2, a: 1 }], type: ["string", "object"] } },
      required: ["a"],
    },
  },
  {
    what: "the `nullable` of OpenAPI",
    schema: withProperty({ type: "string", nullable: true }),
    applied: withProperty({ type: ["string", "null"] }),
  },
  {
    what: "keywords that say nothing alone",
    schema: withProperty({ if: { type: "string" }, items: { type: "string" }, additionalItems: false }),
    applied: withProperty({ items: { type: "string" } }),
  },
  {
    what: "if, then, else",
    schema: withProperty(JSON.parse('{"if":{"type":"string"},"then":{"minLength":1},"else":false}')),
  },
  {
    what: "a tuple of draft-07",
    schema: withProperty({ type: "array", items: [{ type: "string" }], additionalItems: false }),
  },
  { what: "dependencies", schema: { type: "object", dependencies: { a: ["b"], c: { required: ["d"] } } } },
  { what: "any format", schema: withProperty({ type: "string", format: "no-such-format" }) },
  { what: "true and false as schemas", schema: { type: "object", properties: { a: true, b: false } } },
  {
    what: "references by encoded names",
    schema: {
      type: "object",
      $defs: { "a b/c~%": { type: "string" } },
      properties: { a: { $ref: "#/$defs/a%20b~1c~0%25" } },
    },
  },
  {
    what: "a reference into a list",
    schema: { type: "object", allOf: [{ type: "object" }], properties: { a: { $ref: "#/allOf/0" } } },
  },
  {
    what: "patterns that match no named property",
    schema: {
      type: "object",
      properties: { name: { type: "string" } },
      patternProperties: { "^x-": { type: "string" }, "^[0-9]+$": { type: "string" } },
    },
  },
  { what: "a pattern with modifiers", schema: withProperty({ type: "string", pattern: "^(?i:a)\\p{L}$" }) },
  {
    what: "names of the members of lists",
    schema: withProperty({ type: "object", properties: { length: { type: "number" } } }),
  },
];

/** Refused. */
export const refusedCases: readonly SchemaCase[] = [
  ...[
    "prefixItems",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
    "minContains",
    "$anchor",
    "$dynamicRef",
    "$async",
    "propertise",
  ].map((keyword) => ({
    what: `\`${keyword}\``,
    schema: withProperty({ [keyword]: {} }),
    refused: new RegExp(`uses \`${keyword.replace("$", "\\$")}\` \\(at #/properties/a\\), which is not applied: `),
  })),
  {
    what: "a `$schema` of a stranger",
    schema: { $schema: "http://127.0.0.1/2020-12", type: "object" },
    refused: /\$schema/,
  },
  {
    what: "a reference to another file",
    schema: withProperty({ $ref: "file:///etc/passwd" }),
    refused: /outside the schema/,
  },
  {
    what: "a reference to nowhere",
    schema: withProperty({ $ref: "#/$defs/none" }),
    refused: /does not lead to a schema/,
  },
  {
    what: "a reference to what is no schema",
    schema: withProperty({ $ref: "#/properties" }),
    refused: /does not lead to a schema/,
  },
  { what: "a reference that is badly encoded", schema: withProperty({ $ref: "#/%" }), refused: /percent-encoded/ },
  { what: "a reference to itself", schema: { type: "object", $ref: "#" }, refused: /leads back to itself/ },
  {
    what: "a loop of references",
    schema: {
      type: "object",
      $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { not: { $ref: "#/$defs/a" } } },
      properties: { a: { $ref: "#/$defs/a" } },
    },
    refused: /leads back to itself/,
  },
  { what: "an `$id` inside", schema: withProperty({ $id: "x" }), refused: /uses `\$id`/ },
  { what: "`nullable` without a type", schema: withProperty({ nullable: true }), refused: /`nullable` without `type`/ },
  {
    what: "an empty enum",
    schema: withProperty({ enum: [] }),
    refused: /`enum` .* must be a list of at least one value/,
  },
  {
    what: "a type that there is not",
    schema: withProperty({ type: "float" }),
    refused: /`type` \(at #\/properties\/a\) must be one or more of object, /,
  },
  {
    what: "the exclusiveMinimum of OpenAPI 3.0",
    schema: withProperty({ exclusiveMinimum: true }),
    refused: /must be a number: write the limit/,
  },
  { what: "a required that is no list", schema: withProperty({ required: true }), refused: /belongs in the object/ },
  {
    what: "a pattern of Python",
    schema: withProperty({ pattern: "(?P<a>x)" }),
    refused: /is not a JavaScript regular expression/,
  },
  {
    what: "a pattern that repeats too often",
    schema: withProperty({ pattern: "a{18446744073709551616}" }),
    refused: /repeats something/,
  },
  {
    what: "a pattern that matches a named property",
    schema: {
      type: "object",
      properties: { abc: { type: "string" } },
      patternProperties: { "^a": { type: "string" } },
    },
    refused: /may match a name under `properties`/,
  },
  { what: "a length below 0", schema: withProperty({ minLength: -1 }), refused: /whole number of at least 0/ },
  { what: "an empty allOf", schema: { type: "object", allOf: [] }, refused: /at least one schema under `allOf`/ },
];
