/** Labels, the one text of a caller that reaches the log. */
import { expect } from "vitest";
import type { AttackGroup } from "../attack.ts";

const chat = (labels: object) => JSON.stringify({ prompt: "hello", labels });

export const labels: AttackGroup = {
  title: "Labels and the log",
  file: "labels.ts",
  attacks: [
    {
      tries: "keys with line ends, capitals, spaces; 17 labels; 257 bytes",
      expects: "are refused",
      async run(lab) {
        const many = Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`key-${at}`, "x"]));
        for (const wrong of [{ "a\nb": "x" }, { "A b": "x" }, many, { long: "x".repeat(257) }, { "": "x" }]) {
          expect((await lab.json(chat(wrong))).status).toBe(400);
        }
      },
    },
    {
      tries: "a value with line ends, escape codes, C1, line separators and bidi marks",
      expects: "is in the log on one line, escaped",
      async run(lab) {
        const from = lab.scene.book.position;
        const value = "canary-9\n\r\u001b[31m\u009b31m\u2028\u2029\u202e\u2066end";
        expect((await lab.json(chat({ odd: value }))).status).toBe(200);
        await lab.scene.book.wait((line) => JSON.stringify(line).includes("canary-9"), from);
        const raw = lab.scene.book.texts.find((text) => text.includes("canary-9"));
        expect(raw?.trimEnd()).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
      },
    },
    {
      tries: "keys that are fields of a log line, and a key of the model API as a value",
      expects: "change no field, and the key is removed",
      async run(lab) {
        const from = lab.scene.book.position;
        const fake = {
          tenant: "umbrella",
          level: "fatal",
          message: "canary-10",
          key: "sk-ant-api03-canary-of-a-caller",
        };
        expect((await lab.json(chat(fake))).status).toBe(200);
        const line = await lab.scene.book.wait((one) => JSON.stringify(one).includes("canary-10"), from);
        expect(line).toMatchObject({ tenant: "acme" });
        expect(line.message).not.toBe("canary-10");
        expect(lab.logText).not.toContain("sk-ant-api03-canary-of-a-caller");
      },
    },
  ],
};
