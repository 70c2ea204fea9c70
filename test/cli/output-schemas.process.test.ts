/** Schemas on the real CLI: one that is applied reaches the model as it is, as the input of the tool that gives the answer. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkSchema } from "../../src/service/in/schema.ts";
import { appliedCases } from "../service/in/schema-cases.ts";
import { bodyOf, play, type Rig, rig, saying, turnOf } from "./real-cli.ts";

/** What is applied, as the text that a worker is bound with. */
function applied(schema: unknown): string {
  const checked = checkSchema(JSON.stringify(schema));
  if (checked.kind === "refused") throw new Error(checked.problems.join("; "));
  return checked.json;
}

const refers = ({ schema }: { readonly schema: unknown }) => JSON.stringify(schema).includes('"$ref"');
// A schema with one part that the CLI cannot take is dropped whole: those without references are tried together.
const together = {
  type: "object",
  properties: Object.fromEntries(
    appliedCases
      .filter((of) => !refers(of))
      .map(({ schema }, at) => [`p${at}`, JSON.parse(applied({ ...(schema as object), type: "object" }))]),
  ),
};

describe("a schema that is accepted", () => {
  let own: Rig;
  beforeAll(async () => {
    own = await rig();
  });
  afterAll(() => own[Symbol.asyncDispose]());

  it.each([{ what: "all kinds without references", schema: together }, ...appliedCases.filter(refers)])(
    "is taken by the real CLI exactly as written: $what",
    async ({ schema }) => {
      using _ = own.standin.script(saying("prose"));
      const outputSchemaJson = applied(schema);
      const worker = await own.worker();
      await worker.bind({ systemPrompt: "Answer.", outputSchemaJson });
      const { events } = await play(worker, turnOf("x", { binding: { outputSchemaJson } }));
      expect(events.find((event) => event.kind === "init")?.tools).toContain("StructuredOutput");
      const tools = bodyOf(own.standin).tools as { name: string; input_schema: unknown }[];
      expect(tools.find((tool) => tool.name === "StructuredOutput")?.input_schema).toEqual(
        JSON.parse(outputSchemaJson),
      );
      await worker.stop();
    },
  );
});
