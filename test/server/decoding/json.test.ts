import { createRegistry, type DescMessage, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { StructSchema, TypeSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ChatRequest,
  ChatRequestSchema,
  Effort,
  StreamChatRequestSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import { isRunnerError, type RunnerError } from "../../../src/runner-error.ts";
import { contentRequest } from "../../../src/server/decoding/bounds.ts";
import { readJson } from "../../../src/server/decoding/json.ts";

const bounds = contentRequest(32 * 1024 * 1024);
const registry = createRegistry(ChatRequestSchema, StructSchema);

function read(json: string | Uint8Array, { desc = ChatRequestSchema as DescMessage, allowUnknownFields = false } = {}) {
  const bytes = typeof json === "string" ? Buffer.from(json) : json;
  return readJson(desc, bytes, bounds, { allowUnknownFields, registry, maxViolations: 100 });
}

function message(json: string): ChatRequest {
  const result = read(json);
  if ("violations" in result) throw new Error(JSON.stringify(result.violations));
  return result.message as ChatRequest;
}

/** What is wrong, as `place: words`. */
function faults(json: string, options?: Parameters<typeof read>[1]): string[] {
  const result = read(json, options);
  return "violations" in result ? result.violations.map(({ field, description }) => `${field}: ${description}`) : [];
}

function refusal(json: string | Uint8Array): RunnerError {
  try {
    read(json);
  } catch (error) {
    if (isRunnerError(error)) return error;
    throw error;
  }
  throw new Error("the text was taken");
}

describe("a request in JSON", () => {
  it("is read in both spellings of its fields, with numbers as strings and enums as numbers", () => {
    const request = message(
      '{"systemPrompt":"s","output_schema_json":"{}","effort":3,"limits":{"maxCostUsdMicros":"7","maxDuration":"1.5s"}}',
    );
    expect(request).toMatchObject({ systemPrompt: "s", outputSchemaJson: "{}", effort: Effort.HIGH });
    expect(request.limits).toMatchObject({ maxCostUsdMicros: 7n, maxDuration: { seconds: 1n, nanos: 500_000_000 } });
  });

  it("may begin with a byte order mark, and have nulls for what is not set", () => {
    expect(message('\ufeff{"prompt":"x","limits":null,"history":null,"model":null}').prompt).toBe("x");
  });

  it("names an unknown field and what was meant, wherever it stands", () => {
    expect(faults('{"promt":"x"}')).toEqual(["promt: is an unknown field; did you mean `prompt`?"]);
    expect(faults('{"prompt":"x","outputSchema":{}}')).toEqual([
      "outputSchema: is an unknown field; did you mean `outputSchemaJson`?",
    ]);
    expect(faults('{"prompt":"x","limits":{"maxCostUsd":0.000001,"max_output_byte":10}}')).toEqual([
      "limits.maxCostUsd: is an unknown field; did you mean `maxCostUsdMicros`?",
      "limits.max_output_byte: is an unknown field; did you mean `max_output_bytes`?",
    ]);
    expect(faults('{"content":[{"text":"x"},{"image":{"mediatype":"image/png"}}],"stream":true}')).toEqual([
      "content[1].image.mediatype: is an unknown field; did you mean `mediaType`?",
      "stream: is an unknown field",
    ]);
  });

  it("names an unknown enum value and the known ones", () => {
    expect(faults('{"prompt":"x","effort":"high"}')).toEqual([
      'effort: must be one of EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX; it is "high"; did you mean `EFFORT_HIGH`?',
    ]);
    expect(faults('{"history":[{"role":"user","text":"x"}]}')[0]).toContain(
      "history[0].role: must be one of ROLE_USER",
    );
    expect(faults('{"effort":"EFFORT_HIHG"}')[0]).toContain("did you mean `EFFORT_HIGH`?");
    expect(faults('{"effort":99}')[0]).toContain("it is 99");
  });

  it("names a value of the wrong type and the right one", () => {
    expect(
      faults(
        '{"prompt":5,"history":{},"labels":[],"limits":[],"model":true,"content":["x",null,{"image":{"data":"no base64!"}}]}',
      ),
    ).toEqual([
      "prompt: must be a string; it is 5",
      "history: must be a list; it is an object",
      "labels: must be an object; it is a list",
      "limits: must be an object; it is a list",
      "model: must be a string; it is true",
      "content[0]: must be an object; it is a string",
      "content[1]: must not be null",
      "content[2].image.data: is not base64 text",
    ]);
    expect(faults('{"limits":{"maxModelCallCount":1.5,"maxOutputBytes":"many","maxDuration":5}}')).toEqual([
      "limits.maxModelCallCount: must be a whole number of 32 bits; it is 1.5",
      'limits.maxOutputBytes: must be a whole number of 64 bits, or a string of one; it is "many"',
      'limits.maxDuration: must be a string of seconds such as "1.5s"; it is 5',
    ]);
    expect(faults('{"labels":{"a":"x","b":1}}')).toEqual(['labels["b"]: must be a string; it is 1']);
    expect(faults("[]")).toEqual(["the request: must be an object; it is a list"]);
  });

  it("may give a field once: not by both of its names, not twice, and of a oneof one", () => {
    expect(faults('{"systemPrompt":"a","system_prompt":"b"}')).toEqual([
      "system_prompt: is the same field as `systemPrompt`: only one of the two may be given",
    ]);
    expect(faults('{"prompt":"a","pro\\u006dpt":"b","limits":{"maxOutputBytes":1,"maxOutputBytes":2}}')).toEqual([
      "prompt: is given twice",
      "limits.maxOutputBytes: is given twice",
    ]);
    expect(faults('{"content":[{"text":"a","image":{}}]}')).toEqual([
      "content[0].image: excludes `text`: only one of the two may be given",
    ]);
  });

  it("may not have __proto__ for a key, and nothing is changed by one", () => {
    expect(faults('{"prompt":"x","labels":{"__proto__":"polluted"}}')).toContain(
      "labels.__proto__: is not the name of a field",
    );
    expect(faults('{"__pro\\u0074o__":{"polluted":true}}')[0]).toBe("__proto__: is not the name of a field");
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("must be UTF-8, and may not have halves of surrogate pairs", () => {
    expect(refusal(Buffer.from('{"prompt":"h\xe9"}', "latin1")).message).toContain("UTF-8");
    expect(refusal(Buffer.from('{"prompt":"x"}', "utf16le")).reason).toBe("INVALID_REQUEST");
    expect(faults('{"prompt":"\\ud83d"}')).toEqual(["prompt: has half of a surrogate pair, which is not text"]);
    expect(faults('{"history":[{"text":"\\ude00\\ud83d"}]}')[0]).toBe(
      "history[0].text: has half of a surrogate pair, which is not text",
    );
    expect(message('{"prompt":"\\ud83d\\ude00 \\\\ud83d \\""}').prompt).toBe('😀 \\ud83d "');
  });

  it("may be told to ignore unknown fields, and then still says what is wrong with known ones", () => {
    const options = { allowUnknownFields: true };
    expect(faults('{"prompt":"x","newer":{"a":[1]},"limits":{"newer":1}}', options)).toEqual([]);
    expect(faults('{"effort":"high","newer":1}', options)).toHaveLength(1);
  });

  it("gets at most a hundred violations", () => {
    const fields = Array.from({ length: 5_000 }, (_, at) => `"x${at}":1`).join(",");
    expect(faults(`{${fields}}`)).toHaveLength(100);
  });

  it.each([
    ["nothing", "", "a value is missing at byte 0"],
    ["half a text", '{"prompt":"x', "a string does not end"],
    ["no value", '{"prompt":}', "a value is missing at byte 10"],
    ["a comma too many", '{"prompt":"x",}', "a key is missing at byte 14"],
    ["no comma", '{"prompt":"x" "model":"y"}', "a comma or } is missing"],
    ["no colon", '{"prompt" "x"}', "a colon is missing"],
    ["single quotes", "{'prompt':'x'}", "a key is missing"],
    ["comments", '{"prompt":"x" /* y */}', "a comma or } is missing"],
    ["something behind it", '{"prompt":"x"} {}', "something follows the end"],
    ["NaN", '{"limits":NaN}', "a value is missing"],
    ["a number that is none", '{"limits":1e}', "cannot be read from JSON"],
    ["a control character", '{"prompt":"\u0001"}', "cannot be read from JSON"],
  ])("is refused when it is no JSON: %s", (_, text, words) => {
    const error = refusal(text);
    expect(error.reason).toBe("INVALID_REQUEST");
    expect(error.message).toContain(words);
  });

  it("has no key of more than 1,024 bytes, and is not parsed if one is longer", () => {
    const long = (count: number) => `${"k".repeat(count)}`;
    expect(faults(`{"labels":{"${long(1_024)}":"x"}}`)).toEqual([]);
    expect(faults(`{"labels":{"${long(1_025)}":"x"}, and no JSON`)).toEqual([
      `labels.${long(64)}…: must have a key of at most 1024 bytes; it has 1025`,
    ]);
  });

  it("is bounded in values and depth before anything is made of it", () => {
    expect(refusal(`{"x":[${"{},".repeat(10_000)}{}]}`)).toMatchObject({
      reason: "REQUEST_TOO_LARGE",
      facts: { limitValueCount: 10_000 },
    });
    expect(refusal("[".repeat(100_000))).toMatchObject({ reason: "INVALID_REQUEST", facts: { limitDepth: 64 } });
  });

  it("keeps the JSON of well-known types", () => {
    const json = '{"a":{"b":[1,null,"x",true]},"c":null}';
    const result = read(json, { desc: StructSchema });
    if ("violations" in result) throw new Error("not taken");
    expect(toJson(StructSchema, result.message as never)).toEqual(JSON.parse(json));
    const any =
      '{"options":[{"name":"x","value":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"y":1}}}]}';
    expect(faults(any, { desc: TypeSchema })).toEqual([]);
    expect(
      faults('{"options":[{"value":{"@type":"type.googleapis.com/no.such.Type"}}]}', { desc: TypeSchema }),
    ).toEqual(['options[0].value: must be an object with "@type"; it is an object']);
  });

  it("is read when and as protobuf reads it, wherever nothing is wrong", () => {
    const key = fc.constantFrom(
      "prompt",
      "effort",
      "limits",
      "maxDuration",
      "maxOutputBytes",
      "history",
      "role",
      "text",
      "content",
      "image",
      "data",
      "labels",
      "system_prompt",
      "systemPrompt",
    );
    const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<JsonValue>(
          null,
          1,
          1.5,
          "1",
          "x",
          "EFFORT_LOW",
          "ROLE_USER",
          "2s",
          "AAAA",
          true,
          7_000_000_000,
        ),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (json) => {
        const strict = read(JSON.stringify(json), { desc: StreamChatRequestSchema });
        let lenient: unknown;
        try {
          lenient = fromJson(StreamChatRequestSchema, json, { registry });
        } catch {
          lenient = undefined;
        }
        expect("violations" in strict ? undefined : strict.message).toEqual(lenient);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is looked over by what JSON.parse takes, whatever the text is", () => {
    const piece = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "\\",
      "\\u0041",
      "a",
      "1",
      "-",
      ".",
      "e",
      "true",
      "null",
      " ",
      "\n",
      "é",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        let isTaken = true;
        try {
          read(text, { desc: StructSchema });
        } catch (error) {
          expect(isRunnerError(error)).toBe(true);
          isTaken = false;
        }
        expect(isTaken).toBe(isJson);
      }),
      { numRuns: 5_000 },
    );
  });
});
