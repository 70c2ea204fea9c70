/** One tenant looking for another. */
import { expect } from "vitest";
import { slowAnswer } from "../../faults/fake-scene.ts";
import type { AttackGroup } from "../attack.ts";
import { bearer, paths, tokens } from "../lab.ts";

const as = (tenant: keyof typeof tokens) => ({ headers: [bearer(tokens[tenant])] });

export const tenancy: AttackGroup = {
  title: "Tenants",
  file: "tenancy.ts",
  attacks: [
    {
      tries: "another tenant's profile, and one that does not exist",
      expects: "get the same refusal, and GetInfo names neither",
      async run(lab) {
        const foreign = await lab.json('{"prompt":"x","profile":"private"}', as("acme"));
        const missing = await lab.json('{"prompt":"x","profile":"pirvate"}', as("acme"));
        expect(foreign.status).toBeGreaterThanOrEqual(400);
        const words = (text: string) => text.replaceAll("pirvate", "private");
        expect(foreign.status).toBe(missing.status);
        expect(withoutIds(foreign.body)).toBe(withoutIds(words(missing.body)));
        const info = await lab.json("{}", { path: paths.getInfo, ...as("acme") });
        expect(info.body).toContain('"tenant":"acme"');
        expect(info.body).not.toContain("private");
      },
    },
    {
      tries: "GetPool while another tenant's turn runs",
      expects: "shows nothing of the other tenant: no name, no turn, no label",
      async run(lab) {
        const turn = lab.json(
          JSON.stringify({ prompt: slowAnswer, labels: { word: "canary-label" }, limits: { maxDuration: "3s" } }),
          as("umbrella"),
        );
        await lab.scene.book.wait(
          ({ to, tenant }) => to === "claimed" && (tenant === undefined || tenant === "umbrella"),
        );
        const pool = await lab.json("{}", { path: paths.getPool, ...as("acme") });
        expect(pool.status).toBe(200);
        for (const word of ["umbrella", "canary-label"]) expect(pool.body).not.toContain(word);
        const all = await lab.json("{}", { path: paths.getPool, ...as("operator") });
        expect(all.body).not.toContain("canary-label");
        await turn;
      },
    },
    {
      tries: "an operator's token with another tenant's profile",
      expects: "is refused: operators see more, but may not do more",
      async run(lab) {
        const answer = await lab.json('{"prompt":"x","profile":"private"}', as("operator"));
        expect(answer.status).toBeGreaterThanOrEqual(400);
      },
    },
  ],
};

/** Details are base64 of protobuf beside their debug text; the text is compared, trace ids apart. */
function withoutIds(body: string): string {
  const { code, message } = JSON.parse(body) as { code: string; message: string };
  return `${code}: ${message}`;
}
