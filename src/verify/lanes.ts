/**
 * The ways in which workers are launched for the suite: cases of one lane follow each other on the same worker, lanes run
 * side by side. Data only.
 */
import type { z } from "zod";
import type { settingsSchema } from "../config/settings.ts";
import type { Binding } from "../turn.ts";

export type LaneName = "plain" | "waiting" | "schema" | "tools";

type ProfileInput = NonNullable<NonNullable<z.input<typeof settingsSchema>["profiles"]>[string]>;

export interface LaneSpec {
  readonly binding: Binding;
  readonly profile: ProfileInput;
  /** Whether tools work in a folder of its own. */
  readonly hasWorkspace: boolean;
  /** What answers a prompt to which a case gives no answer of its own. Default: a short text. */
  readonly usualScenario?: string;
}

/** Of no consequence: nobody but the stand-in is asked. */
export const models = { usual: "claude-opus-5-5", other: "claude-haiku-4-5" } as const;

export const outputSchema = {
  type: "object",
  properties: { answer: { type: "string" } },
  required: ["answer"],
  additionalProperties: false,
} as const;

const systemPrompt = "You are being verified. Answer in a few words.";
/** One retry: a failure that lasts is waited for once, which takes half a second. */
const base = { credential: "verify", model: models.usual, effort: "medium", upstreamMaxRetries: 1 } as const;
const withTools = {
  ...base,
  tools: ["Bash", "Read", "Edit"],
  // Not `touch`, so that something is denied.
  allowedTools: ["Bash(echo *)", "Bash(cd *)", "Bash(export *)", "Bash(sleep *)", "Read", "Edit"],
  isolation: "none" as const,
  tenant: "verify",
  reuse: true,
};

const plain: LaneSpec = { binding: { systemPrompt }, profile: base, hasWorkspace: false };
const tools: LaneSpec = { binding: { systemPrompt }, profile: withTools, hasWorkspace: true };

/** Of sessions, each of which has its workers for itself. */
export const sessionLane: LaneSpec = {
  ...tools,
  profile: { ...withTools, allowedTools: withTools.tools, allowedModels: [models.other] },
};

export const lanes: Readonly<Record<LaneName, LaneSpec>> = {
  /** Cases that mostly wait, so that others need not wait for them. */
  waiting: plain,
  plain,
  schema: {
    ...plain,
    binding: { systemPrompt, outputSchemaJson: JSON.stringify(outputSchema) },
    usualScenario: "structured",
  },
  tools,
};
