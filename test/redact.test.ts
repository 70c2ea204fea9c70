import { describe, expect, it } from "vitest";
import { redactSecrets } from "../src/redact.ts";

const secrets: readonly (readonly [what: string, text: string, secret: string])[] = [
  ["an API key", "invalid x-api-key sk-ant-api03-AbC_def-1234567890", "AbC_def"],
  ["an OAuth token", "token sk-ant-oat01-ZZZZyyyy1234567890 was refused", "ZZZZ"],
  ["a token of this server", "Authorization failed for crt_0123456789abcdefXYZ", "0123456789abcdef"],
  ["a bearer token", "authorization: Bearer abc.def-ghi_jkl", "abc.def"],
  ["basic credentials", '{"authorization":"Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz"],
  ["an AWS key id", "AKIAIOSFODNN7EXAMPLE is not valid", "IOSFODNN7"],
  ["an AWS secret in an environment", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"],
  ["an AWS session token", "aws_session_token = IQoJb3JpZ2luX2VjEHoaCXVz", "IQoJ"],
  ["a key in JSON", '{"apiKey":"hunter2hunter2"}', "hunter2"],
  ["a key in JSON inside a string", '{"message":"{\\"api_key\\":\\"hunter2hunter2\\"}"}', "hunter2"],
  ["an own header", "X-Api-Key: hunter2hunter2", "hunter2"],
  ["a password in a URL", "cannot reach https://user:hunter2@gateway.example/v1", "hunter2"],
  ["a Google token", "ya29.a0AfB_byC1234567890abcdef", "a0AfB"],
  ["a JSON web token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sflKxwRJSM", "sflKxwRJSM"],
  ["a private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"],
  ["a private key that was cut off", '{"message":"-----BEGIN PRIVATE KEY-----\\nMIIEow"}', "MIIEow"],
];

describe("redactSecrets", () => {
  it.each(secrets)("takes out %s", (_what, text, secret) => {
    const redacted = redactSecrets(text);
    expect(redacted).not.toContain(secret);
    expect(redacted).toContain("[redacted]");
  });

  it("keeps JSON valid", () => {
    for (const [, text] of secrets) {
      const line = JSON.stringify({ message: text, next: "kept", apiKey: "0123456789" });
      const parsed = JSON.parse(redactSecrets(line)) as { next: string; apiKey: string };
      expect(parsed.next).toBe("kept");
      expect(parsed.apiKey).toBe("[redacted]");
    }
  });

  it("says what kind of thing was taken out, and from where", () => {
    expect(redactSecrets("authorization: Bearer abcdefgh")).toBe("authorization: Bearer [redacted]");
    expect(redactSecrets("https://user:secret@gateway.example/v1")).toBe("https://[redacted]@gateway.example/v1");
  });

  it("changes nothing the second time", () => {
    for (const [, text] of secrets) expect(redactSecrets(redactSecrets(text))).toBe(redactSecrets(text));
  });

  it.each([
    "turn 3f0c9a52-9b1f-4e86-8c19-1f9a2b7f7a11 of tenant default took 12 ms",
    "apiKeyEnv: ANTHROPIC_API_KEY is not set",
    "no credential: set ANTHROPIC_API_KEY",
    '{"api_key_source":"ANTHROPIC_API_KEY","maxTokens":4096}',
    "listening on http://127.0.0.1:7434",
    "input tokens: 1234567, output tokens: 89",
    "the bearer of this message",
  ])("leaves %j as it is", (text) => {
    expect(redactSecrets(text)).toBe(text);
  });

  it("takes time in proportion to the text", () => {
    const nasty = `${"authorization=".repeat(20_000)}${"-----BEGIN PRIVATE KEY-----".repeat(2_000)}${"a:".repeat(50_000)}`;
    const startedAt = performance.now();
    redactSecrets(nasty);
    const one = performance.now() - startedAt;
    const again = performance.now();
    redactSecrets(nasty.repeat(4));
    // Four times the text; a quadratic pattern would take sixteen times as long.
    expect(performance.now() - again).toBeLessThan(Math.max(20, one) * 10);
  });
});
