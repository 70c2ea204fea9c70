import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LineTooLongError, lineSplitter } from "../../../src/cli/protocol/lines.ts";

function split(chunks: readonly Buffer[], maxLineBytes = 1_000_000): { lines: string[]; pendingBytes: number } {
  const lines: string[] = [];
  const splitter = lineSplitter(maxLineBytes, (line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  return { lines, pendingBytes: splitter.pendingBytes() };
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe("the line splitter", () => {
  it("gives the same lines however the bytes are cut", () => {
    const text = fc.string({ unit: "binary" }).map((line) => line.replaceAll("\n", "\u2028").toWellFormed());
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (lines, places) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        expect(split(cut(bytes, places))).toEqual({ lines, pendingBytes: 0 });
      }),
    );
  });

  it("gives the same text for single bytes in the middle of characters", () => {
    const bytes = Buffer.from("ä€😀\u2028x\n");
    expect(split([...bytes].map((byte) => Buffer.from([byte]))).lines).toEqual(["ä€😀\u2028x"]);
  });

  it("tells how much of a cut-off line there is", () => {
    expect(split([Buffer.from("one\ntw")])).toEqual({ lines: ["one"], pendingBytes: 2 });
  });

  it("takes a line of exactly the limit and refuses a longer one, in one piece or in many", () => {
    expect(split([Buffer.from("12345\n")], 5).lines).toEqual(["12345"]);
    expect(() => split([Buffer.from("123456\n")], 5)).toThrow(LineTooLongError);
    expect(() => split([Buffer.from("123"), Buffer.from("456")], 5)).toThrow(LineTooLongError);
    expect(split([Buffer.from("123"), Buffer.from("45\n1\n")], 5).lines).toEqual(["12345", "1"]);
  });
});
