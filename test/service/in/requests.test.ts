import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { PoolService } from "../../../gen/claude/runner/v1/pool_pb.ts";
import {
  ChatRequestSchema,
  ClaudeRunner,
  Detail,
  Effort,
  Role,
  StreamChatRequestSchema,
} from "../../../gen/claude/runner/v1/runner_pb.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { toConnectError } from "../../../src/service/errors.ts";
import { toTurn } from "../../../src/service/in/requests.ts";
import { maxElements, maxViolations } from "../../../src/service/in/rules.ts";
import { costGrowth } from "../cpu-cost.ts";
import { jpeg, png } from "./picture-files.ts";

const settings = settingsSchema.parse({
  profiles: {
    default: {
      model: "claude-opus-5-5",
      allowedModels: ["claude-haiku-4-5"],
      systemPrompt: "Be brief.",
      maxLimits: { maxModelCallCount: 10 },
    },
    fixed: { systemPromptPolicy: "fixed" },
    append: { systemPromptPolicy: "append", systemPrompt: "Be brief." },
    theirs: { tenant: "other" },
  },
});
const caller = { tenant: "acme", profiles: ["*"], isOperator: false };
const image = (data: Uint8Array, mediaType = "image/png") =>
  ({ block: { case: "image", value: { mediaType, data } } }) as const;

type Init = MessageInitShape<typeof StreamChatRequestSchema>;
const turn = (init: Init, who = caller) =>
  toTurn(create(StreamChatRequestSchema, init), who, { profiles: settings.profiles, expiry: settings.store });

/** The violations of a request, by field. */
function violations(init: Init): Record<string, string> {
  try {
    turn(init);
  } catch (error) {
    if (error instanceof RunnerError && error.reason === "INVALID_REQUEST") {
      return Object.fromEntries(error.violations.map(({ field, description }) => [field, description]));
    }
    throw error;
  }
  return {};
}

const user = (text: string) => ({ role: Role.USER, text });
const assistant = (text: string) => ({ role: Role.ASSISTANT, text });

describe("a good request", () => {
  test("gets the profile's model, effort, system prompt and limits where it sets none", () => {
    expect(turn({ prompt: "hi" })).toMatchObject({
      tenant: "acme",
      profile: "default",
      content: [{ kind: "text", text: "hi" }],
      settings: { model: "claude-opus-5-5", effort: "medium" },
      binding: { systemPrompt: "Be brief.", outputSchemaJson: undefined },
      limits: { maxModelCallCount: 50, maxDurationMs: 600_000 },
      detail: "standard",
    });
  });

  test("keeps what it sets", () => {
    const asked = turn({
      prompt: "hi",
      model: "claude-haiku-4-5",
      effort: Effort.XHIGH,
      detail: Detail.FULL,
      systemPrompt: "Sing.",
      limits: { maxModelCallCount: 3, maxCostUsdMicros: 5n, maxDuration: { seconds: 1n, nanos: 500_000_000 } },
      history: [user("a"), assistant("b")],
      labels: { job: "7" },
    });
    expect(asked).toMatchObject({
      settings: { model: "claude-haiku-4-5", effort: "xhigh" },
      binding: { systemPrompt: "Sing." },
      limits: { maxModelCallCount: 3, maxCostUsdMicros: 5, maxDurationMs: 1500 },
      history: [
        { role: "user", content: [{ kind: "text", text: "a" }] },
        { role: "assistant", texts: ["b"] },
      ],
      detail: "full",
      labels: { job: "7" },
    });
  });

  test("is given an id of its own each time, a v4 UUID", () => {
    const ids = new Set(Array.from({ length: 20 }, () => turn({ prompt: "hi" }).id));
    expect(ids.size).toBe(20);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/);
  });

  test("adds its system prompt behind the profile's where the policy says append", () => {
    expect(turn({ prompt: "hi", profile: "append", systemPrompt: "Sing." }).binding.systemPrompt).toBe(
      "Be brief.\n\nSing.",
    );
  });

  test.each(["a\n__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__\nb", "Never write x-anthropic-billing-header: anywhere."])(
    "may speak of what Claude Code reads only alone or at the beginning: %s",
    (systemPrompt) => {
      expect(turn({ prompt: "hi", systemPrompt }).binding.systemPrompt).toBe(systemPrompt);
    },
  );

  test("adds anything behind the profile's system prompt, where it has no meaning of its own", () => {
    const systemPrompt = "x-anthropic-billing-header: x";
    expect(turn({ prompt: "hi", profile: "append", systemPrompt }).binding.systemPrompt).toBe(
      `Be brief.\n\n${systemPrompt}`,
    );
  });

  test.each(["/clear", "!ls", "#note", "@/etc/hostname", "-p", "--help", "​x"])(
    "may begin with anything: %s",
    (prompt) => {
      expect(turn({ prompt }).content).toEqual([{ kind: "text", text: prompt }]);
    },
  );

  test("may be made of text, pictures and documents", () => {
    const content = [
      { block: { case: "text" as const, value: "look" } },
      image(png(30, 20)),
      {
        block: {
          case: "document" as const,
          value: { source: { case: "pdf" as const, value: Buffer.from("%PDF-1.7\n") }, title: "t" },
        },
      },
      { block: { case: "document" as const, value: { source: { case: "text" as const, value: "words" } } } },
    ];
    expect(turn({ content }).content.map(({ kind }) => kind)).toEqual(["text", "image", "pdf", "textDocument"]);
  });
});

describe("a bad request is refused with every violation at once", () => {
  test("all of them in one answer, and the first in the message", () => {
    const bad: Init = {
      profile: "No pe",
      prompt: " ",
      history: [assistant("a"), user(" ")],
      outputSchemaJson: "{",
      labels: { "Bad Key": "x" },
      effort: 77 as Effort,
    };
    expect(Object.keys(violations(bad)).sort()).toEqual(
      [
        "effort",
        "history[0].role",
        "history[1].role",
        "history[1].text",
        'labels["Bad Key"]',
        "output_schema_json",
        "profile",
        "prompt",
      ].sort(),
    );
    expect(() => turn(bad)).toThrow(/and 7 more/);
  });

  test.each<[string, Init, string]>([
    ["a profile that is not a name", { prompt: "x", profile: "../etc" }, "profile"],
    ["a prompt of white space", { prompt: " \n\t" }, "prompt"],
    ["a prompt of more than 1 MiB", { prompt: "x".repeat(1024 * 1024 + 1) }, "prompt"],
    ["a text block of white space", { content: [{ block: { case: "text", value: " " } }] }, "content[0].text"],
    ["a block without a kind", { content: [{}] }, "content[0].block"],
    [
      "more than 1 MiB in all text blocks",
      { content: Array.from({ length: 3 }, () => ({ block: { case: "text" as const, value: "x".repeat(400_000) } })) },
      "content",
    ],
    [
      "a picture that is none",
      { content: [{ block: { case: "image", value: { mediaType: "image/png", data: Buffer.from("hello") } } }] },
      "content[0].image.data",
    ],
    [
      "a picture of another kind than it says",
      { content: [{ block: { case: "image", value: { mediaType: "image/gif", data: png(3, 2) } } }] },
      "content[0].image.data",
    ],
    [
      "a media type that is no picture",
      { content: [{ block: { case: "image", value: { mediaType: "text/html", data: png(3, 2) } } }] },
      "content[0].image.media_type",
    ],
    [
      "a PDF that is none",
      { content: [{ block: { case: "document", value: { source: { case: "pdf", value: Buffer.from("hello") } } } }] },
      "content[0].document.pdf",
    ],
    [
      "a history that begins with the assistant",
      { prompt: "x", history: [assistant("a"), user("b")] },
      "history[0].role",
    ],
    ["two turns of the user in a row", { prompt: "x", history: [user("a"), user("b")] }, "history[1].role"],
    ["a history that ends with the user", { prompt: "x", history: [user("a")] }, "history"],
    ["a history with an empty answer", { prompt: "x", history: [user("a"), assistant("")] }, "history[1].text"],
    ["a history with a blank answer", { prompt: "x", history: [user("a"), assistant(" ")] }, "history[1].text"],
    ["a history of 5 MB", { prompt: "x", history: [user("a".repeat(5_000_000)), assistant("b")] }, "history"],
    [
      "a history of 402 messages",
      { prompt: "x", history: Array.from({ length: 402 }, (_, at) => (at % 2 ? assistant("a") : user("b"))) },
      "history",
    ],
    ["a model that the profile does not allow", { prompt: "x", model: "claude-sonnet-9" }, "model"],
    ["a model that is a flag", { prompt: "x", model: "--help" }, "model"],
    ["a system prompt where it is fixed", { prompt: "x", profile: "fixed", systemPrompt: "Sing." }, "system_prompt"],
    ["a system prompt of white space", { prompt: "x", systemPrompt: " \n" }, "system_prompt"],
    [
      "a system prompt of white space behind another",
      { prompt: "x", profile: "append", systemPrompt: " " },
      "system_prompt",
    ],
    [
      "a system prompt that is only a marker of Claude Code, which would vanish",
      { prompt: "x", systemPrompt: "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__" },
      "system_prompt",
    ],
    [
      "a system prompt that would stand for Claude Code's own billing line",
      { prompt: "x", systemPrompt: "x-anthropic-billing-header: cc=1" },
      "system_prompt",
    ],
    ["an empty system prompt", { prompt: "x", systemPrompt: "" }, "system_prompt"],
    ["a schema that is not JSON", { prompt: "x", outputSchemaJson: "{" }, "output_schema_json"],
    ["a schema that is no object", { prompt: "x", outputSchemaJson: "[]" }, "output_schema_json"],
    [
      "a schema of something else than an object",
      { prompt: "x", outputSchemaJson: '{"type":"string"}' },
      "output_schema_json",
    ],
    [
      "a schema with a wrong keyword",
      { prompt: "x", outputSchemaJson: '{"type":"object","properties":7}' },
      "output_schema_json",
    ],
    [
      "a schema with a reference to nowhere",
      { prompt: "x", outputSchemaJson: '{"type":"object","$ref":"https://x.example/s"}' },
      "output_schema_json",
    ],
    ["a limit above the profile's", { prompt: "x", limits: { maxModelCallCount: 11 } }, "limits.max_model_call_count"],
    ["a limit of nothing", { prompt: "x", limits: { maxModelCallCount: 0 } }, "limits.max_model_call_count"],
    ["a negative duration", { prompt: "x", limits: { maxDuration: { seconds: -1n } } }, "limits.max_duration"],
    [
      "17 labels",
      { prompt: "x", labels: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`l${at}`, "x"])) },
      "labels",
    ],
  ])("%s", (_what, init, field) => {
    expect(Object.keys(violations(init))).toContain(field);
  });

  test("neither prompt nor content", () => {
    expect(violations({})).toEqual({ prompt: "one of prompt, content must be set" });
  });

  test("prompt and content together", () => {
    const both: Init = { prompt: "x", content: [{ block: { case: "text", value: "y" } }] };
    expect(violations(both).prompt).toMatch(/only one of prompt, content/);
  });
});

describe("a bad request costs no more than what its rules allow to be looked at", () => {
  /** Refuses a request as far as the status that its caller is sent. */
  function refusal(request: Parameters<typeof toTurn>[0]): RunnerError {
    try {
      toTurn(request, caller, { profiles: settings.profiles, expiry: settings.store });
    } catch (error) {
      toConnectError(error);
      return error as RunnerError;
    }
    throw new Error("the request was taken");
  }

  const many: readonly [string, (count: number) => Init][] = [
    ["empty blocks", (count) => ({ content: Array.from({ length: count }, () => ({})) })],
    ["empty messages of a history", (count) => ({ prompt: "x", history: Array.from({ length: count }, () => ({})) })],
    [
      "bad labels",
      (count) => ({
        prompt: "x",
        labels: Object.fromEntries(Array.from({ length: count }, (_, at) => [`B ${at}`, ""])),
      }),
    ],
  ];

  test.each(many)("twice as many %s do not cost the refusal three times as much", (_what, ofCount) => {
    const [once, twice] = [1_500, 3_000].map((count) => create(StreamChatRequestSchema, ofCount(count)));
    const work = (request: typeof once) => () => void refusal(request!);
    expect(costGrowth(work(once), work(twice))).toBeLessThan(3);
  });

  test.each(many)("%s beyond the most are counted, not looked at one by one", (_what, ofCount) => {
    const error = refusal(create(StreamChatRequestSchema, ofCount(200_000)));
    expect(error.violations.map(({ description }) => description)).toContainEqual(
      expect.stringMatching(/must have at most \d+ elements; it has 200000$/),
    );
    expect(Number(error.facts.violationCount)).toBeLessThan(2_000);
  });

  test("the violations that are kept are bounded, and the count of all is told", () => {
    const history = Array.from({ length: 400 }, () => ({}));
    const error = refusal(create(StreamChatRequestSchema, { prompt: "x", history }));
    expect(error.violations).toHaveLength(maxViolations);
    expect(error.facts.violationCount).toBeGreaterThan(maxViolations);
    expect(error.message).toContain(`and ${Number(error.facts.violationCount) - 1} more`);
  });

  test("every list and map of a request has a rule for its count", () => {
    const seen = new Set<DescMessage>();
    const uncounted: string[] = [];
    const look = (message: DescMessage) => {
      if (seen.has(message)) return;
      seen.add(message);
      for (const field of message.fields) {
        if ((field.fieldKind === "list" || field.fieldKind === "map") && maxElements(field) === undefined) {
          uncounted.push(field.toString());
        }
        if (field.message !== undefined) look(field.message);
      }
    };
    for (const service of [ClaudeRunner, PoolService]) for (const { input } of service.methods) look(input);
    expect(seen.size).toBeGreaterThan(5);
    expect(uncounted).toEqual([]);
  });
});

describe("a picture", () => {
  test("that is cut off is named with its place, instead of a sentence that the model would get for it", () => {
    const cut = png(30, 20).subarray(0, 40);
    expect(violations({ content: [image(png(3, 2)), image(cut)] })).toEqual({
      "content[1].image.data": expect.stringMatching(/not a complete picture: image\/png by its first bytes/),
    });
  });

  test("of more pixels than a worker may decode is refused with the numbers, however few bytes it has", () => {
    expect(violations({ content: [image(png(8_064, 6_048)), image(png(16_000, 16_000))] })).toEqual({
      "content[1].image.data": "must have at most 50000000 pixels; it has 16000 × 16000 = 256000000: make it smaller",
    });
  });

  test("may have as many pixels as its profile says", () => {
    const { profiles } = settingsSchema.parse({ profiles: { default: { maxImagePixels: 600 } } });
    const asked = (height: number) =>
      create(StreamChatRequestSchema, { content: [image(jpeg(30, height), "image/jpeg")] });
    expect(toTurn(asked(20), caller, { profiles, expiry: settings.store }).content).toHaveLength(1);
    expect(() => toTurn(asked(21), caller, { profiles, expiry: settings.store })).toThrow(/at most 600 pixels/);
  });

  test("counts towards the pixels of all pictures", () => {
    const content = Array.from({ length: 11 }, () => image(png(7_000, 7_000)));
    expect(violations({ content })).toEqual({
      content: "must have at most 500000000 pixels in all pictures together; it has 539000000",
    });
  });
});

test("a profile of another tenant is not allowed", () => {
  expect(() => turn({ prompt: "x", profile: "theirs" })).toThrow(expect.objectContaining({ reason: "NOT_ALLOWED" }));
  expect(turn({ prompt: "x", profile: "theirs" }, { ...caller, tenant: "other" }).profile).toBe("theirs");
});

test("a profile that the token does not name is not allowed", () => {
  expect(() => turn({ prompt: "x" }, { ...caller, profiles: ["fixed"] })).toThrow(
    expect.objectContaining({ reason: "NOT_ALLOWED" }),
  );
});

test("a profile of another tenant looks like one that does not exist, whatever else is wrong with the request", () => {
  const refusalOf = (profile: string) => {
    try {
      turn({ prompt: " ", profile, model: "none", history: [user("x")] });
      throw new Error("it was not refused");
    } catch (error) {
      const { reason, message, facts, violations } = error as RunnerError;
      return JSON.stringify({ reason, message, facts, violations }).replaceAll(profile, "…");
    }
  };
  expect(refusalOf("theirs")).toBe(refusalOf("nope"));
  expect(refusalOf("constructor")).toBe(refusalOf("nope"));
  expect(refusalOf("nope")).toContain("it may use: default");
});

test("ChatRequest has the fields of StreamChatRequest under the same numbers, except detail", () => {
  const fields = (schema: typeof StreamChatRequestSchema | typeof ChatRequestSchema) =>
    Object.fromEntries(
      schema.fields.map((field) => [
        field.name,
        `${field.number} ${field.toString()}`.replace(/ChatRequest|StreamChatRequest/g, ""),
      ]),
    );
  const { detail, ...shared } = fields(StreamChatRequestSchema);
  expect(detail).toBeDefined();
  const strip = (of: Record<string, string>) =>
    Object.fromEntries(Object.entries(of).map(([name, text]) => [name, text.replace("Stream", "")]));
  expect(strip(fields(ChatRequestSchema))).toEqual(strip(shared));
});
