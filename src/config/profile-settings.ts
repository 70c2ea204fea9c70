/**
 * The settings of profiles and of the credentials that they use: what callers choose from, and where the model API is.
 */
import { z } from "zod";
import { systemPromptProblem } from "../system-prompt.ts";
import { baseUrlProblem } from "./base-url.ts";
import { about, cores, essential, file, mebibytes, ms, name, variable } from "./setting-parts.ts";

const limits = z.strictObject({
  maxModelCallCount: about(
    z.number().int().min(1).max(1000).optional(),
    "The most model calls of one turn. Absent: no bound.",
  ),
  maxCostUsdMicros: about(
    z.number().int().min(1).optional(),
    "The most that one turn may cost by Claude Code's estimate, in millionths of a US dollar. Absent: no bound.",
  ),
  maxOutputBytes: about(
    z.number().int().min(1).optional(),
    "The most text, thinking and tool input that the model may write in one turn, in bytes. Absent: no bound.",
  ),
  maxDurationMs: about(
    ms().min(1).optional(),
    "The longest time from the prompt to the result, in milliseconds. Absent: no bound.",
  ),
});

/** What a credential may hand to workers: nothing that changes how the CLI works, only where and how it reaches a model. */
const passable =
  /^((AWS|ANTHROPIC|GOOGLE|VERTEX_REGION)_[A-Z0-9_]+|CLAUDE_CODE_USE_(BEDROCK|VERTEX|FOUNDRY)|CLAUDE_CODE_SKIP_(BEDROCK|VERTEX|FOUNDRY)_AUTH|CLOUD_ML_REGION|HTTPS?_PROXY|NO_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/;

function notPassable(name: string): string {
  if (/OAUTH_TOKEN/.test(name)) {
    return "no personal subscription, because its token is not supported: use an API key, a gateway's bearer token, Bedrock, Vertex or Foundry";
  }
  return "only variables of Bedrock, Vertex, Foundry, the model API, proxies and certificate authorities";
}

/** What is wrong with it says `base-url.ts`, for variables as well. */
const baseUrl = z.string().check((context) => {
  const problem = baseUrlProblem(context.value);
  if (problem !== undefined) context.issues.push({ code: "custom", input: context.value, message: problem });
});

export const credential = z.strictObject({
  baseUrl: essential(
    baseUrl.optional(),
    "The address of the model API, without the `/v1/messages` that Claude Code adds. Absent: Anthropic's API.",
    "Set it for a gateway, a proxy or the stand-in.",
  ),
  baseUrlEnv: about(variable.optional(), "The environment variable of the server that holds the base URL."),
  apiKeyEnv: essential(variable.optional(), "The environment variable of the server that holds the API key."),
  apiKeyFile: about(
    file.optional(),
    "The file that holds the API key. White space around it is ignored. A change of the file applies from the next turn on.",
  ),
  authTokenEnv: about(
    variable.optional(),
    "The environment variable of the server that holds a bearer token for the model API, as gateways expect it.",
  ),
  authTokenFile: about(
    file.optional(),
    "The file that holds a bearer token for the model API. It is read like `apiKeyFile`.",
  ),
  passEnv: about(
    z.array(z.string().regex(passable, { error: ({ input }) => notPassable(String(input)) })).default([]),
    "Variables of the server's environment that are passed to workers: those for Bedrock, Vertex, Foundry, a proxy or a private certificate authority. Paths in them must exist; they are made absolute.",
    "For Bedrock: CLAUDE_CODE_USE_BEDROCK, AWS_REGION and either AWS_PROFILE or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. For Foundry: CLAUDE_CODE_USE_FOUNDRY, ANTHROPIC_FOUNDRY_RESOURCE, ANTHROPIC_FOUNDRY_API_KEY. For Vertex: CLAUDE_CODE_USE_VERTEX, CLOUD_ML_REGION, ANTHROPIC_VERTEX_PROJECT_ID, GOOGLE_APPLICATION_CREDENTIALS. Behind a proxy: HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS.",
  ),
});

export const profile = z.strictObject({
  description: about(z.string().max(500).default(""), "What the profile is for. GetInfo shows it."),
  credential: about(name.default("default"), "The name of the credential that its workers use, from `credentials`."),
  tenant: about(
    name.optional(),
    "The only tenant that may use the profile. Absent: every tenant whose token allows it.",
    "Required with `isolation: none`.",
  ),
  model: essential(
    z.string().min(1).max(128).default("claude-opus-5-5"),
    "The model for requests that name none, by its full name.",
  ),
  allowedModels: about(
    z.array(z.string().min(1).max(128)).default([]),
    "Other models that a request may name, in addition to `model`.",
  ),
  effort: about(
    z.enum(["low", "medium", "high", "xhigh", "max"]).default("medium"),
    "The effort for requests that name none.",
  ),
  systemPrompt: essential(
    z
      .string()
      .min(1)
      .max(262_144)
      .superRefine((text, context) => {
        const problem = text === "" ? undefined : systemPromptProblem(text);
        if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
      })
      .default("You are a helpful assistant."),
    "The system prompt for requests that set none.",
  ),
  systemPromptPolicy: about(
    z.enum(["fixed", "append", "replace"]).default("replace"),
    "What happens to a request's system prompt: `fixed` refuses it, `append` adds it after the profile's, `replace` uses it in place of the profile's.",
    "Set `fixed` if callers must not change the role. All turns without an output schema can then use the same workers.",
  ),
  tools: about(
    z.array(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/)).default([]),
    "The built-in tools that Claude may use, such as Bash, Read, Edit. None by default.",
    "Requires `workspace` and `isolation`. Built-in tools can read everything that the server's user can read.",
  ),
  allowedTools: about(
    z
      .array(
        z
          .string()
          .min(1)
          .max(256)
          .refine((rule) => !rule.startsWith("-") && !rule.includes("\0"), "a permission rule, not a flag"),
      )
      .default([]),
    "Permission rules for what runs without asking, such as `Bash(git log *)`. Absent: all tools in `tools`.",
  ),
  permissionMode: about(
    z.enum(["default", "dontAsk", "acceptEdits", "plan"]).default("dontAsk"),
    "Claude Code's permission mode. Nobody can be asked, so whatever is not allowed is denied, even under `default`, which would ask.",
  ),
  workspace: about(
    z
      .strictObject({
        path: about(z.string().startsWith("/"), "The folder in which tools work. An absolute path that must exist."),
        access: about(
          z.enum(["read-only", "read-write"]).default("read-write"),
          "`read-write` allows one turn at a time. `read-only` allows many, and the server does not start if `tools` has one that writes.",
        ),
      })
      .optional(),
    "The place where tools work.",
  ),
  isolation: about(
    z.enum(["none", "sandbox"]).optional(),
    "What separates tools from the rest of the machine. `none` means nothing: it is allowed for one named tenant, with a warning at start. `sandbox` does not exist yet and is refused.",
  ),
  reuse: about(
    z.boolean().optional(),
    "Whether a worker serves many turns of its tenant, with a reset that leaves nothing behind between them. By default yes without tools, no with tools.",
    "Switch it off if you want one process per turn, whatever it costs.",
    "true without tools, false with tools",
  ),
  acceptClearResidue: about(
    z.boolean().default(false),
    "Whether a worker may be reset with /clear if its version of Claude Code cannot rewind. /clear leaves three short blocks about itself in the next prompt.",
  ),
  minSpares: essential(
    z.number().int().min(0).max(256).default(2),
    "The number of started workers to keep ready for new tenants and new system prompts. 0 switches spares off, so that turns without a worker to reuse wait for a start. At most as many as the profile may have workers, which is one with a `read-write` workspace.",
    "Raise it if `started` often reports COLD_NO_SPARE. Each spare takes about 100 MB.",
  ),
  maxWorkers: essential(
    z
      .number()
      .int()
      .min(1)
      .max(1024)
      .default(Math.max(8, 4 * cores)),
    "The most workers of this profile at once, which is also the most turns that can run at once.",
    "`pool.memoryBudgetBytes` bounds all profiles together.",
    "4 per core, at least 8",
  ),
  keptPlaces: about(
    z.number().int().min(0).max(1024).default(1),
    "The number of workers, out of `maxWorkers`, that are kept for tenants without a running turn, so that long turns of one tenant never make another wait for its first. Applies if tokens of several tenants may name the profile; at least one worker is always open to all.",
    "Set 0 if one tenant may use every worker; raise it if many tenants call seldom.",
  ),
  keepConversationMs: about(
    ms().default(300_000),
    "How long an idle worker keeps the conversation of a session without tools, in milliseconds, so that the session's next turn goes on at once. 0: the worker is reset when its turn ends. Turns without a session are never kept.",
    "A kept worker stays available: if another turn with the same system prompt needs it, it is reset first, which takes milliseconds. It still ends after `pool.boundIdleTimeoutMs`. Set 0 if no conversation may stay in memory longer than its turn.",
  ),
  contextNoticeTokens: about(
    z.number().int().min(1).optional(),
    "The size of a session's conversation, in tokens, from which on its turns say that the model's context window fills up. Absent: 75 % of the window.",
  ),
  contextFullTokens: about(
    z.number().int().min(1).optional(),
    "The size of a session's conversation, in tokens, from which on further turns fail with CONTEXT_FULL. Absent: 85 % of the model's context window.",
    "It is compared with the usage of the last turn plus an estimate of the new prompt. At most 85 % of the smallest window among the profile's models leaves room for answers.",
  ),
  onIncomplete: about(
    z.enum(["keep", "drop"]).default("keep"),
    "What becomes of a turn of a session with tools that did not complete. `keep`: it stays in the conversation as Claude Code closes it, since what its tools did stands. `drop`: the conversation goes back to the turn before; what the tools did stays done.",
  ),
  onContextFull: about(
    z.enum(["refuse", "compact"]).default("compact"),
    "What becomes of a session with tools whose conversation gets too long for the model. `compact`: Claude Code replaces it by a summary, and goes on. `refuse`: further turns fail with CONTEXT_FULL, as in a session without tools.",
  ),
  parkedIdleMs: about(
    ms().default(600_000),
    "How long the worker of a session with tools waits for the session's next turn, in milliseconds. After that, or when its place is needed, it ends, and the next turn starts a process that resumes the transcript. 0: it ends with its turn.",
    "A parked worker takes about 100 MB. Turns on it begin three times as fast as on one that resumes.",
  ),
  maxParkedWorkers: about(
    z.number().int().min(0).max(1024).optional(),
    "The most workers of sessions with tools that wait for their session's next turn at once. The one that has waited longest is ended for another. At most as many as the profile may have workers.",
    undefined,
    "a quarter of the profile's workers, at least 1",
  ),
  defaultLimits: about(
    limits.prefault({ maxModelCallCount: 50, maxOutputBytes: 8 * mebibytes, maxDurationMs: 600_000 }),
    "The bounds of turns whose request sets none.",
  ),
  maxLimits: about(
    limits.prefault({ maxModelCallCount: 200, maxOutputBytes: 64 * mebibytes, maxDurationMs: 3_600_000 }),
    "The largest bounds that a request may ask for.",
  ),
  storeContent: about(
    z.enum(["full", "none"]).default("full"),
    "Whether words of this profile's turns may be written to the store: `full`, only those of sessions, of turns with a `request_id` (the result) and of turns that go on without their caller (the events). `none`: none at all, so that requests for these three are refused.",
    "Set `none` if nothing that callers say may be on the server's disk.",
  ),
  maxImagePixels: about(
    z.number().int().min(1).default(50_000_000),
    "The most pixels, width times height, that one picture of a request may have. All pictures of a request together may have ten times as many.",
    "While a worker decodes a picture it needs about 5 bytes of memory for each pixel, whatever the size of the file: 250 MB for 50 million pixels. Claude Code makes large pictures smaller before the model sees them.",
  ),
  upstreamMaxRetries: about(
    z.number().int().min(0).max(10).default(2),
    "How often Claude Code repeats a failed request to the model API.",
    "Claude Code's own default of 10 can keep a caller waiting for three minutes.",
  ),
  upstreamTimeoutMs: about(
    ms().min(1000).default(60_000),
    "How long Claude Code waits for the response headers of the model API in each attempt, in milliseconds.",
  ),
  upstreamIdleTimeoutMs: about(
    ms(1_800_000).min(10_000).default(120_000),
    "How long Claude Code waits for the next byte of an answer, in milliseconds. After that it sends the request again, which may be charged again: once as before, then once without streaming. A stream reports this as a notice.",
    "Raise it if a model or a gateway can be silent for longer before its first word. The server waits for twice this time plus `upstreamTimeoutMs` plus 10 seconds, then ends the turn with UPSTREAM_TIMEOUT. `limits.maxDurationMs` and the caller's deadline may end it earlier.",
  ),
});

export type ProfileSettings = z.output<typeof profile>;
export type CredentialSettings = z.output<typeof credential>;

/** How many workers and spares a profile can have: in a folder that is written to, turns run one at a time. */
export function workerBounds({ workspace, maxWorkers, minSpares }: ProfileSettings): {
  readonly maxWorkers: number;
  readonly minSpares: number;
} {
  const most = workspace?.access === "read-write" ? 1 : maxWorkers;
  return { maxWorkers: most, minSpares: Math.min(minSpares, most) };
}

/** Whether workers of a profile serve more than one turn. */
export function reusesWorkers(settings: ProfileSettings): boolean {
  return settings.reuse ?? settings.tools.length === 0;
}

/** How a profile uses a worker after its turn. */
export interface WorkerUse {
  readonly reuse: boolean;
  readonly keepConversationMs: number;
  readonly parkedIdleMs: number;
  readonly maxParkedWorkers: number;
}

export function workerUse(settings: ProfileSettings): WorkerUse {
  const { keepConversationMs, parkedIdleMs } = settings;
  const { maxWorkers } = workerBounds(settings);
  const maxParkedWorkers = settings.maxParkedWorkers ?? Math.max(1, Math.floor(maxWorkers / 4));
  return {
    reuse: reusesWorkers(settings),
    keepConversationMs,
    parkedIdleMs,
    maxParkedWorkers: Math.min(maxParkedWorkers, maxWorkers),
  };
}
