import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkSchema,
  maxAlternativeCount,
  maxPropertyEscapeCount,
  maxSchemaCount,
  maxSchemaDepth,
} from "../../../src/service/in/schema.ts";
import { explanations, keywords } from "../../../src/service/in/schema-keywords.ts";
import { costGrowth } from "../cpu-cost.ts";
import { appliedCases, refusedCases } from "./schema-cases.ts";

const check = (schema: unknown) => checkSchema(JSON.stringify(schema));

/** The schema that is applied; fails when it is refused. */
function applied(schema: unknown): unknown {
  const checked = check(schema);
  if (checked.kind === "refused") throw new Error(checked.problems.join("; "));
  return JSON.parse(checked.json);
}

/** What is wrong with a schema; empty when nothing is. */
function problems(schema: unknown): readonly string[] {
  const checked = check(schema);
  return checked.kind === "refused" ? checked.problems : [];
}

/** Claude Code's own check, as it is set there: what it does not compile it drops without a word. */
const asClaudeCode = () => new Ajv({ allErrors: true, validateFormats: false, multipleOfPrecision: 6, logger: false });

describe("a schema that is applied", () => {
  test.each(appliedCases)("$what", (of) => {
    expect(applied(of.schema)).toEqual(of.applied ?? of.schema);
    expect(() => asClaudeCode().compile(applied(of.schema) as object)).not.toThrow();
  });

  test("is the same text for texts that differ in what is left out only, so that they share workers", () => {
    const one = { type: "object", "x-order": 1, properties: { a: { type: "string", example: "x" } } };
    const other = {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: { a: { type: "string" } },
    };
    expect(check(one)).toEqual(check(other));
  });
});

describe("a schema that is refused, in words", () => {
  test.each(refusedCases)("$what", (of) => {
    expect(problems(of.schema).join("\n")).toMatch(of.refused!);
  });

  test.each([
    ["text that is no JSON", "{", /^is not JSON: /],
    ["a list", "[]", /must be a JSON object/],
    ["true", "true", /must be a JSON object/],
    ["null", "null", /must be a JSON object/],
    ["a list as the answer", '{"type":"array"}', /must describe an object: write "type": "object" at the top/],
    ["anything as the answer", "{}", /must describe an object/],
    ["a property called __proto__", '{"type":"object","properties":{"__proto__":{"type":"string"}}}', /`__proto__`/],
    ["a keyword called __proto__", '{"type":"object","__proto__":{"type":"string"}}', /uses `__proto__`/],
    [
      "a number that JSON cannot say",
      '{"type":"object","properties":{"a":{"const":1e999}}}',
      /number that is too large/,
    ],
    [
      "a limit that JSON cannot say",
      '{"type":"object","properties":{"a":{"maximum":1e999}}}',
      /number that is too large/,
    ],
  ])("%s", (_what, text, words) => {
    const checked = checkSchema(text);
    expect(checked.kind === "refused" ? checked.problems.join("\n") : "").toMatch(words);
  });

  test.each(["constructor", "toString", "hasOwnProperty"])(
    "a property called %s, which would fail every answer or never be missed",
    (name) => {
      expect(problems({ type: "object", properties: { [name]: { type: "string" } } })[0]).toContain(`\`${name}\``);
      expect(problems({ type: "object", required: [name] })[0]).toContain(`\`${name}\``);
    },
  );

  test("with every problem at once, up to ten", () => {
    expect(problems({ type: "object", properties: { a: { prefixItems: [] }, b: { minLength: "1" } } })).toHaveLength(2);
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`p${at}`, { minContains: 1 }]));
    expect(problems({ type: "object", properties: many })).toHaveLength(10);
  });
});

function nested(levels: number, wrap: (inner: object) => object): object {
  return nestedIn({ type: "string" }, levels - 1, wrap);
}

function nestedIn(innermost: object, levels: number, wrap: (inner: object) => object): object {
  let schema = innermost;
  for (let level = 0; level < levels; level++) schema = wrap(schema);
  return schema;
}

const objectOf = (properties: object, more: object = {}) => ({ type: "object", properties, ...more });
const manyProperties = (count: number, schema: object) =>
  objectOf(Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, schema])));

describe("a schema has bounds", () => {
  test.each<[string, (inner: object) => object]>([
    ["items", (inner) => ({ items: inner })],
    ["not", (inner) => ({ not: inner })],
    ["properties", (inner) => ({ properties: { a: inner } })],
  ])("in depth, in words of its own: %s", (_what, wrap) => {
    const inside = (levels: number) => objectOf({ a: nested(levels, wrap) });
    expect(problems(inside(maxSchemaDepth - 1))).toEqual([]);
    for (const levels of [maxSchemaDepth, 600, 1_500]) {
      expect(problems(inside(levels))[0]).toMatch(/nests schemas more than 64 deep/);
    }
  });

  test("in the depth of values", () => {
    let value: unknown = 1;
    for (let level = 0; level < 3_000; level++) value = [value];
    expect(problems(objectOf({ a: { const: value } }))[0]).toMatch(/nested more than 64 deep/);
    expect(problems(objectOf({ a: { enum: [value] } }))[0]).toMatch(/nested more than 64 deep/);
    expect(applied({ type: "object", default: value })).toEqual({ type: "object" });
  });

  test("in size", () => {
    expect(problems(manyProperties(maxSchemaCount - 1, true as never))).toEqual([]);
    expect(problems(manyProperties(maxSchemaCount, true as never))[0]).toMatch(/more than 2000 schemas/);
    expect(problems(manyProperties(maxSchemaCount / 2, { pattern: "a" }))[0]).toMatch(
      /more than 2000 schemas and patterns/,
    );
    const alternatives = (count: number) =>
      objectOf({ a: { anyOf: Array.from({ length: count }, (_, at) => ({ const: at })) } });
    expect(problems(alternatives(maxAlternativeCount))).toEqual([]);
    expect(problems(alternatives(maxAlternativeCount + 1))[0]).toMatch(/257 schemas under `anyOf`.* at most 256/);
    expect(problems(objectOf({ a: { enum: Array.from({ length: 5_001 }, (_, at) => at) } }))[0]).toMatch(/5000 values/);
  });

  test("in sets of code points by a property, of which each takes the engine a while", () => {
    const patterns = (count: number) =>
      objectOf(Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, { pattern: `\\p{L}${at}` }])));
    expect(problems(patterns(maxPropertyEscapeCount))).toEqual([]);
    expect(problems(patterns(maxPropertyEscapeCount + 1))[0]).toMatch(/more than 100 property escapes/);
    expect(problems(objectOf({ a: { pattern: `[${"\\P{Lu}".repeat(101)}]` } }))[0]).toMatch(/more than 100 property/);
    expect(problems(manyProperties(900, { type: "string", pattern: "^[\\p{L}\\p{N}]+$" }))).toEqual([]);
  });

  test("in what references stand for, copies included", () => {
    const big = manyProperties(200, { type: "string" });
    const copies = (count: number) => ({
      type: "object",
      $defs: { big },
      allOf: Array.from({ length: count }, () => ({ $ref: "#/$defs/big" })),
    });
    expect(problems(copies(5))).toEqual([]);
    for (const count of [20, 100, 256])
      expect(problems(copies(count))[0]).toMatch(/counting what each `\$ref` stands for/);
  });

  test("in references that double at each step", () => {
    const doubling = (levels: number) => {
      const $defs: Record<string, object> = { d0: { type: "object", properties: { a: { $ref: "#/$defs/d0" } } } };
      for (let at = 1; at <= levels; at++)
        $defs[`d${at}`] = { allOf: [{ $ref: `#/$defs/d${at - 1}` }, { $ref: `#/$defs/d${at - 1}` }] };
      return { type: "object", $defs, allOf: [{ $ref: `#/$defs/d${levels}` }] };
    };
    expect(problems(doubling(8))).toEqual([]);
    for (const levels of [30, 300]) expect(problems(doubling(levels))[0]).toMatch(/multiply/);
  });

  test.each<[string, (size: number) => object]>([
    ["properties with patterns", (size) => manyProperties(size, { type: "string", pattern: "^a[b-d]+$" })],
    ["alternatives", (size) => objectOf({ a: { anyOf: Array.from({ length: size }, (_, at) => ({ const: at })) } })],
    ["values of an enum", (size) => objectOf({ a: { enum: Array.from({ length: size }, (_, at) => ({ at })) } })],
    ["required names", (size) => ({ type: "object", required: Array.from({ length: size }, () => "same") })],
    [
      "references",
      (size) => ({ ...manyProperties(size, { $ref: "#/$defs/a" }), $defs: { a: manyProperties(50, {}) } }),
    ],
    [
      "patterns beside properties",
      (size) => ({
        ...manyProperties(Math.round(Math.sqrt(size)), {}),
        patternProperties: Object.fromEntries(
          Array.from({ length: Math.round(Math.sqrt(size)) }, (_, at) => [`^[p-q]*[0-9]*x${at}$`, {}]),
        ),
      }),
    ],
    ["names behind one long name", (size) => objectOf({ ["a".repeat(40_000)]: manyProperties(size, {}) })],
    [
      "names behind many names",
      (size) =>
        objectOf({ a: nestedIn(manyProperties(size, {}), 60, (inner) => objectOf({ ["a".repeat(300)]: inner })) }),
    ],
    [
      "long names that differ at their end",
      (size) => objectOf(Object.fromEntries(Array.from({ length: 3 }, (_, at) => ["a".repeat(25 * size) + at, {}]))),
    ],
    [
      "negated classes",
      (size) => ({ ...objectOf({ a: {} }), patternProperties: { [`${"[^a]".repeat(size)}(b)`]: {} } }),
    ],
    ["levels", (size) => objectOf({ a: nested(size, (inner) => ({ items: inner })) })],
  ])("whose check grows no faster than its size: %s", (_what, ofSize) => {
    const [once, twice] = [400, 800].map((size) => JSON.stringify(ofSize(size)));
    const work = (text: string | undefined) => () => void checkSchema(text!);
    expect(costGrowth(work(once), work(twice))).toBeLessThan(3);
  });
});

// Schemas of every keyword there is, good and bad, and of some that there are not.
const name = fc.constantFrom("a", "b", "abc", "x-y", "constructor");
const small = fc.oneof(
  fc.integer({ min: -2, max: 5 }),
  fc.constantFrom("a", "abc", "", "x"),
  fc.boolean(),
  fc.constant(null),
);
const values = fc.oneof(small, fc.array(small, { maxLength: 3 }), fc.dictionary(name, small, { maxKeys: 2 }));
const types = fc.constantFrom("object", "array", "string", "number", "integer", "boolean", "null");
const { schema: anySchema } = fc.letrec((tie) => {
  const schema = tie("schema");
  const map = fc.dictionary(name, schema, { maxKeys: 3 });
  const list = fc.array(schema, { minLength: 1, maxLength: 2 });
  const refs = fc.constantFrom("#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/definitions/a", "#/allOf/0", "x");
  const member = fc.oneof(
    { weight: 8, arbitrary: types.map((type) => ({ type })) },
    fc.array(types, { minLength: 1, maxLength: 3 }).map((type) => ({ type })),
    fc.array(values, { minLength: 1, maxLength: 4 }).map((list) => ({ enum: list })),
    values.map((value) => ({ const: value })),
    fc
      .tuple(
        fc.constantFrom(
          "minimum",
          "maximum",
          "exclusiveMinimum",
          "minLength",
          "maxLength",
          "minItems",
          "maxProperties",
          "multipleOf",
        ),
        fc.integer({ min: -1, max: 4 }),
      )
      .map(([keyword, limit]) => ({ [keyword]: limit })),
    fc.constantFrom("^a", "^[a-c]+$", "b$", "(a|b)").map((pattern) => ({ pattern })),
    fc.constantFrom({ uniqueItems: true }, { nullable: true }, { nullable: false }, { format: "date" }),
    fc.array(name, { maxLength: 3 }).map((required) => ({ required })),
    { weight: 4, arbitrary: map.map((properties) => ({ properties })) },
    fc
      .dictionary(fc.constantFrom("^x-", "^a", "b$", "(a|b)"), schema, { maxKeys: 2 })
      .map((patternProperties) => ({ patternProperties })),
    map.map((dependencies) => ({ dependencies })),
    { weight: 2, arbitrary: map.map(($defs) => ({ $defs })) },
    map.map((definitions) => ({ definitions })),
    list.map((items) => ({ items })),
    fc
      .tuple(
        fc.constantFrom(
          "items",
          "additionalItems",
          "additionalProperties",
          "propertyNames",
          "contains",
          "not",
          "if",
          "then",
          "else",
        ),
        schema,
      )
      .map(([keyword, inner]) => ({ [keyword]: inner })),
    fc.tuple(fc.constantFrom("allOf", "anyOf", "oneOf"), list).map(([keyword, inner]) => ({ [keyword]: inner })),
    { weight: 3, arbitrary: refs.map(($ref) => ({ $ref })) },
    fc
      .tuple(
        fc.constantFrom("title", "default", "examples", "x-a", "example", "$comment", "readOnly", "deprecated"),
        values,
      )
      .map(([keyword, value]) => ({ [keyword]: value })),
    fc.constantFrom(
      { minContains: 1 },
      { $anchor: "a" },
      { foo: 1 },
      { $schema: "http://json-schema.org/draft-07/schema#" },
    ),
  );
  return {
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.boolean(),
      fc.array(member, { maxLength: 4 }).map((members) => Object.assign({}, ...members) as object),
    ),
  };
});

describe("whatever schema is sent", () => {
  const root = anySchema.map((schema) => (typeof schema === "object" ? { ...schema, type: "object" } : schema));

  test("what is applied is taken by Claude Code, and has only keywords that it knows", () => {
    let appliedCount = 0;
    fc.assert(
      fc.property(root, (schema) => {
        const checked = check(schema);
        if (checked.kind === "refused") {
          expect(checked.problems.length).toBeGreaterThan(0);
          return;
        }
        appliedCount += 1;
        const ajv = asClaudeCode();
        const taken = JSON.parse(checked.json) as object;
        expect(ajv.validateSchema(taken)).toBe(true);
        ajv.compile(taken);
        expect(unknownKeywords(taken)).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(appliedCount).toBeGreaterThan(30);
  });

  test("what is applied means what was sent", () => {
    fc.assert(
      fc.property(
        root,
        fc.array(fc.dictionary(name, values, { maxKeys: 3 }), { minLength: 8, maxLength: 8 }),
        (schema, answers) => {
          const checked = check(schema);
          if (checked.kind === "refused") return;
          const sent = new Ajv({ strict: false, validateFormats: false, validateSchema: false, logger: false }).compile(
            forAjv(schema),
          );
          const taken = asClaudeCode().compile(JSON.parse(checked.json));
          for (const made of answers) {
            // As an answer comes: an object that JSON makes has a prototype, which this validator's comparison needs.
            const answer = JSON.parse(JSON.stringify(made)) as unknown;
            expect(taken(answer)).toBe(sent(answer));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** `id` and a wrong `nullable` stop this validator even where it is not strict. */
function forAjv(schema: unknown): object {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === "$schema" || (key === "nullable" && value === false) ? undefined : value,
  );
}

function unknownKeywords(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const rule = keywords.get(keyword);
    if (rule === undefined) return explanations.has(keyword) ? [] : [keyword];
    if (rule.content === "value") return [];
    if (rule.content === "map" || rule.content === "dependencies") return Object.values(value).flatMap(unknownKeywords);
    return Array.isArray(value) ? value.flatMap(unknownKeywords) : unknownKeywords(value);
  });
}

test("a schema of draft 2020-12 whose keywords are all applied means the same there", () => {
  const sent = {
    type: "object",
    properties: { a: { type: ["string", "null"], enum: ["x", null] } },
    required: ["a"],
    additionalProperties: false,
  };
  const there = new Ajv2020({ strict: false }).compile(sent);
  const here = asClaudeCode().compile(applied(sent) as object);
  for (const answer of [{ a: "x" }, { a: null }, { a: "y" }, {}, { a: "x", b: 1 }])
    expect(here(answer)).toBe(there(answer));
});
