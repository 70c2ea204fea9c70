/**
 * The rules that stand in the proto (protovalidate), and how a request that breaks some is refused: with all of them.
 *
 * Counts are looked at before elements, so that what a refusal costs is bounded however many elements were sent.
 */
import { create, type DescMessage, getOption, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { field as fieldRules } from "../../../gen/buf/validate/validate_pb.ts";
import { RunnerError, type Violation } from "../../runner-error.ts";
import { ruleWords } from "./rule-words.ts";

/** How many violations a refusal keeps; of the others it knows the count. */
export const maxViolations = 100;

/**
 * No pattern of the proto matches a longer text (a test looks), and none is tried on one: what a caller sends decides how
 * long it is.
 */
export const maxPatternTextLength = 1024;

/** Patterns come from the proto alone: V8's engine takes them as RE2 does, and a twentieth of the time. */
const compiledPatterns = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  if (text.length > maxPatternTextLength) return false;
  let compiled = compiledPatterns.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(pattern);
    compiledPatterns.set(pattern, compiled);
  }
  return compiled.test(text);
}

const validator = createValidator({ regexMatch: matches });

/** Compiles a message's rules now, so that the first caller does not wait for it (34 ms for the largest, measured). */
export function prepareRules(...schemas: readonly DescMessage[]): void {
  for (const schema of schemas) validator.validate(schema, create(schema));
}

/** A request whose rules have been looked at. */
export interface Checked<D extends DescMessage> {
  /** The request with only as many elements as its rules allow. */
  readonly request: MessageShape<D>;
  /** Every rule of the proto that it breaks. */
  readonly violations: Violation[];
}

/** Checks a message against its proto's rules. `whole` stands for the field where a rule is of the whole message. */
export function checkRules<D extends DescMessage>(schema: D, message: MessageShape<D>, whole = ""): Checked<D> {
  const { request, violations } = withinCounts(schema, message);
  const rules = validator.validate(schema, request);
  if (rules.kind === "error") throw rules.error;
  if (rules.kind === "invalid") {
    for (const broken of rules.violations) {
      violations.push({ field: pathToString(broken.field) || whole, description: ruleWords(broken) });
    }
  }
  return { request, violations };
}

type Field = DescMessage["fields"][number];

/** Reading an option of a field decodes it each time, and every request asks. */
const knownMaxElements = new Map<Field, number | undefined>();

/** The most elements that a list or map of a request may have; `undefined` when its proto does not say. */
export function maxElements(field: Field): number | undefined {
  if (!knownMaxElements.has(field)) knownMaxElements.set(field, readMaxElements(field));
  return knownMaxElements.get(field);
}

function readMaxElements(field: Field): number | undefined {
  const rules = getOption(field, fieldRules).type;
  if (rules.case === "repeated" && rules.value.maxItems > 0n) return Number(rules.value.maxItems);
  if (rules.case === "map" && rules.value.maxPairs > 0n) return Number(rules.value.maxPairs);
  return undefined;
}

/** Cuts the lists and maps of a message, and of those within it, to what they may have. */
function withinCounts<D extends DescMessage>(schema: D, message: MessageShape<D>): Checked<D> {
  const violations: Violation[] = [];
  const request = cut(schema, message as Members, "", violations);
  return { request: request as MessageShape<D>, violations };
}

type Members = Record<string, unknown>;

/** The message itself where nothing has to be cut. */
function cut(schema: DescMessage, message: Members, path: string, violations: Violation[]): Members {
  let request = message;
  for (const field of schema.fields) {
    const held = field.oneof && (message[field.oneof.localName] as { case?: string; value?: unknown } | undefined);
    const value =
      held === undefined ? message[field.localName] : held.case === field.localName ? held.value : undefined;
    if (value === undefined) continue;
    const within = cutField(field, value, path + field.name, violations);
    if (within === value) continue;
    const member = field.oneof
      ? { [field.oneof.localName]: { ...held, value: within } }
      : { [field.localName]: within };
    request = { ...request, ...member };
  }
  return request;
}

/** The value itself where nothing has to be cut. */
function cutField(field: Field, value: unknown, path: string, violations: Violation[]): unknown {
  if (field.fieldKind === "message") return cut(field.message, value as Members, `${path}.`, violations);
  if (field.fieldKind !== "list" && field.fieldKind !== "map") return value;
  const most = maxElements(field) ?? Number.POSITIVE_INFINITY;
  const count = Array.isArray(value) ? value.length : Object.keys(value as object).length;
  if (count > most)
    violations.push({ field: path, description: `must have at most ${most} elements; it has ${count}` });
  if (field.fieldKind === "map") {
    return count > most ? Object.fromEntries(Object.entries(value as object).slice(0, most)) : value;
  }
  const kept: readonly unknown[] = count > most ? (value as unknown[]).slice(0, most) : (value as unknown[]);
  if (field.listKind !== "message") return kept;
  const items = kept.map((item, at) => cut(field.message, item as Members, `${path}[${at}].`, violations));
  return items.every((item, at) => item === kept[at]) ? kept : items;
}

/** INVALID_REQUEST with the violations; there has to be one. */
export function invalidRequest(violations: readonly Violation[]): RunnerError {
  const [first] = violations;
  if (first === undefined) throw new Error("bug: an invalid request without a violation");
  const more = violations.length === 1 ? "" : `, and ${violations.length - 1} more`;
  return new RunnerError("INVALID_REQUEST", `invalid request: ${first.field}: ${first.description}${more}`, {
    facts: { violationCount: violations.length },
    violations: violations.slice(0, maxViolations),
  });
}
