/**
 * What a built-in scenario is, and how one is defined: a name, a line for people, options with a schema, and a function
 * that makes the scenario.
 */
import { z } from "zod";
import type { Conversation, MessagesRequest } from "../conversation.ts";
import {
  type AnswerInput,
  type BlockInput,
  parseAs,
  parseScenario,
  type Scenario,
  type ScenarioInput,
} from "../scenario.ts";

/** What a scenario may look at when it is made. */
export interface Asked {
  readonly request: MessagesRequest;
  readonly conversation: Conversation;
}

export interface BuiltIn {
  readonly name: string;
  readonly description: string;
  /** Whether it looks at the conversation. One that does not is made once for each set of options. */
  readonly looksAtConversation: boolean;
  /** Throws a ScenarioError when the options are not valid. */
  make(options: unknown, asked: Asked): Scenario;
}

export function builtIn<Options extends z.ZodRawShape>(
  name: string,
  description: string,
  options: Options,
  make: (options: z.output<z.ZodObject<Options>>, asked: Asked) => ScenarioInput,
): BuiltIn {
  const schema = z.strictObject(options);
  return {
    name,
    description,
    looksAtConversation: make.length > 1,
    make: (input, asked) =>
      parseScenario(make(parseAs(schema, `the options of scenario ${name}`, input ?? {}), asked), name),
  };
}

/** A scenario whose every model call gets the same. */
export function always(play: AnswerInput): ScenarioInput {
  return { steps: [{ play }] };
}

type MessageOptions = Omit<AnswerInput & { answer: "message" }, "answer" | "blocks">;

export function message(blocks: readonly BlockInput[], options: MessageOptions = {}): AnswerInput {
  return { answer: "message", blocks: [...blocks], ...options };
}

export function text(content: string, options: MessageOptions = {}): AnswerInput {
  return message([{ type: "text", text: content }], options);
}

/** Pauses as options, the same for every scenario that has some. */
export const pauses = {
  beforeHeadersMs: z.number().min(0).default(0),
  beforeFirstEventMs: z.number().min(0).default(0),
  betweenDeltasMs: z.number().min(0).default(0),
  beforeEndMs: z.number().min(0).default(0),
};

/** Token counts as options. */
export const usage = {
  usage: z
    .strictObject({
      inputTokens: z.number().int().min(0).optional(),
      outputTokens: z.number().int().min(0).optional(),
      cacheReadInputTokens: z.number().int().min(0).optional(),
      cacheCreationInputTokens: z.number().int().min(0).optional(),
    })
    .default({}),
};
