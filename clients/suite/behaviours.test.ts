/**
 * Every behaviour through every client.
 */
import { afterAll, beforeAll, describe, test } from "vitest";
import { behaviours } from "./behaviours.ts";
import { chosenLanguages } from "./chosen.ts";
import { ClientUnderTest } from "./client.ts";
import { Lab } from "./lab.ts";

const lab = new Lab();
afterAll(() => lab[Symbol.asyncDispose]());

describe.each(chosenLanguages())("$title", (language) => {
  const client = new ClientUnderTest(language);
  let runtime: string;
  beforeAll(async () => {
    ({ runtime } = await client.hello);
  });
  afterAll(() => client.end());

  test.for(behaviours)("$title", async ({ holds, isServed, title }, { task, skip }) => {
    task.meta.behaviour = { language: language.name, runtime, title };
    if (isServed !== undefined && !(await isServed(lab))) skip("not served by this build");
    try {
      await holds(client, lab);
    } catch (error) {
      const { stderr } = client;
      await client.discard();
      if (error instanceof Error && stderr !== "") {
        error.message += `\n\nThe ${language.title} driver's last words on stderr:\n${stderr.slice(-4_000)}`;
      }
      throw error;
    }
  });
});

declare module "vitest" {
  interface TaskMeta {
    /** Which cell of the table a test fills. */
    behaviour?: { readonly language: string; readonly runtime: string; readonly title: string };
  }
}
