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

for (const language of chosenLanguages()) {
  describe(language.title, () => {
    const client = new ClientUnderTest(language);
    let runtime: string;
    beforeAll(async () => {
      ({ runtime } = await client.hello);
    });
    afterAll(() => client.end());

    for (const { title, holds, isServed } of behaviours) {
      test(title, async ({ task, skip }) => {
        task.meta.behaviour = { language: language.name, runtime, title };
        if (isServed !== undefined && !(await isServed(lab))) skip("not served by this build");
        try {
          await holds(client, lab);
        } catch (error) {
          const { stderr } = client;
          await client.discard();
          throw withLastWords(error, language.title, stderr);
        }
      });
    }
  });
}

function withLastWords(error: unknown, language: string, stderr: string): unknown {
  if (error instanceof Error && stderr !== "") {
    error.message += `\n\nThe ${language} driver's last words on stderr:\n${stderr.slice(-4_000)}`;
  }
  return error;
}

declare module "vitest" {
  interface TaskMeta {
    /** Which cell of the table a test fills. */
    behaviour?: { readonly language: string; readonly runtime: string; readonly title: string };
  }
}
