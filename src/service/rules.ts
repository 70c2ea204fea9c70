/**
 * The rules that stand in the proto (protovalidate), and how a request that breaks some is refused: with all of them.
 */
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { RunnerError, type Violation } from "../errors.ts";

const validator = createValidator();

/** Compiles a message's rules now, so that the first caller does not wait for it (34 ms for the largest, measured). */
export function prepareRules(...schemas: readonly DescMessage[]): void {
  for (const schema of schemas) validator.validate(schema, create(schema));
}

/** Every rule of its proto that a message breaks. `whole` stands for the field where a rule is of the whole message. */
export function brokenRules<D extends DescMessage>(schema: D, message: MessageShape<D>, whole = ""): Violation[] {
  const rules = validator.validate(schema, message);
  if (rules.kind === "error") throw rules.error;
  if (rules.kind === "valid") return [];
  return rules.violations.map(({ field, message: description }) => ({
    field: pathToString(field) || whole,
    description,
  }));
}

/** INVALID_REQUEST with every violation; there has to be one. */
export function invalidRequest(violations: readonly Violation[]): RunnerError {
  const [first] = violations;
  if (first === undefined) throw new Error("bug: an invalid request without a violation");
  const more = violations.length === 1 ? "" : `, and ${violations.length - 1} more`;
  return new RunnerError("INVALID_REQUEST", `invalid request: ${first.field}: ${first.description}${more}`, {
    violations,
  });
}
