import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { initializeRequest } from "../../../src/cli/conversation/initialize.ts";
import { isOlder, packageNames } from "../../../src/cli/program/locate.ts";
import { readCredential } from "../../../src/cli/start/credential.ts";
import { launch, workspaceOf } from "../../../src/cli/start/launch.ts";
import type { CredentialSettings, ProfileSettings } from "../../../src/config/profile-settings.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import { isRunnerError } from "../../../src/runner-error.ts";

const resources = { HOME: "/b/home", TMPDIR: "/b/tmp" };
const cliSessionId = "11111111-1111-4111-8111-111111111111";
const profileOf = (settings: object = {}): ProfileSettings =>
  settingsSchema.parse({ profiles: { default: settings } }).profiles.default!;
const launched = (settings: object = {}) =>
  launch({ profile: profileOf(settings), credential: { ANTHROPIC_API_KEY: "k" }, resources });

describe("the launch of a worker", () => {
  it("offers no tools, reads no settings and keeps no session", () => {
    expect(launched().args).toEqual([
      "--print",
      "--input-format=stream-json",
      "--output-format=stream-json",
      "--verbose",
      "--include-partial-messages",
      "--bare",
      "--system-prompt=You are a helpful assistant.",
      "--tools=",
      "--strict-mcp-config",
      "--setting-sources=",
      "--no-session-persistence",
      "--permission-mode=dontAsk",
      "--model=claude-opus-5-5",
      "--effort=medium",
    ]);
  });

  it("shows nothing of the profile's system prompt to whoever lists processes", () => {
    expect(JSON.stringify(launched({ systemPrompt: "the secret recipe" }))).not.toContain("recipe");
  });

  it("never has a conversation summarised that is only words, and leaves it to Claude Code where there are tools", () => {
    expect(launched().env.DISABLE_AUTO_COMPACT).toBe("1");
    const withTools = launched({ tools: ["Read"], tenant: "t", workspace: { path: "/w" }, isolation: "none" });
    expect(withTools.env.DISABLE_AUTO_COMPACT).toBeUndefined();
  });

  it("writes down what a session says, and has the session's model and effort from the start", () => {
    const session = { cliSessionId, model: "claude-haiku-4-5", effort: "high", binding: {} } as const;
    const profile = profileOf({ allowedModels: ["claude-haiku-4-5"] });
    const { args, env } = launch({ profile, credential: { ANTHROPIC_API_KEY: "k" }, resources, session });
    const ofSession = ["--session-id=", "--model=", "--effort="];
    expect(args.filter((arg) => ofSession.some((name) => arg.startsWith(name)))).toEqual([
      `--session-id=${cliSessionId}`,
      "--model=claude-haiku-4-5",
      "--effort=high",
    ]);
    expect(args).not.toContain("--no-session-persistence");
    expect(env).toEqual(launched().env);
  });

  it("resumes a session by its id, also one that was copied from another", () => {
    const resume = { transcript: new Uint8Array(), origin: "copied", files: [] } as const;
    const session = { cliSessionId, model: "claude-opus-5-5", effort: "medium", binding: {}, resume } as const;
    const { args } = launch({ profile: profileOf(), credential: {}, resources, session });
    expect(args).toContain(`--resume=${cliSessionId}`);
    expect(args.filter((arg) => /session|fork/.test(arg))).toEqual([]);
  });

  it.each([
    { cliSessionId: "--dangerously-skip-permissions" },
    { cliSessionId: "../../x" },
    { cliSessionId: `${cliSessionId} ` },
    { model: "claude-haiku-4-5" },
    { effort: "--x" as never },
  ])("is refused for a session with what its profile does not have: %j", (wrong) => {
    const session = { cliSessionId, model: "claude-opus-5-5", effort: "medium", binding: {}, ...wrong } as const;
    expect(() => launch({ profile: profileOf(), credential: {}, resources, session })).toThrow(
      expect.objectContaining({ reason: "INTERNAL" }),
    );
  });

  it("has an environment of its own, with the profile's bounds on the model API", () => {
    const { env } = launched({ upstreamMaxRetries: 1, upstreamTimeoutMs: 5_000, upstreamIdleTimeoutMs: 20_000 });
    expect(env).toMatchObject({
      ...resources,
      ANTHROPIC_API_KEY: "k",
      CLAUDE_CODE_MAX_RETRIES: "1",
      API_TIMEOUT_MS: "5000",
      CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: "20000",
      CLAUDE_CODE_DISABLE_FILE_MENTIONS: "1",
      CLAUDE_CODE_DISABLE_REFUSAL_FALLBACK: "1",
    });
    expect(
      Object.keys(env)
        .filter((name) => !/^(CLAUDE_|ANTHROPIC_|DISABLE_|API_)/.test(name))
        .sort(),
    ).toEqual(["HOME", "LANG", "PATH", "TMPDIR"]);
  });

  it("has nothing in its environment that makes it send spans, unless it is to", () => {
    const sends = (env: Readonly<Record<string, string>>) =>
      Object.keys(env).filter((name) => /OTEL|TRACE|ENABLE_TELEMETRY|TELEMETRY_BETA/.test(name));
    expect(sends(launched().env)).toEqual([]);
    const spans = { OTEL_TRACES_EXPORTER: "otlp" };
    const given = {
      profile: profileOf(),
      credential: { ANTHROPIC_API_KEY: "k" },
      resources: { ...resources, ...spans },
    };
    expect(launch(given).env).toEqual({ ...launched().env, ...spans });
  });

  it.each([
    ["of its own", {}, { PATH: "/elsewhere" }],
    ["of the credential", { OTEL_TRACES_EXPORTER: "console" }, { OTEL_TRACES_EXPORTER: "otlp" }],
  ])(
    "does not let what a worker has for itself replace a variable %s, nor the other way round",
    (_, given, resources) => {
      const credential: Record<string, string> = { ANTHROPIC_API_KEY: "k", ...given };
      expect(() => launch({ profile: profileOf(), credential, resources })).toThrow(
        expect.objectContaining({ reason: "INTERNAL" }),
      );
    },
  );

  it("works with tools in the operator's folder, and allows what the profile allows", () => {
    const tools = { tools: ["Bash", "Read"], workspace: { path: "/srv/code" }, isolation: "none", tenant: "a" };
    expect(workspaceOf(profileOf(tools))).toBe("/srv/code");
    const all = launched(tools).args;
    expect(all).toEqual(expect.arrayContaining(["--bare", "--tools=Bash,Read", "--allowedTools=Bash"]));
    const some = launched({ ...tools, allowedTools: ["Bash(git log *)", "Read"] }).args;
    expect(some.filter((arg) => arg.startsWith("--allowedTools"))).toEqual([
      "--allowedTools=Bash(git log *)",
      "--allowedTools=Read",
    ]);
  });

  it("leaves --bare away for tools that do not exist under it, and says itself what it leaves out", () => {
    const { args, env } = launched({ tools: ["Write"], workspace: { path: "/srv" }, isolation: "none", tenant: "a" });
    expect(args).not.toContain("--bare");
    expect(env).toMatchObject({ CLAUDE_CODE_DISABLE_CLAUDE_MDS: "1", CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1" });
  });

  it.each([{ tools: ["Bash"] }, { tools: ["Bash"], workspace: { path: "/srv" }, isolation: "sandbox" }])(
    "is refused for tools without an isolation that exists: %j",
    (settings) => {
      expect(() => launched(settings)).toThrow(expect.objectContaining({ reason: "INTERNAL" }));
    },
  );
});

describe("the first initialize", () => {
  it("has the binding's prompt, else the profile's", () => {
    expect(initializeRequest({}, "of the profile")).toEqual({
      subtype: "initialize",
      systemPrompt: ["of the profile"],
    });
    expect(initializeRequest({ systemPrompt: "a", outputSchemaJson: '{"type":"object"}' }, "p")).toEqual({
      subtype: "initialize",
      systemPrompt: ["a"],
      jsonSchema: { type: "object" },
    });
  });
});

describe("a credential", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "credential-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const read = (settings: Partial<CredentialSettings>, env: Record<string, string> = {}) =>
    readCredential("main", { passEnv: [], ...settings }, env);
  const failure = (settings: Partial<CredentialSettings>, env = {}) =>
    read(settings, env).then(
      () => undefined,
      (error: unknown) => error,
    );

  it("is read from the server's environment", async () => {
    const { variables, secrets } = await read(
      { apiKeyEnv: "KEY", baseUrlEnv: "URL", passEnv: ["AWS_REGION", "AWS_SECRET_ACCESS_KEY"] },
      { KEY: "sk-1", URL: "http://gateway", AWS_REGION: "eu", AWS_SECRET_ACCESS_KEY: "hidden", OTHER: "x" },
    );
    expect(variables).toEqual({
      ANTHROPIC_API_KEY: "sk-1",
      ANTHROPIC_BASE_URL: "http://gateway",
      AWS_REGION: "eu",
      AWS_SECRET_ACCESS_KEY: "hidden",
    });
    expect(secrets).toEqual(["hidden", "sk-1"]);
  });

  it("is read anew each time from its file, without the line end", async () => {
    const apiKeyFile = join(folder, "key");
    await writeFile(apiKeyFile, "first\n");
    expect((await read({ apiKeyFile })).variables.ANTHROPIC_API_KEY).toBe("first");
    await writeFile(apiKeyFile, "second\r\n");
    expect((await read({ apiKeyFile })).variables.ANTHROPIC_API_KEY).toBe("second");
  });

  it("may be a bearer token, or somebody else's altogether", async () => {
    expect((await read({ authTokenEnv: "T" }, { T: "bearer" })).variables).toEqual({ ANTHROPIC_AUTH_TOKEN: "bearer" });
    const bedrock = await read({ passEnv: ["CLAUDE_CODE_USE_BEDROCK"] }, { CLAUDE_CODE_USE_BEDROCK: "1" });
    expect(bedrock.variables).toEqual({ CLAUDE_CODE_USE_BEDROCK: "1" });
  });

  it("says what is missing, and neither a path nor a value", async () => {
    const absent = await failure({ apiKeyEnv: "KEY" });
    expect(absent).toMatchObject({ reason: "WORKER_START_FAILED" });
    expect(String(absent)).toContain("KEY");
    const unreadable = await failure({ apiKeyFile: join(folder, "none") });
    expect(String(unreadable)).toContain("does not exist");
    expect(String(unreadable)).not.toContain(folder);
    const twoLines = join(folder, "two");
    await writeFile(twoLines, "sk-secret\nsk-other\n");
    const wrong = await failure({ authTokenFile: twoLines });
    expect(isRunnerError(wrong, "WORKER_START_FAILED")).toBe(true);
    expect(String(wrong)).not.toContain("secret");
    expect(String(await failure({}))).toContain("neither");
  });
});

describe("the program", () => {
  it("is looked for in the package that fits the machine first", () => {
    expect(packageNames("darwin", "arm64", false)).toEqual(["@anthropic-ai/claude-code-darwin-arm64"]);
    expect(packageNames("linux", "x64", true)).toEqual([
      "@anthropic-ai/claude-code-linux-x64-musl",
      "@anthropic-ai/claude-code-linux-x64",
    ]);
  });

  it("is compared by the numbers of its version", () => {
    expect(isOlder("2.1.299", "2.1.300")).toBe(true);
    expect(isOlder("2.1.300", "2.1.300")).toBe(false);
    expect(isOlder("2.2.0", "2.1.300")).toBe(false);
    expect(isOlder("10.0.0", "9.9.9")).toBe(false);
  });
});
