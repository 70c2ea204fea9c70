/**
 * Whether a parsed JSON value is a message of its type, with a path to each place where it is not.
 *
 * Strict where protobuf's JSON is lenient: an unknown field or enum value is a mistake, not something to skip, since a
 * misspelt limit would silently be none. Well-known types keep their own JSON. Decides only; decoding is protobuf-es'.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Registry,
  ScalarType,
} from "@bufbuild/protobuf";
import {
  BoolValueSchema,
  DoubleValueSchema,
  FloatValueSchema,
  Int32ValueSchema,
  Int64ValueSchema,
  StringValueSchema,
  UInt32ValueSchema,
  UInt64ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { didYouMean, nearest } from "../../config/suggest.ts";
import type { Violation } from "../../runner-error.ts";
import { memberPath } from "./json-scan.ts";

export interface JsonCheckOptions {
  readonly allowUnknownFields: boolean;
  /** What an Any can hold. */
  readonly registry: Registry;
  readonly maxViolations: number;
}

/** Every place where the value is no message of this type, up to a bound. */
export function checkJson(desc: DescMessage, json: JsonValue, options: JsonCheckOptions): Violation[] {
  const check = new JsonCheck(options);
  check.message(desc, json, "");
  return check.violations;
}

/** A wrapper's JSON is that of its scalar: it says what protobuf takes for one. */
const wrapperOf: Partial<Record<ScalarType, { readonly desc: DescMessage; readonly words: string }>> = {
  [ScalarType.BOOL]: { desc: BoolValueSchema, words: "true or false" },
  [ScalarType.STRING]: { desc: StringValueSchema, words: "a string" },
  [ScalarType.DOUBLE]: { desc: DoubleValueSchema, words: "a number" },
  [ScalarType.FLOAT]: { desc: FloatValueSchema, words: "a number" },
  [ScalarType.INT32]: { desc: Int32ValueSchema, words: "a whole number of 32 bits" },
  [ScalarType.SINT32]: { desc: Int32ValueSchema, words: "a whole number of 32 bits" },
  [ScalarType.SFIXED32]: { desc: Int32ValueSchema, words: "a whole number of 32 bits" },
  [ScalarType.UINT32]: { desc: UInt32ValueSchema, words: "a whole number of 32 bits, not negative" },
  [ScalarType.FIXED32]: { desc: UInt32ValueSchema, words: "a whole number of 32 bits, not negative" },
  [ScalarType.INT64]: { desc: Int64ValueSchema, words: "a whole number of 64 bits, or a string of one" },
  [ScalarType.SINT64]: { desc: Int64ValueSchema, words: "a whole number of 64 bits, or a string of one" },
  [ScalarType.SFIXED64]: { desc: Int64ValueSchema, words: "a whole number of 64 bits, or a string of one" },
  [ScalarType.UINT64]: {
    desc: UInt64ValueSchema,
    words: "a whole number of 64 bits, not negative, or a string of one",
  },
  [ScalarType.FIXED64]: {
    desc: UInt64ValueSchema,
    words: "a whole number of 64 bits, not negative, or a string of one",
  },
};

/** Types with JSON of their own, and how to describe it where a person may type it. */
const wellKnown: Readonly<Record<string, string>> = {
  "google.protobuf.Any": 'an object with "@type"',
  "google.protobuf.Duration": 'a string of seconds such as "1.5s"',
  "google.protobuf.Timestamp": 'a string such as "2026-01-31T12:00:00Z"',
  "google.protobuf.FieldMask": "a string of paths",
  "google.protobuf.Struct": "an object",
  "google.protobuf.ListValue": "a list",
  "google.protobuf.Value": "a JSON value",
  "google.protobuf.BoolValue": "true or false",
  "google.protobuf.StringValue": "a string",
  "google.protobuf.BytesValue": "base64 text",
  "google.protobuf.DoubleValue": "a number",
  "google.protobuf.FloatValue": "a number",
  "google.protobuf.Int32Value": "a whole number of 32 bits",
  "google.protobuf.UInt32Value": "a whole number of 32 bits, not negative",
  "google.protobuf.Int64Value": "a whole number of 64 bits, or a string of one",
  "google.protobuf.UInt64Value": "a whole number of 64 bits, not negative, or a string of one",
};

/** How many violations get a "did you mean". */
const maxHints = 20;

class JsonCheck {
  readonly violations: Violation[] = [];
  readonly #options: JsonCheckOptions;

  constructor(options: JsonCheckOptions) {
    this.#options = options;
  }

  message(desc: DescMessage, json: JsonValue, path: string): void {
    const words = wellKnown[desc.typeName];
    if (words !== undefined) this.#readable(desc, json, path, words);
    else if (isObject(json)) this.#members(desc, json, path);
    else this.#broken(path, `must be an object; it is ${kindOf(json)}`);
  }

  #members(desc: DescMessage, json: { readonly [key: string]: JsonValue }, path: string): void {
    const given = new Map<DescField, string>();
    const inOneof = new Map<string, string>();
    for (const [key, value] of Object.entries(json)) {
      if (this.#isFull) return;
      const at = memberPath(path, key);
      const field = fieldsOf(desc).get(key);
      if (field === undefined) {
        if (!this.#options.allowUnknownFields) this.#unknown(desc, key, at);
        continue;
      }
      const other = given.get(field);
      if (other !== undefined) {
        this.#broken(at, `is the same field as \`${other}\`: only one of the two may be given`);
        continue;
      }
      given.set(field, key);
      const isSingle = field.fieldKind !== "list" && field.fieldKind !== "map";
      if (value === null && !(isSingle && isNullable(field))) continue; // as if it were not given
      if (field.oneof !== undefined) {
        const first = inOneof.get(field.oneof.name);
        if (first !== undefined) this.#broken(at, `excludes \`${first}\`: only one of the two may be given`);
        inOneof.set(field.oneof.name, key);
      }
      this.#field(field, value, at);
    }
  }

  #unknown(desc: DescMessage, key: string, at: string): void {
    // Looking for what was meant costs more than all else, and helps with a few names only.
    const hint = this.violations.length < maxHints ? meant(desc, key) : "";
    this.#broken(at, `is an unknown field${hint}`);
  }

  #field(field: DescField, json: JsonValue, path: string): void {
    if (field.fieldKind === "list") {
      if (Array.isArray(json)) this.#elements(field, json.entries(), (at) => memberPath(path, at));
      else this.#broken(path, `must be a list; it is ${kindOf(json)}`);
    } else if (field.fieldKind === "map") {
      if (isObject(json)) this.#elements(field, Object.entries(json), (key) => `${path}[${JSON.stringify(clip(key))}]`);
      else this.#broken(path, `must be an object; it is ${kindOf(json)}`);
    } else {
      this.#single(field, json, path);
    }
  }

  #elements<At>(field: DescField, elements: Iterable<[At, JsonValue]>, pathOf: (at: At) => string): void {
    for (const [at, element] of elements) {
      if (this.#isFull) return;
      if (element === null && !isNullable(field)) this.#broken(pathOf(at), "must not be null");
      else this.#single(field, element, pathOf(at));
    }
  }

  /** One value of a field, of its list or of its map. */
  #single(field: DescField, json: JsonValue, path: string): void {
    if (field.message !== undefined) this.message(field.message, json, path);
    else if (field.enum !== undefined) this.#enum(field.enum, json, path);
    else this.#scalar(field.scalar!, json, path);
  }

  #scalar(scalar: ScalarType, json: JsonValue, path: string): void {
    if (scalar === ScalarType.BYTES) {
      // Looked at in place: a wrapper would decode megabytes for nothing.
      if (typeof json !== "string") this.#broken(path, `must be base64 text; it is ${kindOf(json)}`);
      else if (!isBase64(json)) this.#broken(path, "is not base64 text");
      return;
    }
    if (scalar === ScalarType.STRING && typeof json === "string") return;
    const { desc, words } = wrapperOf[scalar]!;
    this.#readable(desc, json, path, words);
  }

  #enum(desc: DescEnum, json: JsonValue, path: string): void {
    if (desc.typeName === "google.protobuf.NullValue" && json === null) return;
    const isKnown =
      typeof json === "number" ? desc.value[json] !== undefined : desc.values.some(({ name }) => name === json);
    if (isKnown) return;
    const names = desc.values.filter(({ number }) => number !== 0).map(({ name }) => name);
    const listed = names.length <= 16 ? names.join(", ") : `${names.slice(0, 16).join(", ")}, …`;
    const shown =
      typeof json === "string" ? JSON.stringify(clip(json)) : typeof json === "number" ? json : kindOf(json);
    const near = typeof json === "string" ? didYouMean(nearEnum(json, names)) : "";
    this.#broken(path, `must be one of ${listed}; it is ${shown}${near}`);
  }

  #readable(desc: DescMessage, json: JsonValue, path: string, words: string): void {
    try {
      fromJson(desc, json, { registry: this.#options.registry });
    } catch {
      const shown = typeof json === "number" || typeof json === "boolean" ? String(json) : kindOf(json);
      const seen = typeof json === "string" ? JSON.stringify(clip(json)) : shown;
      this.#broken(path, `must be ${words}; it is ${seen}`);
    }
  }

  get #isFull(): boolean {
    return this.violations.length >= this.#options.maxViolations;
  }

  #broken(path: string, description: string): void {
    if (!this.#isFull) this.violations.push({ field: path || "the request", description });
  }
}

const fieldNames = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The fields of a message by either of their names. */
function fieldsOf(desc: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldNames.get(desc);
  if (fields === undefined) {
    fields = new Map(desc.fields.flatMap((field) => [[field.name, field] as const, [field.jsonName, field] as const]));
    fieldNames.set(desc, fields);
  }
  return fields;
}

/** The field that a name was meant for, in the spelling of the name. */
function meant(desc: DescMessage, name: string): string {
  if (name.length > 64) return "";
  const known = desc.fields.map((field) => (name.includes("_") ? field.name : field.jsonName));
  const near = nearest(name, known);
  // Shorter by a unit or a format is the commonest slip: `maxCostUsd`, `outputSchema`.
  const longer = known.filter((one) => name.length >= 4 && one.toLowerCase().startsWith(name.toLowerCase()));
  return didYouMean(near.length > 0 ? near : longer.slice(0, 2));
}

/** What other APIs call it, such as `high` for EFFORT_HIGH, and misspelt names. */
function nearEnum(given: string, names: readonly string[]): readonly string[] {
  if (given.length > 64) return [];
  const last = names.filter((name) => name.toLowerCase().endsWith(`_${given.toLowerCase()}`));
  return last.length > 0 ? last : nearest(given, names);
}

/** Whether null is a value of the field's type; elsewhere it stands for a field that is not set. */
function isNullable(field: DescField): boolean {
  const typeName = field.message?.typeName ?? field.enum?.typeName;
  return typeName === "google.protobuf.Value" || typeName === "google.protobuf.NullValue";
}

/** Base64 with either alphabet, with or without padding. */
function isBase64(text: string): boolean {
  const digitCount = text.endsWith("==") ? text.length - 2 : text.endsWith("=") ? text.length - 1 : text.length;
  return digitCount % 4 !== 1 && /^[A-Za-z0-9+/_-]*={0,2}$/.test(text);
}

const clip = (text: string): string => (text.length > 64 ? `${text.slice(0, 64)}…` : text);

function isObject(json: JsonValue): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function kindOf(json: JsonValue): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "a list";
  switch (typeof json) {
    case "object":
      return "an object";
    case "boolean":
      return "true or false";
    default:
      return `a ${typeof json}`;
  }
}
