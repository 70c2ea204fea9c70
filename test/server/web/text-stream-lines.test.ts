import { describe, expect, it } from "vitest";
import { textLines } from "../../../src/server/web/text-stream-lines.ts";

const label = { kind: "event", name: "textDelta", id: 4 } as const;

describe.each(["sse", "ndjson"] as const)("a line of %s", (form) => {
  const { message, failure } = textLines[form];

  it("is the JSON as it came, where that is one line to every reader", () => {
    const json = Buffer.from('{"text":"– “Grüße” 世界 \\n"}');
    expect(message(label, json).toString()).toContain(json.toString());
  });

  it("escapes what ends a line for some readers, in a failure as well", () => {
    const text = "\u0085–\u2028\u2029";
    const escaped = '"\\u0085–\\u2028\\u2029"';
    expect(message(label, Buffer.from(JSON.stringify({ text }))).toString()).toContain(`{"text":${escaped}}`);
    expect(failure({ code: "internal", message: text }).toString()).toContain(`"message":${escaped}`);
  });
});
