/**
 * The rules of the proto in words: what would be right, with the allowed values, and no regular expressions.
 */
import { type DescEnum, type DescField, getOption } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { type FieldRules, field as fieldRules } from "../../../gen/buf/validate/validate_pb.ts";

/** A broken rule, as protovalidate tells it. */
export interface BrokenRule {
  readonly ruleId: string;
  readonly field: Path;
  readonly message: string;
  /** Whether it is of the key of a map's entry. */
  readonly forKey: boolean;
}

/** What the patterns of the proto mean. A new one must be put here: a test looks. */
export const patternWords: ReadonlyMap<string, string> = new Map([
  [
    "^([a-z0-9][a-z0-9_-]{0,62})?$",
    "must be the name of a profile: up to 63 characters from a-z, 0-9, - and _, starting with a letter or digit",
  ],
  [
    "^([A-Za-z0-9][A-Za-z0-9._:@/\\[\\]-]{0,127})?$",
    "must be the name of a model: up to 128 letters, digits and . _ : @ / [ ] -, starting with a letter or digit",
  ],
  [
    "^[a-z0-9][a-z0-9_.-]{0,62}$",
    "must have a name of 1 to 63 characters from a-z, 0-9, _, . and -, starting with a letter or digit",
  ],
  ["^[A-Za-z0-9._:-]{1,128}$", "must be an id of 1 to 128 characters from A-Z, a-z, 0-9, ., _, : and -"],
  ["^([A-Za-z0-9._:-]{1,128})?$", "must be an id of at most 128 characters from A-Z, a-z, 0-9, ., _, : and -"],
  ["^[0-9a-f]{64}$", "must be a SHA-256 in lower-case hexadecimal, 64 digits"],
]);

/** What is wrong, for the caller. */
export function ruleWords({ ruleId, field: path, message, forKey }: BrokenRule): string {
  const last = path.at(-1);
  if (last?.kind === "oneof") return `must have one of ${last.fields.map(({ name }) => name).join(", ")}`;
  if (ruleId === "required") return "must not be empty";
  const field = path.findLast((part): part is DescField => part.kind === "field");
  const rules = field && rulesOf(field, forKey);
  if (field === undefined || rules === undefined) return message;
  switch (ruleId) {
    case "string.pattern":
      return (rules.case === "string" && patternWords.get(rules.value.pattern)) || message;
    case "string.in":
      return rules.case === "string" ? `must be one of ${rules.value.in.join(", ")}` : message;
    case "string.min_len":
    case "string.min_bytes":
    case "bytes.min_len":
      return message.endsWith(" 1 characters") || message.endsWith(" 1 bytes") ? "must not be empty" : message;
    case "enum.defined_only":
    case "enum.not_in":
      return field.enum === undefined ? message : `must be one of ${valuesOf(field.enum)}`;
    default:
      return message
        .replace(/greater than or equal to (.*) and less than or equal to (.*)$/, "from $1 to $2")
        .replace("greater than or equal to", "at least")
        .replace("greater than", "more than")
        .replace("less than or equal to", "at most");
  }
}

/** Reading an option decodes it each time, and a request may break the same rule hundreds of times. */
const knownRules = new Map<DescField, FieldRules>();

/** The rules of a field, or of the keys or values of a map. */
function rulesOf(field: DescField, forKey: boolean): FieldRules["type"] | undefined {
  let rules = knownRules.get(field);
  if (rules === undefined) {
    rules = getOption(field, fieldRules);
    knownRules.set(field, rules);
  }
  const { type } = rules;
  if (type.case === "map") return (forKey ? type.value.keys : type.value.values)?.type;
  if (type.case === "repeated") return type.value.items?.type ?? type;
  return type;
}

/** The names that a caller may choose; the first says that it chose none. */
function valuesOf({ values }: DescEnum): string {
  return values
    .filter(({ number }) => number !== 0)
    .map(({ name }) => name)
    .join(", ");
}
