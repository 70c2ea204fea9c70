/**
 * Whether a text is a JSON Schema that an answer can be asked to follow. Says what is wrong; keeps what it has seen.
 */
import { Ajv, type AnySchema } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";

const remembered = new Map<string, string | undefined>();
const maxRemembered = 256;
const ajv2020 = () => new Ajv2020({ strict: false, logger: false, validateFormats: false });
const ajv7 = () => new Ajv({ strict: false, logger: false, validateFormats: false });

/** What is wrong with a schema, in words for the caller; `undefined` when nothing is. */
export function schemaProblem(text: string): string | undefined {
  if (remembered.has(text)) return remembered.get(text);
  const problem = check(text);
  if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value!);
  remembered.set(text, problem);
  return problem;
}

function check(text: string): string | undefined {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    return `is not JSON: ${error instanceof Error ? error.message : "cannot be parsed"}`;
  }
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return "is not a JSON object";
  const members = schema as Record<string, unknown>;
  if (members.type !== "object") return 'has to describe an object: its outermost "type" is not "object"';
  const dialect = typeof members.$schema === "string" ? members.$schema : "";
  if (dialect !== "" && !/draft-07|2020-12/.test(dialect)) return `is of a draft other than draft-07 and 2020-12`;
  // A new one each time: Ajv keeps every schema that it has compiled, by its $id, for ever.
  const ajv = dialect.includes("draft-07") ? ajv7() : ajv2020();
  try {
    if (!ajv.validateSchema(schema as AnySchema))
      return `is not a valid JSON Schema: ${ajv.errorsText(ajv.errors, { dataVar: "schema" })}`;
    ajv.compile(schema as AnySchema);
  } catch (error) {
    return `is not a valid JSON Schema: ${error instanceof Error ? error.message : "cannot be compiled"}`;
  }
  return undefined;
}
