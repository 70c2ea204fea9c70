import { createHash, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  cutTranscript,
  TranscriptCheck,
  type TranscriptRules,
  wholeLinesLength,
} from "../../../src/cli/transcript/transcript-lines.ts";

const id = "11111111-1111-4111-8111-111111111111";
const other = "22222222-2222-4222-8222-222222222222";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const linesOf = (...entries: object[]) => bytesOf(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));

/** What is wrong with a transcript, read in pieces of so many bytes; empty when nothing is. */
function problem(bytes: Uint8Array, rules: Partial<TranscriptRules> = {}, pieceBytes = 7): string {
  const check = new TranscriptCheck({ cliSessionId: id, origin: "own", maxBytes: 10_000, ...rules });
  try {
    for (let at = 0; at < bytes.length; at += pieceBytes) check.take(bytes.subarray(at, at + pieceBytes));
    check.finish();
    return "";
  } catch (error) {
    expect(error).toMatchObject({ reason: "SESSION_SUSPENDED" });
    return (error as Error).message.replace("the session cannot continue: its transcript ", "");
  }
}

const whole = linesOf(
  { type: "user", uuid: "u1", sessionId: id },
  { type: "note without a session" },
  { type: "assistant", text: "é\n{", sessionId: id },
);

describe("a transcript before it is resumed", () => {
  it.each([1, 7, 10_000])("is taken when it is whole, in pieces of %i bytes", (pieceBytes) => {
    expect(problem(whole, {}, pieceBytes)).toBe("");
  });

  it("is refused when there is none", () => {
    expect(problem(new Uint8Array())).toBe("is missing");
  });

  it("is refused when its end is missing, wherever it was cut", () => {
    const lineEnds = [...whole].flatMap((byte, at) => (byte === 0x0a ? [at + 1] : []));
    for (let length = 1; length < whole.length; length++) {
      if (lineEnds.includes(length)) continue;
      expect(problem(whole.subarray(0, length))).toBe("ends within a line");
    }
  });

  it.each([
    ["no JSON", '{"type":"user"}\n{"type":\n'],
    ["no object", '{"type":"user"}\n[]\n'],
    ["an empty line", '{"type":"user"}\n\n'],
  ])("is refused when a line is %s", (_, text) => {
    expect(problem(bytesOf(text))).toBe("is damaged in line 2");
  });

  it("is refused when it is another session's, from its first line on or later", () => {
    expect(problem(linesOf({ sessionId: other }))).toBe("is another session's from line 1 on");
    expect(problem(linesOf({ sessionId: id }, { sessionId: other }))).toBe("is another session's from line 2 on");
    expect(problem(linesOf({ sessionId: 5 }))).toBe("is another session's from line 1 on");
  });

  it("may begin with lines of other sessions when it was copied, and may not go back to them", () => {
    const origin = "copied" as const;
    const third = randomUUID();
    expect(problem(linesOf({ sessionId: other }), { origin })).toBe("");
    expect(problem(linesOf({ sessionId: other }, { sessionId: third }, { sessionId: id }), { origin })).toBe("");
    expect(problem(linesOf({ sessionId: other }, { sessionId: id }, { sessionId: other }), { origin })).toBe(
      "is another session's from line 3 on",
    );
  });

  it("is refused when it is not what was written down, also when each line is whole", () => {
    const digest = createHash("sha256").update(whole).digest("hex");
    const seal = { sizeBytes: whole.length, digest };
    expect(problem(whole, { seal })).toBe("");
    const shorter = whole.subarray(0, wholeLinesLength(whole.subarray(0, -1)));
    expect(problem(shorter, { seal })).toBe(`has ${shorter.length} bytes instead of ${whole.length}`);
    const changed = bytesOf(new TextDecoder().decode(whole).replace("u1", "u2"));
    expect(problem(changed, { seal })).toBe("is not the one that was written down");
  });

  it("is refused when it is larger than it may be, before all of it was read", () => {
    const check = new TranscriptCheck({ cliSessionId: id, origin: "own", maxBytes: whole.length - 1 });
    expect(() => check.take(whole)).toThrow(`is larger than ${whole.length - 1} bytes`);
    expect(problem(whole, { maxBytes: whole.length })).toBe("");
  });
});

describe("cutting a transcript before a prompt", () => {
  const before = linesOf({ type: "user", uuid: "u1" }, { type: "assistant", uuid: "a1", parentUuid: "u1" });
  const after = linesOf({ type: "user", uuid: "u2", parentUuid: "a1" }, { type: "assistant", uuid: "a2" });
  const all = Buffer.concat([before, after]);

  it("keeps the whole lines before the prompt's entry", () => {
    expect(cutTranscript(all, "u2")).toBe(before.length);
    expect(cutTranscript(all, "u1")).toBe(0);
  });

  it("knows when the prompt is not in it", () => {
    expect(cutTranscript(all, "u3")).toBeUndefined();
    expect(cutTranscript(new Uint8Array(), "u1")).toBeUndefined();
  });

  it("is not misled by the prompt's id elsewhere: in another kind of entry, within one, or in what a tool read", () => {
    const misleading = linesOf(
      { type: "attachment", uuid: "u2" },
      { type: "user", uuid: "x", message: { uuid: "u2" } },
      { type: "user", uuid: "y", message: '{"type":"user","uuid":"u2"}' },
    );
    expect(cutTranscript(Buffer.concat([misleading, all]), "u2")).toBe(misleading.length + before.length);
    expect(cutTranscript(misleading, "u2")).toBeUndefined();
  });

  it("finds a prompt whose entry was not written to its end not at all", () => {
    expect(cutTranscript(all.subarray(0, before.length + 30), "u2")).toBeUndefined();
  });
});
