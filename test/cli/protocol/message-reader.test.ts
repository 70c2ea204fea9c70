import { describe, expect, it } from "vitest";
import { LineTooLongError } from "../../../src/cli/protocol/lines.ts";
import { MessageReader } from "../../../src/cli/protocol/message-reader.ts";
import { Secrets } from "../../../src/cli/protocol/secrets.ts";

const key = "sk-ant-test-0123456789";

function reading(onMessage: (name: string) => void = () => undefined) {
  const happened: unknown[] = [];
  const reader = new MessageReader({
    maxLineBytes: 400,
    secrets: new Secrets([key]),
    onMessage: (message, line) => {
      onMessage(message.name);
      happened.push({ name: message.name, line });
    },
    onGarbage: (lineLength, garbageCount) => happened.push({ lineLength, garbageCount }),
    onBroken: (why, error) => happened.push({ broken: why, error }),
  });
  return { happened, reader, push: (text: string) => reader.push(Buffer.from(text)) };
}

describe("the reader of messages", () => {
  it("gives each line as a message, however the bytes are cut", () => {
    const { happened, push } = reading();
    for (const character of '{"type":"a"}\n{"type":"system","subtype":"init"}\n{"ty') push(character);
    expect(happened).toEqual([
      { name: "a", line: '{"type":"a"}' },
      { name: "system/init", line: '{"type":"system","subtype":"init"}' },
    ]);
  });

  it("has no secret of the credential in what it gives", () => {
    const { happened, push } = reading();
    push(`{"type":"a","text":"${key}"}\n`);
    expect(happened).toEqual([{ name: "a", line: '{"type":"a","text":"[redacted]"}' }]);
  });

  it("counts what is no JSON without the secrets in it, passes empty lines over, and breaks at the fourth", () => {
    const { happened, push } = reading();
    push("oops\n\n  \n[1]\nnull\n");
    expect(happened).toEqual([
      { lineLength: 4, garbageCount: 1 },
      { lineLength: 3, garbageCount: 2 },
      { lineLength: 4, garbageCount: 3 },
    ]);
    push("again\n");
    expect(happened.slice(3)).toEqual([
      { lineLength: 5, garbageCount: 4 },
      { broken: "it writes lines that are not JSON", error: undefined },
    ]);
  });

  it("breaks at a line that is too long, and where what it gives cannot be taken", () => {
    const long = reading();
    long.push("x".repeat(401));
    expect(long.happened).toEqual([{ broken: "a line is too long", error: expect.any(LineTooLongError) }]);

    const failing = reading(() => {
      throw new Error("bug");
    });
    failing.push('{"type":"a"}\n');
    expect(failing.happened).toEqual([{ broken: "a line could not be read", error: new Error("bug") }]);
  });

  it("gives nothing more once it is closed, also what it held back", () => {
    const { happened, reader, push } = reading();
    const delta = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: key.slice(0, 12) } };
    push(`${JSON.stringify({ type: "stream_event", event: delta })}\n`);
    const before = happened.length;
    reader.close();
    push('{"type":"a"}\nnonsense\n');
    reader.end();
    expect(happened).toHaveLength(before);
  });

  it("gives what it held back when the output is over, and says how much of a line is cut off", () => {
    const { happened, reader, push } = reading();
    const text = key.slice(0, 12);
    const delta = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } };
    push(`${JSON.stringify({ type: "stream_event", event: delta })}\n{"cut`);
    expect(JSON.stringify(happened)).not.toContain(text);
    expect(reader.end()).toBe(5);
    expect(JSON.stringify(happened)).toContain(text);
  });
});
