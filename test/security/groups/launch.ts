/** What a caller can bring to a command line, an environment variable or a path: nothing. */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { recorded } from "../../faults/fake-scene.ts";
import type { AttackGroup } from "../attack.ts";

const flags = [
  "--dangerously-skip-permissions",
  "-p",
  "claude-opus-5-5 --tools=Bash",
  "claude-opus-5-5\n--x",
  "../x",
  "$(id)",
];
const profiles = ["../etc", "--x", "default\n", "Default", "__proto__", "constructor", "default\u0000", "."];

export const launch: AttackGroup = {
  title: "Command lines, environments, paths",
  file: "launch.ts",
  attacks: [
    {
      tries: `${flags.length} models and ${profiles.length} profiles that are flags, paths or names of objects`,
      expects: "are refused before a worker is claimed",
      async run(lab) {
        const claims = lab.scene.claimCount();
        for (const model of flags) expect((await lab.json(JSON.stringify({ prompt: "x", model }))).status).toBe(400);
        for (const profile of profiles) {
          const { status } = await lab.json(JSON.stringify({ prompt: "x", profile }));
          expect([400, 403, 404], profile).toContain(status);
        }
        expect(lab.scene.claimCount()).toBe(claims);
      },
    },
    {
      tries: "a word in prompt, system prompt, label and schema",
      expects: "is in no worker's command line, environment or folder name",
      async run(lab) {
        const word = `canary-${randomUUID()}`;
        const schema = { type: "object", properties: { [word]: { type: "string", description: word } } };
        await lab.json(
          JSON.stringify({
            prompt: word,
            systemPrompt: word,
            labels: { word },
            outputSchemaJson: JSON.stringify(schema),
          }),
        );
        const read = await recorded(lab.scene.fake, ({ in: line }) => JSON.stringify(line ?? "").includes(word));
        expect(read.length).toBeGreaterThan(0); // it did get there, by the standard input
        const started = await recorded(lab.scene.fake, (entry) => entry.started !== undefined);
        expect(JSON.stringify(started.map((entry) => entry.started))).not.toContain(word);
      },
    },
  ],
};
