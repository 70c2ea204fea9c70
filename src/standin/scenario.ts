/**
 * What the stand-in can be told to answer: the types of a scenario, and the schema that checks one which a person wrote.
 *
 * A scenario knows nothing of conversations: which of its steps is due is counted from each request (`conversation.ts`).
 * Leaves out how a step becomes bytes (`stream.ts`) and when (`play.ts`).
 */
import { z } from "zod";

const ms = () => z.number().min(0).max(86_400_000);
const json = z.json();
const headers = z.record(z.string().min(1), z.string());

/** Tokens as the model API counts them. What is absent is estimated from the sizes of the request and the answer. */
const usage = z.strictObject({
  inputTokens: z.number().int().min(0).optional(),
  outputTokens: z.number().int().min(0).optional(),
  cacheReadInputTokens: z.number().int().min(0).optional(),
  cacheCreationInputTokens: z.number().int().min(0).optional(),
});

/** How a text is cut into deltas: so many characters each, or exactly these pieces. Absent: a few words each. */
const pieces = z.union([z.number().int().min(1), z.array(z.string())]);

const textBlock = z.strictObject({
  type: z.literal("text"),
  text: z.string().default(""),
  deltas: pieces.optional(),
  /** Instead of `text`: so many deltas of so many characters. For load. */
  load: z
    .strictObject({ deltaCount: z.number().int().min(1).max(2_000_000), deltaChars: z.number().int().min(1) })
    .optional(),
  /** Sent as `citations_delta` after the text. */
  citations: z.array(json).optional(),
});

const thinkingBlock = z.strictObject({
  type: z.literal("thinking"),
  thinking: z.string(),
  deltas: pieces.optional(),
  signature: z.string().default("c3RhbmQtaW4="),
  /** On each delta, as models do that keep their thinking to themselves. */
  estimatedTokensPerDelta: z.number().int().min(0).optional(),
});

const redactedThinkingBlock = z.strictObject({ type: z.literal("redacted_thinking"), data: z.string() });

const toolUseBlock = z.strictObject({
  type: z.literal("tool_use"),
  name: z.string().min(1),
  input: z.record(z.string(), json).default({}),
  /** The JSON text to stream instead of `input`; need not be valid. */
  inputJson: z.string().optional(),
  deltas: pieces.optional(),
  /** Absent: a new one for every answer, as it has to be unique in a conversation. */
  id: z.string().optional(),
});

/** Anything else, known to the CLI or not: sent as written. */
const otherBlock = z.strictObject({
  type: z.literal("other"),
  contentBlock: z.looseObject({ type: z.string() }),
  deltas: z.array(z.looseObject({ type: z.string() })).default([]),
});

const block = z.discriminatedUnion("type", [textBlock, thinkingBlock, redactedThinkingBlock, toolUseBlock, otherBlock]);

/** Where a stream breaks, and how. */
const breakage = z.strictObject({
  /** Complete blocks before the break. */
  afterBlocks: z.number().int().min(0).default(0),
  /** Deltas of the next block before the break. */
  afterDeltas: z.number().int().min(0).default(1),
  how: z.enum([
    /** The connection is reset. */
    "reset",
    /** The connection is closed in mid-body. */
    "close",
    /** The body ends properly, but too early. */
    "end",
    /** An SSE `error` event, then the end. */
    "error",
    /** An event whose data is no JSON, then the end. */
    "malformed",
    /** A line that is no SSE field; the stream goes on. */
    "garbage",
    /** No more bytes, for ever. */
    "stall",
    /** Only pings, for ever. */
    "pings",
  ]),
  errorType: z.string().default("overloaded_error"),
  errorMessage: z.string().default("Overloaded"),
  pingIntervalMs: ms().min(1).default(1_000),
});

const messageAnswer = z.strictObject({
  answer: z.literal("message"),
  blocks: z.array(block),
  stopReason: z.string().default("end_turn"),
  stopSequence: z.string().optional(),
  stopDetails: z.record(z.string(), json).optional(),
  usage: usage.default({}),
  headers: headers.default({}),
  /** Before the response's headers. */
  beforeHeadersMs: ms().default(0),
  /** Between the headers and the first event. */
  beforeFirstEventMs: ms().default(0),
  /** Between one delta and the next; fractions are kept on average. */
  betweenDeltasMs: ms().default(0),
  /** Between the last delta and the end of the message. */
  beforeEndMs: ms().default(0),
  breaks: breakage.optional(),
});

const errorAnswer = z.strictObject({
  answer: z.literal("error"),
  status: z.number().int().min(400).max(599),
  /** Absent: the API's own type for the status. */
  type: z.string().optional(),
  message: z.string().optional(),
  headers: headers.default({}),
  beforeHeadersMs: ms().default(0),
});

const bodyAnswer = z.strictObject({
  answer: z.literal("body"),
  status: z.number().int().min(200).max(599).default(200),
  contentType: z.string().default("text/html; charset=utf-8"),
  body: z.string().default(""),
  headers: headers.default({}),
  beforeHeadersMs: ms().default(0),
});

/** The request is taken and never answered. */
const silenceAnswer = z.strictObject({ answer: z.literal("silence") });

/** The connection ends before any header: reset, or closed. */
const dropAnswer = z.strictObject({
  answer: z.literal("drop"),
  how: z.enum(["reset", "close"]).default("reset"),
  beforeHeadersMs: ms().default(0),
});

const answer = z.discriminatedUnion("answer", [messageAnswer, errorAnswer, bodyAnswer, silenceAnswer, dropAnswer]);

/** What a conversation gets for one model call. */
const step = z.strictObject({
  play: answer,
  /** For a request with `stream: false`. Absent: `play`, a message whole and without its breakage. */
  whenNotStreaming: answer.optional(),
  /** So many requests get something else first. Counted for each session and prompt; starts anew after a success. */
  failsFirst: z.strictObject({ times: z.number().int().min(1), play: answer }).optional(),
});

export const scenarioSchema = z.strictObject({
  /** One for each model call of a turn. A turn with more calls gets the last one again. */
  steps: z.array(step).min(1),
});

export type Block = z.output<typeof block>;
export type TextBlock = z.output<typeof textBlock>;
export type Breakage = z.output<typeof breakage>;
export type MessageAnswer = z.output<typeof messageAnswer>;
export type ErrorAnswer = z.output<typeof errorAnswer>;
export type Answer = z.output<typeof answer>;
export type Step = z.output<typeof step>;
/** A complete scenario: each default is filled in. */
export type Scenario = z.output<typeof scenarioSchema> & { readonly name?: string };
/** A scenario as a person writes it. */
export type ScenarioInput = z.input<typeof scenarioSchema>;
export type AnswerInput = z.input<typeof answer>;
export type BlockInput = z.input<typeof block>;

/** A scenario, a rule or an option is not as it should be; the message says where and what. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

/** Checks what a person wrote against a schema. Throws a ScenarioError that names every fault by its path. */
export function parseAs<T>(schema: z.ZodType<T>, what: string, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${pathOf(issue.path)}: ${issue.message}`);
  throw new ScenarioError(`${what} is not valid: ${faults.join("; ")}`);
}

/** Checks a scenario and fills in its defaults. */
export function parseScenario(input: unknown, name?: string): Scenario {
  const scenario = parseAs(scenarioSchema, name === undefined ? "the scenario" : `scenario ${name}`, input);
  return name === undefined ? scenario : { ...scenario, name };
}

function pathOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(whole)";
  return path
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "");
}
