import { create, type DescField, type DescMessage, type MessageInitShape, ScalarType } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { GetPoolRequestSchema, PoolService, WatchPoolRequestSchema } from "../../../gen/claude/runner/v1/pool_pb.ts";
import {
  ClaudeRunner,
  type Detail,
  type Effort,
  Role,
  StreamChatRequestSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import type { Violation } from "../../../src/runner-error.ts";
import { patternWords } from "../../../src/service/in/rule-words.ts";
import { checkRules, maxPatternTextLength } from "../../../src/service/in/rules.ts";

const long = "x".repeat(1_048_577);
const manyBytes = new Uint8Array(25_165_825);

/** Values of a field among which is one that breaks each rule that a field of its type can have. */
function badValues(field: DescField): readonly unknown[] {
  if (field.enum !== undefined) return [0, 9_999];
  if (field.message !== undefined) {
    if (field.message.typeName === "google.protobuf.Duration")
      return [-1n, 0n, 100_000n].map((seconds) => ({ seconds }));
    return [{}, ...field.message.fields.flatMap((inner) => requestsWith(inner))];
  }
  switch (field.fieldKind === "list" ? field.listKind === "scalar" && field.scalar : field.scalar) {
    case ScalarType.STRING:
      return ["", "-- Ä", long];
    case ScalarType.BYTES:
      return [new Uint8Array(), manyBytes];
    case ScalarType.INT32:
      return [-1, 0, 2_147_483_647];
    case ScalarType.INT64:
      return [-1n, 0n];
    default:
      return [];
  }
}

/** Messages, as they are set, with one bad field each. */
function requestsWith(field: DescField): readonly Record<string, unknown>[] {
  if (field.fieldKind === "map") return [{ [field.localName]: { "-- Ä": "x", a: long } }];
  return badValues(field).map((value) => {
    const held = field.fieldKind === "list" ? [value] : value;
    return field.oneof === undefined
      ? { [field.localName]: held }
      : { [field.oneof.localName]: { case: field.localName, value: held } };
  });
}

function broken<D extends DescMessage>(schema: D, init: MessageInitShape<D>): readonly Violation[] {
  return checkRules(schema, create(schema, init), "whole").violations;
}

describe("a broken rule is told in words", () => {
  const requests = [ClaudeRunner, PoolService].flatMap(({ methods }) => methods.map(({ input }) => input));

  test.each(requests.map((input) => [input.name, input] as const))("in every field of %s", (_name, input) => {
    const violations = [{}, ...input.fields.flatMap(requestsWith)].flatMap((init) => broken(input, init));
    for (const { field, description } of violations) {
      expect(description, field).toMatch(/^(must |one of |only one of )/);
      expect(description, field).not.toMatch(
        /regex|pattern|\^|\[0\]|in list|greater|less than|defined enum|oneof|rule/,
      );
    }
    expect(violations.length > 0).toBe(input.fields.length > 0);
  });

  test("with the values that are allowed", () => {
    const words = Object.fromEntries(
      broken(StreamChatRequestSchema, {
        profile: "../etc",
        model: "--help",
        effort: 77 as Effort,
        detail: 9 as Detail,
        systemPrompt: "",
        history: [
          { role: Role.UNSPECIFIED, text: "a" },
          { role: 9 as Role, text: "" },
        ],
        content: [{}, { block: { case: "image", value: { mediaType: "image/svg", data: new Uint8Array(1) } } }],
        labels: { "Bad Key": "x" },
        limits: { maxModelCallCount: 1_001, maxOutputBytes: 0n, maxDuration: { seconds: 0n } },
      }).map(({ field, description }) => [field, description]),
    );
    expect(words).toEqual({
      profile:
        "must be the name of a profile: up to 63 characters from a-z, 0-9, - and _, starting with a letter or digit",
      model:
        "must be the name of a model: up to 128 letters, digits and . _ : @ / [ ] -, starting with a letter or digit",
      effort: "must be one of EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX",
      detail: "must be one of DETAIL_TEXT, DETAIL_STANDARD, DETAIL_FULL",
      system_prompt: "must not be empty",
      "history[0].role": "must be one of ROLE_USER, ROLE_ASSISTANT",
      "history[1].role": "must be one of ROLE_USER, ROLE_ASSISTANT",
      "history[1].text": "must not be empty",
      "content[0].block": "must have one of text, image, document",
      "content[1].image.media_type": "must be one of image/png, image/jpeg, image/gif, image/webp",
      'labels["Bad Key"]':
        "must have a name of 1 to 63 characters from a-z, 0-9, _, . and -, starting with a letter or digit",
      "limits.max_model_call_count": "must be from 1 to 1000",
      "limits.max_output_bytes": "must be at least 1",
      "limits.max_duration": "must be more than 0s",
    });
  });

  test("at no cost that grows with a text that is far too long for its pattern", () => {
    const text = "x".repeat(4 * 1024 * 1024);
    broken(StreamChatRequestSchema, { prompt: "x" }); // compiles the rules
    const before = process.cpuUsage();
    const violations = broken(StreamChatRequestSchema, { prompt: "x", profile: text, model: text });
    const { user, system } = process.cpuUsage(before);
    expect(violations.map(({ field }) => field)).toEqual(["profile", "model"]);
    // A matcher that goes through the text takes 50 times as long for each as looking at its letters once.
    const walked = process.cpuUsage();
    let count = 0;
    for (let at = 0; at < text.length; at++) count += text.charCodeAt(at);
    const walk = process.cpuUsage(walked);
    expect(count).toBeGreaterThan(0);
    expect(user + system).toBeLessThan(20 * (walk.user + walk.system));
  });

  test("and no pattern of the proto matches a text that is too long to be tried", () => {
    const patterns = [...patternWords.keys()].map((pattern) => new RegExp(pattern));
    expect(patterns.length).toBeGreaterThan(0);
    for (const letter of "xA0_-.:@/[] ") {
      const text = `x${letter.repeat(maxPatternTextLength)}`;
      expect(patterns.filter((pattern) => pattern.test(text))).toEqual([]);
    }
  });

  test("once for all that is too many in a message within, whose further elements are not looked at", () => {
    const labels = Object.fromEntries(Array.from({ length: 9_000 }, (_, at) => [`BAD ${at}`, "x"]));
    const found = broken(StreamChatRequestSchema, { prompt: "x", session: { id: "a", labels } });
    expect(found[0]).toEqual({ field: "session.labels", description: "must have at most 16 elements; it has 9000" });
    expect(found.slice(1).map(({ field }) => field)).toEqual(
      Array.from({ length: 16 }, (_, at) => `session.labels["BAD ${at}"]`),
    );
  });

  test("with the range of a duration", () => {
    expect(broken(WatchPoolRequestSchema, { minInterval: { seconds: 61n } })).toEqual([
      { field: "min_interval", description: "must be from 0.100s to 60s" },
    ]);
    expect(broken(GetPoolRequestSchema, { recentTurnCount: 101 })[0]?.description).toBe("must be from 0 to 100");
  });
});
