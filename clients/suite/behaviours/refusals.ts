/**
 * Refusals: what a caller is told, and through which accessors.
 */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { type Behaviour, errorOf, expectWell, scenario } from "../behaviour.ts";
import { targetOf, testTls } from "../lab.ts";

/** Breaks nine rules at once. */
const broken = {
  prompt: " ",
  history: [
    { role: "ROLE_ASSISTANT", text: "first" },
    { role: "ROLE_ASSISTANT", text: "" },
    { role: "ROLE_USER", text: "\n" },
  ],
  systemPrompt: "",
  model: "claude-unheard-of",
  outputSchemaJson: '{"type":"array"}',
  limits: { maxModelCallCount: 0, maxOutputBytes: String(2 ** 40) },
  labels: { "Not a key": "x" },
};
const brokenFields = [
  "prompt",
  "history[0].role",
  "history[1].text",
  "history[2].text",
  "history",
  "system_prompt",
  "model",
  "output_schema_json",
  "limits.max_model_call_count",
  "limits.max_output_bytes",
];

const otherAuthority = fileURLToPath(new URL("../../../test/fixtures/tls/renewed.crt", import.meta.url));

export const refusals: readonly Behaviour[] = [
  {
    title: "reports every rule that a request breaks, by field",
    async holds(client, lab) {
      const scene = await lab.main();
      const claims = scene.claimCount();
      for (const answer of [await client.stream(targetOf(scene), broken), await client.chat(targetOf(scene), broken)]) {
        const error = errorOf(answer);
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", mayRetry: false });
        expect(error.violations.map(({ field }) => field)).toEqual(expect.arrayContaining(brokenFields));
        expect(error.violations.every(({ description }) => description !== "")).toBe(true);
        expect(error.facts.violationCount).toBe(String(error.violations.length));
        expect(error.type).not.toBe("");
        expect(error.message).not.toBe("");
      }
      expect(scene.claimCount()).toBe(claims);
    },
  },
  {
    title: "reports a missing or unknown token without revealing it",
    async holds(client, lab) {
      const scene = await lab.main();
      const wrong = "an-unknown-token-0123456789";
      for (const token of [undefined, wrong]) {
        const target = { ...targetOf(scene), token };
        const request = { prompt: "x" };
        const pending = [
          client.stream(target as never, request),
          client.chat(target as never, request),
          client.call<"info">({ do: "info", target: target as never }),
        ];
        for (const error of (await Promise.all(pending)).map(errorOf)) {
          expect(error).toMatchObject({ code: "UNAUTHENTICATED", reason: "UNAUTHENTICATED", mayRetry: false });
          expect(JSON.stringify(error)).not.toContain(wrong);
        }
      }
      expect(client.stderr).not.toContain(wrong);
    },
  },
  {
    title: "reports a profile of another tenant as not allowed",
    async holds(client, lab) {
      const error = errorOf(await client.stream(targetOf(await lab.main()), { profile: "secret", prompt: "x" }));
      expect(error).toMatchObject({
        code: "PERMISSION_DENIED",
        reason: "NOT_ALLOWED",
        facts: { profile: "secret", tenant: "acme" },
        mayRetry: false,
        violations: [],
      });
      expect(error.retryDelayMs).toBeUndefined();
    },
  },
  {
    title: "refuses to collect an answer of more than 3 MiB",
    async holds(client, lab) {
      const deltaChars = 3 * 1024 * 1024 + 1;
      const prompt = scenario("long-text", { deltaCount: 1, deltaChars });
      const error = errorOf(await client.chat(targetOf(await lab.main()), { prompt }));
      expect(error).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "RESPONSE_TOO_LARGE",
        facts: { textBytes: String(deltaChars) },
        mayRetry: false,
        result: { outcome: "OUTCOME_COMPLETED" },
      });
      const fits = await client.chat(targetOf(await lab.main()), {
        prompt: scenario("long-text", { deltaCount: 1, deltaChars: deltaChars - 1 }),
      });
      expectWell(fits);
      expect((fits.response as { text: string }).text).toHaveLength(deltaChars - 1);
    },
  },
  {
    title: "uses TLS with a server whose authority it is given, and with no other",
    async holds(client, lab) {
      const scene = await lab.overTls();
      const trusting = targetOf(scene, { caFile: testTls.certFile });
      const answer = await client.stream(trusting, { prompt: scenario("text", { text: "Sealed." }) });
      expectWell(answer);
      expect(answer.text).toBe("Sealed.");
      const claims = scene.claimCount();
      const error = errorOf(await client.stream(targetOf(scene, { caFile: otherAuthority }), { prompt: "x" }));
      expect(error.reason).toBe("");
      expect(error.message).not.toContain(trusting.token);
      expect(scene.claimCount()).toBe(claims);
    },
  },
];
