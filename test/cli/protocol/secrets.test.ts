import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { SecretTails } from "../../../src/cli/protocol/secret-tails.ts";
import { isFindable, Secrets } from "../../../src/cli/protocol/secrets.ts";
import { secretsOf } from "../../../src/cli/start/credential-secrets.ts";

const key = "gw-OPERATORS-secret-0123456789";
const odd = 'p"a\\s/s+w:ö&d=1';

describe("the secrets of a credential", () => {
  const secrets = new Secrets([key, odd]);
  const base64 = (before: string) => Buffer.from(`${before}${key} and more`).toString("base64");

  it.each([
    ["as they are", `it got ${key}, twice: ${key}`],
    ["in JSON", JSON.stringify({ got: odd })],
    ["in JSON in JSON", JSON.stringify({ body: JSON.stringify({ got: odd }) })],
    ["in a URL", `https://h/?key=${encodeURIComponent(odd)}`],
    ["in hexadecimal digits", Buffer.from(key).toString("hex")],
    ["in base64 from its first byte", base64("")],
    ["in base64 from its second byte", base64("u")],
    ["in base64 from its third byte", base64("u:")],
    ["broken over lines", `${key.slice(0, 12)}\n   ${key.slice(12)}`],
  ])("are taken out of a text that has them %s", (_how, text) => {
    for (const clean of [secrets.text(text), JSON.parse(secrets.line(JSON.stringify(text))) as string]) {
      expect(clean).toContain("[redacted]");
      expect(clean).not.toContain(key.slice(4, 20));
      expect(clean).not.toContain("a\\s/s");
      expect(Buffer.from(clean, "base64").toString("latin1")).not.toContain(key.slice(4, 20));
    }
  });

  it("leave a line of JSON that is JSON, and everything else of it as it was", () => {
    const line = JSON.stringify({ n: 1.5, text: `a ${odd} b`, list: [key, "c"], [odd]: null });
    expect(JSON.parse(secrets.line(line))).toEqual({
      n: 1.5,
      text: "a [redacted] b",
      list: ["[redacted]", "c"],
      "[redacted]": null,
    });
  });

  it.each(["none", "EMPTY", "dummy", "1234567", "assistant", "not-needed", "1"])(
    "that are words of ordinary text, such as %s, are not taken out of it",
    (value) => {
      expect(isFindable(value)).toBe(false);
      const line = JSON.stringify({ type: "assistant", text: `it is ${value}`, count: 1234567 });
      expect(new Secrets([value]).line(line)).toBe(line);
    },
  );

  it("are the logins and queries of addresses, the values of headers, and nothing that says only where", () => {
    const found = secretsOf({
      ANTHROPIC_API_KEY: "the-key-1",
      ANTHROPIC_BASE_URL: "https://user:p%40ss-1@gateway.internal/path?token=query-1",
      HTTPS_PROXY: "proxy-user:proxy-pass@proxy.internal:3128",
      ANTHROPIC_CUSTOM_HEADERS: "X-One: header-1\nAuthorization: Bearer header-2",
      NO_PROXY: "localhost,10.0.0.0/8",
      AWS_REGION: "eu-west-1",
      AWS_SECRET_ACCESS_KEY: "aws-1 ",
      GOOGLE_APPLICATION_CREDENTIALS: "/etc/gcp.json",
      ANTHROPIC_DEFAULT_SONNET_MODEL: "m-1",
      ANTHROPIC_FOUNDRY_RESOURCE: "resource-1",
      CLAUDE_CODE_USE_BEDROCK: "1",
    });
    expect(found).toEqual(
      expect.arrayContaining([
        "the-key-1",
        "p@ss-1",
        "p%40ss-1",
        "query-1",
        "proxy-pass",
        "header-1",
        "header-2",
        "aws-1",
      ]),
    );
    for (const open of [
      "gateway.internal",
      "proxy.internal",
      "localhost,10.0.0.0/8",
      "eu-west-1",
      "m-1",
      "resource-1",
      "1",
    ]) {
      expect(found).not.toContain(open);
    }
    expect(found.join(" ")).not.toContain("/etc/gcp.json");
  });
});

describe("a secret that comes in pieces", () => {
  const delta = (text: string, index = 0) =>
    JSON.stringify({
      type: "stream_event",
      event: { type: "content_block_delta", index, delta: { type: "text_delta", text } },
    });
  const stop = JSON.stringify({ type: "stream_event", event: { type: "content_block_stop", index: 0 } });
  const start = (text: string) =>
    JSON.stringify({
      type: "stream_event",
      event: { type: "content_block_start", index: 0, content_block: { type: "text", text } },
    });

  /** The lines that go on, after secrets were looked for in each line and across them. */
  function passed(lines: readonly string[], secrets = new Secrets([key])): readonly string[] {
    const tails = new SecretTails(secrets);
    const out = lines.flatMap((dirty) => {
      const line = secrets.line(dirty);
      return (tails.pass(parseLine(line)!, line) ?? [{ line }]).map((next) => next.line);
    });
    return [...out, ...tails.end().map(({ line }) => line)];
  }
  const textsOf = (lines: readonly string[]) =>
    lines.flatMap((line) => {
      const { event } = JSON.parse(line) as { event: { delta?: { text: string }; content_block?: { text: string } } };
      const text = (event.delta ?? event.content_block)?.text;
      return text === undefined ? [] : [text];
    });

  it("is not in the deltas together, wherever they were cut, and all other text is", () => {
    const piece = fc.oneof(
      { weight: 3, arbitrary: fc.constant(key) },
      fc.nat(key.length).map((end) => key.slice(0, end)),
      fc.nat(key.length).map((from) => key.slice(from)),
      fc.string({ maxLength: 12 }),
      fc.constantFrom("gw", "-", "sk", " ", "g"),
    );
    const stream = fc.tuple(
      fc.array(piece, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      fc.boolean(),
    );
    fc.assert(
      fc.property(stream, ([pieces, sizes, isInFirstFrame]) => {
        const whole = pieces.join("");
        // With white space in it a key is looked for as well, but that is not what this is about.
        const count = (text: string) => text.split(key).length;
        fc.pre(count(whole.replace(/\s/g, "")) === count(whole));
        const deltas: string[] = [];
        for (let at = 0; at < whole.length; ) {
          const size = sizes.next().value as number;
          const isFirst = at === 0 && isInFirstFrame;
          deltas.push((isFirst ? start : delta)(whole.slice(at, at + size)));
          at += size;
        }
        const text = textsOf(passed([...deltas, stop])).join("");
        expect(text).not.toContain(key);
        // What goes on before it is known to begin a secret is at most three characters of it.
        const parts = whole.split(key).map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
        expect(text).toMatch(new RegExp(`^${parts.join("(g|gw|gw-)?\\[redacted\\]")}$`, "s"));
      }),
      { numRuns: 500 },
    );
  });

  it("lets the rest of the stream go on when it was none, before the block ends", () => {
    const lines = passed([delta("it is gw-OPER"), delta("ATING well gw-OPERATORS"), stop]);
    expect(textsOf(lines).join("")).toBe("it is gw-OPERATING well gw-OPERATORS");
    expect(lines.at(-1)).toBe(stop);
  });

  it("is not in the first frame of a block and its first delta together", () => {
    const [head, tail] = [key.slice(0, 10), key.slice(10)];
    const lines = passed([start(`it is ${head}`), delta(`${tail}, well`), stop]);
    expect(textsOf(lines)).toEqual(["it is ", "[redacted], well"]);
    expect(textsOf(passed([start(`it is ${head}`), stop]))).toEqual(["it is ", head]);
  });

  it("is kept apart by block", () => {
    const [head, tail] = [key.slice(0, 10), key.slice(10)];
    const lines = passed([delta(head, 0), delta("between", 1), delta(tail, 0), stop]);
    expect(textsOf(lines)).toEqual(["between", "[redacted]"]);
  });

  it("costs a delta of ordinary text nothing: it goes on as it is", () => {
    const secrets = new Secrets([key]);
    const tails = new SecretTails(secrets);
    const line = delta("Paris is the capital of France.");
    expect(secrets.line(line)).toBe(line);
    expect(tails.pass(parseLine(line)!, line)).toBeUndefined();
  });
});
