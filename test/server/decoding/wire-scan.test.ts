import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChatRequestSchema, Role, StreamChatRequestSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { contentRequest } from "../../../src/server/decoding/bounds.ts";
import { scanWire } from "../../../src/server/decoding/wire-scan.ts";

const bounds = contentRequest(32 * 1024 * 1024);

function refusal(bytes: Uint8Array, desc = StreamChatRequestSchema as Parameters<typeof scanWire>[0]): RunnerError {
  try {
    scanWire(desc, bytes, bounds);
  } catch (error) {
    if (error instanceof RunnerError) return error;
    throw error;
  }
  throw new Error("the message was taken");
}

const writer = () => new BinaryWriter();

describe("looking over a message before it is decoded", () => {
  it("takes whatever a turn may hold", () => {
    const message = create(ChatRequestSchema, {
      prompt: "ü".repeat(500_000),
      history: Array.from({ length: 400 }, (_, at) => ({
        role: at % 2 === 0 ? Role.USER : Role.ASSISTANT,
        text: `text ${at}`,
      })),
      labels: Object.fromEntries(Array.from({ length: 16 }, (_, at) => [`label-${at}`, "x".repeat(256)])),
      limits: { maxDuration: { seconds: 5n }, maxCostUsdMicros: -1n },
      content: [
        { block: { case: "image", value: { mediaType: "image/png", data: new Uint8Array(10_000_000).fill(0xff) } } },
      ],
    });
    expect(() => scanWire(ChatRequestSchema, toBinary(ChatRequestSchema, message), bounds)).not.toThrow();
  });

  it("takes every message that protobuf writes, packed numbers and nested types included", () => {
    const bytes = toBinary(FileDescriptorProtoSchema, FileDescriptorProtoSchema.file.proto);
    expect(() => scanWire(FileDescriptorProtoSchema, bytes, bounds)).not.toThrow();
  });

  it("names a list that is too long and how many it has, also several at once", () => {
    const bytes = writer();
    for (let at = 0; at < 401; at++) bytes.tag(4, WireType.LengthDelimited).bytes(new Uint8Array());
    for (let at = 0; at < 5_000; at++) bytes.tag(11, WireType.LengthDelimited).bytes(new Uint8Array());
    expect(refusal(bytes.finish()).violations).toEqual([
      { field: "history", description: "must have at most 400 elements; it has 401" },
      { field: "labels", description: "must have at most 16 elements; it has 5000" },
    ]);
  });

  it("bounds fields that repeat, though their type has them once", () => {
    const bytes = writer();
    for (let at = 0; at < 10_001; at++) bytes.tag(2, WireType.LengthDelimited).bytes(new Uint8Array());
    expect(refusal(bytes.finish())).toMatchObject({ reason: "REQUEST_TOO_LARGE", facts: { limitFieldCount: 10_000 } });
  });

  it("counts the elements of a packed list", () => {
    // Paths of source code info are packed numbers: three messages deep, in a type that lists them.
    const location = writer().tag(1, WireType.LengthDelimited).bytes(new Uint8Array(10_001).fill(1)).finish();
    const info = writer().tag(1, WireType.LengthDelimited).bytes(location).finish();
    const file = writer().tag(9, WireType.LengthDelimited).bytes(info).finish();
    expect(refusal(file, FileDescriptorProtoSchema)).toMatchObject({ facts: { limitFieldCount: 10_000 } });
  });

  it("bounds text wherever it stands, and no data", () => {
    const history = (text: string) => writer().tag(2, WireType.LengthDelimited).string(text).finish();
    const bytes = writer();
    for (let at = 0; at < 7; at++) bytes.tag(4, WireType.LengthDelimited).bytes(history("x".repeat(1_000_000)));
    expect(refusal(bytes.finish())).toMatchObject({
      reason: "REQUEST_TOO_LARGE",
      facts: { limitTextBytes: 6_291_456 },
    });
  });

  it("names a text that is longer than its field may have, before a pattern is matched on it", () => {
    const bytes = writer().tag(1, WireType.LengthDelimited).string("x".repeat(20_000)).finish();
    expect(refusal(bytes).violations).toEqual([
      { field: "profile", description: "must have at most 16384 bytes; it has 20000" },
    ]);
  });

  it("bounds depth", () => {
    let bytes = new Uint8Array();
    for (let at = 0; at < 40; at++)
      bytes = writer().tag(3, WireType.LengthDelimited).bytes(bytes).finish() as Uint8Array<ArrayBuffer>;
    const file = writer().tag(4, WireType.LengthDelimited).bytes(bytes).finish(); // message_type, nested_type, …
    expect(refusal(file, FileDescriptorProtoSchema)).toMatchObject({
      reason: "INVALID_REQUEST",
      facts: { limitDepth: 32 },
    });
  });

  it("says where text is not UTF-8", () => {
    const entry = writer().tag(2, WireType.LengthDelimited).bytes(Uint8Array.of(0xe9)).finish();
    const empty = writer().tag(2, WireType.LengthDelimited).string("x").finish();
    const bytes = writer().tag(4, WireType.LengthDelimited).bytes(empty).tag(4, WireType.LengthDelimited).bytes(entry);
    expect(refusal(bytes.finish()).violations).toEqual([
      { field: "history[1].text", description: "is not valid UTF-8" },
    ]);
  });

  it.each([
    ["a number without an end", Uint8Array.of(0x12, 0xff, 0xff), "ends in the middle of a field at byte 3"],
    ["a length beyond the end", Uint8Array.of(0x12, 0x05, 0x41), "ends in the middle of a field"],
    ["a field with the number 0", Uint8Array.of(0x00, 0x00), "has a field with the number 0"],
    ["a group", Uint8Array.of(0x0b, 0x0c), "wire type 3"],
    ["an odd wire type", Uint8Array.of(0x0f, 0x00), "wire type 7"],
    // A decoder that goes by the type would take the number for a length, and see what was not looked at.
    ["a message sent as a number", Uint8Array.of(0x20, 0x02, 0x10, 0x00), 'the field "history" with the wire type 0'],
    ["a number sent as a message", Uint8Array.of(0x3a, 0x01, 0x01), 'the field "effort" with the wire type 2'],
  ])("refuses %s, with the place", (_, bytes, words) => {
    const error = refusal(bytes);
    expect(error.reason).toBe("INVALID_REQUEST");
    expect(error.message).toContain(words);
  });

  it("never fails in another way, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          scanWire(StreamChatRequestSchema, bytes, bounds);
        } catch (error) {
          expect(error).toBeInstanceOf(RunnerError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
