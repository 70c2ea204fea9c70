/**
 * The settings of profiles and of the credentials that they use: what callers choose from, and where the model API is.
 */
import { z } from "zod";
import { systemPromptProblem } from "../system-prompt.ts";
import { baseUrlProblem } from "./base-url.ts";
import { about, cores, essential, file, mebibytes, ms, name, variable } from "./setting-parts.ts";

const limits = z.strictObject({
  maxModelCallCount: about(z.number().int().min(1).max(1000).optional(), "Model calls of one turn."),
  maxCostUsdMicros: about(
    z.number().int().min(1).optional(),
    "Estimated cost of one turn, in millionths of a US dollar.",
  ),
  maxOutputBytes: about(
    z.number().int().min(1).optional(),
    "Text, thinking and tool input that the model writes in one turn, in bytes.",
  ),
  maxDurationMs: about(ms().min(1).optional(), "Time from the prompt to the result, in milliseconds."),
});

/** What a credential may hand to workers: nothing that changes how the CLI works, only where and how it reaches a model. */
const passable =
  /^((AWS|ANTHROPIC|GOOGLE|VERTEX_REGION)_[A-Z0-9_]+|CLAUDE_CODE_USE_(BEDROCK|VERTEX|FOUNDRY)|CLAUDE_CODE_SKIP_(BEDROCK|VERTEX|FOUNDRY)_AUTH|CLOUD_ML_REGION|HTTPS?_PROXY|NO_PROXY|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE)$/;

function notPassable(name: string): string {
  if (/OAUTH_TOKEN/.test(name)) {
    return "no personal subscription: its token is not supported. Use an API key, a gateway's bearer token, Bedrock, Vertex or Foundry";
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
    "Where the model API is, without the `/v1/messages` that Claude Code adds. Absent: Anthropic's own.",
    "Set it for a gateway, a proxy or the stand-in.",
  ),
  baseUrlEnv: about(variable.optional(), "The environment variable of the server that holds the base URL."),
  apiKeyEnv: essential(variable.optional(), "The environment variable of the server that holds the API key."),
  apiKeyFile: about(
    file.optional(),
    "The file that holds the API key; white space around it is ignored. A file that changes reaches the next turn.",
  ),
  authTokenEnv: about(
    variable.optional(),
    "The environment variable of the server that holds a bearer token for the model API, as gateways want it.",
  ),
  authTokenFile: about(file.optional(), "The file that holds such a bearer token, read like `apiKeyFile`."),
  passEnv: about(
    z.array(z.string().regex(passable, { error: ({ input }) => notPassable(String(input)) })).default([]),
    "Variables of the server's environment that are handed to the workers: those of Bedrock, Vertex, Foundry, a proxy or a private certificate authority. Paths in them are made absolute, and must exist.",
    "For Bedrock: CLAUDE_CODE_USE_BEDROCK, AWS_REGION and either AWS_PROFILE or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. For Foundry: CLAUDE_CODE_USE_FOUNDRY, ANTHROPIC_FOUNDRY_RESOURCE, ANTHROPIC_FOUNDRY_API_KEY. For Vertex: CLAUDE_CODE_USE_VERTEX, CLOUD_ML_REGION, ANTHROPIC_VERTEX_PROJECT_ID, GOOGLE_APPLICATION_CREDENTIALS. Behind a proxy: HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS.",
  ),
});

export const profile = z.strictObject({
  description: about(z.string().max(500).default(""), "What the profile is for, shown by GetInfo."),
  credential: about(name.default("default"), "The credential of `credentials` that its workers use."),
  tenant: about(
    name.optional(),
    "The one tenant that may use it. Absent: every tenant whose token names it.",
    "Needed for `isolation: none`.",
  ),
  model: essential(
    z.string().min(1).max(128).default("claude-opus-5-5"),
    "The model that answers when a request names none, by its full name.",
  ),
  allowedModels: about(z.array(z.string().min(1).max(128)).default([]), "Further models that a request may name."),
  effort: about(
    z.enum(["low", "medium", "high", "xhigh", "max"]).default("medium"),
    "The effort when a request names none.",
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
    "The system prompt when a request sets none.",
  ),
  systemPromptPolicy: about(
    z.enum(["fixed", "append", "replace"]).default("replace"),
    "What a request's own system prompt does: refused, added behind the profile's, or used in its place.",
    "`fixed` where callers must not change the role; it also keeps the number of bindings at one.",
  ),
  tools: about(
    z.array(z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/)).default([]),
    "Built-in tools that Claude may use, such as Bash, Read, Edit. None by default.",
    "Needs `workspace` and `isolation`. Built-in tools read what the server's user can read.",
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
    "Permission rules of what runs without a question, such as `Bash(git log *)`. Absent: the tools of `tools`.",
  ),
  permissionMode: about(
    z.enum(["default", "dontAsk", "acceptEdits", "plan"]).default("dontAsk"),
    "The permission mode. Nobody is there to be asked: what is not allowed is denied, also under `default`, which would ask.",
  ),
  workspace: about(
    z
      .strictObject({
        path: about(z.string().startsWith("/"), "The folder in which tools work. An absolute path; it has to exist."),
        access: about(
          z.enum(["read-only", "read-write"]).default("read-write"),
          "`read-write`: one turn at a time. `read-only`: many, and tools that write are refused at start.",
        ),
      })
      .optional(),
    "Where tools work.",
  ),
  isolation: about(
    z.enum(["none", "sandbox"]).optional(),
    "What keeps tools from the rest of the machine. `none`: nothing; for one named tenant, warned about at start. `sandbox` does not exist yet and is refused.",
  ),
  reuse: about(
    z.boolean().optional(),
    "Whether a worker serves many turns of its tenant, each after a reset that leaves nothing behind. Default: yes without tools, no with tools.",
    "Switch it off where one process per turn is wanted whatever it costs.",
    "true without tools, false with tools",
  ),
  acceptClearResidue: about(
    z.boolean().default(false),
    "Whether a worker may be reset with /clear, which leaves three short blocks about itself in the next prompt, when the CLI cannot rewind.",
  ),
  minSpares: essential(
    z.number().int().min(0).max(256).default(2),
    "Started workers to hold ready for new tenants and new system prompts. 0 switches spares off: turns without a worker to reuse start cold. No more than the profile can have workers: one with a `read-write` workspace.",
    "Raise it when `started` often says COLD_NO_SPARE. Each takes about 100 MB.",
  ),
  maxWorkers: essential(
    z
      .number()
      .int()
      .min(1)
      .max(1024)
      .default(Math.max(8, 4 * cores)),
    "The most workers of this profile at once, and so the most turns that run at once.",
    "`pool.memoryBudgetBytes` bounds all profiles together.",
    "4 per core, at least 8",
  ),
  keptPlaces: about(
    z.number().int().min(0).max(1024).default(1),
    "Places of `maxWorkers` that only a tenant without a running turn may take, so that long turns of one tenant never keep another waiting for its first. Counts where tokens of several tenants may name the profile; at least one place is left to all.",
    "0 where one tenant may use every worker; more where many tenants call seldom.",
  ),
  defaultLimits: about(
    limits.prefault({ maxModelCallCount: 50, maxOutputBytes: 8 * mebibytes, maxDurationMs: 600_000 }),
    "Bounds of a turn that sets none.",
  ),
  maxLimits: about(
    limits.prefault({ maxModelCallCount: 200, maxOutputBytes: 64 * mebibytes, maxDurationMs: 3_600_000 }),
    "The largest bounds that a request may ask for.",
  ),
  maxImagePixels: about(
    z.number().int().min(1).default(50_000_000),
    "The most pixels, width times height, that one picture of a request may have; all pictures of a request together may have ten times as many.",
    "A worker takes about 5 bytes of memory for each pixel of the largest while it decodes it, whatever the file's size: 50 million are 250 MB. Claude Code makes large pictures smaller before the model sees them.",
  ),
  upstreamMaxRetries: about(
    z.number().int().min(0).max(10).default(2),
    "How often the CLI repeats a failed request to the model API.",
    "The CLI's own default of 10 keeps a caller waiting for three minutes.",
  ),
  upstreamTimeoutMs: about(
    ms().min(1000).default(60_000),
    "How long the CLI waits for the model API's response headers, in milliseconds, for each attempt.",
  ),
  upstreamIdleTimeoutMs: about(
    ms(1_800_000).min(10_000).default(120_000),
    "How long the CLI waits for the next byte of an answer, in milliseconds. Then it sends the request again, which may be charged again: once as before, once without streaming. A stream reports that as a notice.",
    "Raise it where a model or a gateway is silent for longer before its first word. The service waits for twice this time, `upstreamTimeoutMs` and 10 seconds, then ends the turn with UPSTREAM_TIMEOUT; `limits.maxDurationMs` and the caller's deadline may end it before.",
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
