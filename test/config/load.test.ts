import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FlagSetting } from "../../src/config/environment.ts";
import { type LoadedSettings, loadSettings } from "../../src/config/load.ts";
import { SettingsError } from "../../src/config/source.ts";

let root: string;
let folder: string;
let count = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "claude-runner-settings-"));
});
beforeEach(() => {
  count += 1;
  folder = join(root, String(count));
  mkdirSync(folder);
});
afterAll(() => rmSync(root, { recursive: true }));

interface Given {
  readonly yaml?: string;
  readonly env?: Record<string, string>;
  readonly flags?: readonly FlagSetting[];
  readonly configFile?: string;
}

/** The user's configuration folder is the working folder's neighbour; `yaml` is named as a person would name it. */
function load({ yaml, env = {}, flags, configFile }: Given): LoadedSettings {
  if (yaml !== undefined) write("claude-runner.yaml", yaml);
  const named = configFile ?? (yaml === undefined ? undefined : "claude-runner.yaml");
  return loadSettings({ env: { HOME: join(folder, "home"), ...env }, workingFolder: folder, flags, configFile: named });
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function problems(given: Given): readonly string[] {
  try {
    load(given);
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split("\n");
    throw error;
  }
  throw new Error("the settings were accepted");
}

const flag = (name: string, path: string, value: string): FlagSetting => ({ flag: name, path, value });

describe("the order of sources", () => {
  it("is complete without any", () => {
    const { settings, fileName, warnings } = load({});
    expect(settings.grpc.port).toBe(7433);
    expect(settings.profiles.default?.model).toMatch(/^claude-/);
    expect(fileName).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it("lets variables win over the file and flags over both", () => {
    const yaml = "grpc: { port: 1, host: 127.0.0.2, keepaliveTimeMs: 5000 }";
    const env = { CLAUDE_RUNNER_GRPC_PORT: "2", CLAUDE_RUNNER_GRPC_HOST: "127.0.0.3" };
    const { settings } = load({ yaml, env, flags: [flag("--grpc-port", "grpc.port", "3")] });
    expect(settings.grpc).toMatchObject({ port: 3, host: "127.0.0.3", keepaliveTimeMs: 5000 });
  });

  it("knows where each value came from", () => {
    const { entries } = load({
      yaml: "\ngrpc:\n  port: 1\n",
      env: { CLAUDE_RUNNER_WEB_PORT: "2" },
      flags: [flag("--admin-port", "admin.port", "3")],
    });
    const sourceOf = (path: string) => entries.find((entry) => entry.path.join(".") === path)?.source;
    expect(sourceOf("grpc.port")).toEqual({ kind: "file", file: "claude-runner.yaml", line: 3 });
    expect(sourceOf("web.port")).toEqual({ kind: "variable", name: "CLAUDE_RUNNER_WEB_PORT" });
    expect(sourceOf("admin.port")).toEqual({ kind: "flag", name: "--admin-port" });
    expect(sourceOf("grpc.host")).toEqual({ kind: "default" });
  });

  it("prefers the file of the flag to that of the variable, and that to the one in the configuration folder", () => {
    write("home/.config/claude-runner/claude-runner.yaml", "grpc: { port: 1 }");
    expect(load({}).settings.grpc.port).toBe(1);
    write("variable.yaml", "grpc: { port: 3 }");
    const env = { CLAUDE_RUNNER_CONFIG: "variable.yaml" };
    expect(load({ env }).settings.grpc.port).toBe(3);
    write("flag.yaml", "grpc: { port: 4 }");
    expect(load({ env, configFile: "flag.yaml" }).settings.grpc.port).toBe(4);
  });

  it("says who asked for a file that is not there", () => {
    expect(problems({ configFile: "gone.yaml" })).toEqual(["--config: the settings file gone.yaml does not exist"]);
    expect(problems({ env: { CLAUDE_RUNNER_CONFIG: "gone.yaml" } })).toEqual([
      "CLAUDE_RUNNER_CONFIG: the settings file gone.yaml does not exist",
    ]);
  });
});

describe("a settings file of the working folder", () => {
  const hostile = "cli: { path: /tmp/theirs }\ncredentials: { default: { baseUrl: http://theirs.example } }\n";

  it.each(["claude-runner.yaml", "claude-runner.yml"])("is never obeyed unless it is named: %s", (name) => {
    write(name, hostile);
    const { settings, fileName, passedOver } = load({});
    expect(settings.cli.path).toBeUndefined();
    expect(settings.credentials.default?.baseUrl).toBeUndefined();
    expect(fileName).toBeUndefined();
    expect(passedOver, "and a person who meant it is told").toBe(name);
    expect(load({ configFile: name }).settings.cli.path).toBe("/tmp/theirs");
  });

  it("is not obeyed either where no home folder is known, or a relative one", () => {
    write("claude-runner/claude-runner.yaml", hostile);
    write(".config/claude-runner/claude-runner.yaml", hostile);
    write("home/.config/claude-runner/claude-runner.yaml", hostile);
    for (const variable of ["HOME", "XDG_CONFIG_HOME"]) {
      for (const relative of ["", ".", "home", "home/.config", ".config"]) {
        const env = { HOME: join(folder, "empty"), [variable]: relative };
        expect(load({ env }).settings.cli.path, `${variable}=${relative}`).not.toBe("/tmp/theirs");
      }
    }
  });

  it("is passed over beside the user's own, and even where it cannot be read", () => {
    write("home/.config/claude-runner/claude-runner.yaml", "grpc: { port: 1 }");
    mkdirSync(join(folder, "claude-runner.yaml"));
    const { settings, passedOver } = load({});
    expect(settings.grpc.port).toBe(1);
    expect(passedOver).toBe("claude-runner.yaml");
  });

  it("is not called passed over when it is the one that is read", () => {
    const home = join(folder, "claude-runner");
    write("claude-runner/claude-runner.yaml", "grpc: { port: 1 }");
    const env = { XDG_CONFIG_HOME: folder };
    const { settings, passedOver } = loadSettings({ env, workingFolder: home });
    expect([settings.grpc.port, passedOver]).toEqual([1, undefined]);
    expect(load({ yaml: "grpc: { port: 2 }" }).passedOver).toBeUndefined();
  });
});

describe("a settings file that is found and cannot be read is an error:", () => {
  const place = "home/.config/claude-runner/claude-runner.yaml";
  const inPlace = (make: (path: string) => void) => {
    make(write(place, ""));
    return problems({});
  };

  it("a folder, as a container engine makes one for a mount without a source", () => {
    const found = inPlace((path) => {
      rmSync(path);
      mkdirSync(path);
    });
    expect(found).toEqual([`${place}: is a folder, not a file`]);
  });

  it("a link that leads nowhere, or to itself", () => {
    const dangling = inPlace((path) => {
      rmSync(path);
      symlinkSync("gone", path);
    });
    expect(dangling).toEqual([`${place}: is a link that leads nowhere`]);
    const circular = inPlace((path) => {
      rmSync(path);
      symlinkSync("claude-runner.yaml", path);
    });
    expect(circular).toEqual([`${place}: is a link that leads to itself`]);
  });

  it("a pipe, without waiting for somebody to write", () => {
    const found = inPlace((path) => {
      rmSync(path);
      execFileSync("mkfifo", [path]);
    });
    expect(found).toEqual([`${place}: is a pipe, not a file`]);
    expect(problems({ configFile: place })).toEqual([`--config: the settings file ${place} is a pipe, not a file`]);
  });

  it("one that is too large to be settings", () => {
    const found = inPlace((path) => truncateSync(path, 8 * 1024 * 1024 * 1024));
    expect(found).toEqual([`${place}: is larger than 8,388,608 bytes`]);
  });

  it("two of them", () => {
    write("home/.config/claude-runner/claude-runner.yml", "");
    const found = inPlace(() => undefined);
    expect(found).toEqual([
      `${place}: stands beside home/.config/claude-runner/claude-runner.yml: remove one of the two`,
    ]);
  });

  it.skipIf(process.getuid?.() === 0)("one that this user may not read", () => {
    expect(inPlace((path) => chmodSync(path, 0))).toEqual([`${place}: may not be read by this user`]);
  });
});

describe("the settings file", () => {
  it("may end in .yml, and may be a link, as mounted files are", () => {
    write("home/.config/claude-runner/..data/x", "grpc: { port: 5 }");
    symlinkSync("..data/x", join(folder, "home/.config/claude-runner/claude-runner.yml"));
    expect(load({}).settings.grpc.port).toBe(5);
  });

  it("may be empty, and so may a group", () => {
    expect(load({ yaml: "" }).settings.grpc.port).toBe(7433);
    const { settings } = load({ yaml: "profiles:\n  default:\n  fast:\nqueue:\n" });
    expect(Object.keys(settings.profiles)).toEqual(["default", "fast"]);
  });

  it("names the line of a mistake in YAML", () => {
    expect(problems({ yaml: "grpc:\n  port: [1\nweb: 2\n" })[0]).toMatch(
      /^claude-runner\.yaml:[34]: is not valid YAML: /,
    );
  });

  it("whose anchor contains itself is a mistake with its place", () => {
    expect(problems({ yaml: "web: {}\ngrpc: &g { port: 1, x: *g }" })).toEqual([
      "claude-runner.yaml:2: grpc.x is an anchor that contains itself",
    ]);
    expect(problems({ yaml: "profiles:\n  a: &a\n    tools: &t [Read, *t]\n" })).toEqual([
      "claude-runner.yaml:3: profiles.a.tools.1 is an anchor that contains itself",
    ]);
  });

  it("that anchors make endlessly large, wide or deep is one mistake with its place, found at once", () => {
    const levels = Array.from({ length: 40 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at},`.repeat(9)}]`);
    const wide = problems({ yaml: ["l0: &l0 [x]", ...levels].join("\n") });
    expect(wide).toHaveLength(1);
    expect(wide[0]).toMatch(/^claude-runner\.yaml:\d+: l\d+\S* is where the settings exceed 500,000 values$/);
    const deep = problems({ yaml: `grpc: ${"{ a: ".repeat(100)}1${" }".repeat(100)}` });
    expect(deep).toEqual(["claude-runner.yaml:1: grpc.a.a.a is nested more than 64 levels deep"]);
    const deepVariable = { CLAUDE_RUNNER_AUTH_TOKENS: `${"[".repeat(50_000)}${"]".repeat(50_000)}` };
    expect(problems({ env: deepVariable })).toEqual(["CLAUDE_RUNNER_AUTH_TOKENS: must be a list of objects, as JSON"]);
  });

  it("that is far from YAML names the first mistakes, not hundreds", () => {
    expect(problems({ yaml: "[".repeat(20_000) }).length).toBeLessThanOrEqual(3);
  });

  it.each(["profiles", "credentials", "grpc"])("may not call anything in %s __proto__", (group) => {
    expect(problems({ yaml: `${group}:\n  __proto__: {}\n` })).toContain(
      `claude-runner.yaml:2: ${group}.__proto__ is not a setting`,
    );
  });

  it("knows no profile by the name of what every object has", () => {
    const token = `{ tenant: a, sha256: ${"a".repeat(64)}, profiles: [constructor] }`;
    expect(problems({ yaml: `auth: { tokens: [${token}] }` })[0]).toContain(
      "names the profile `constructor`, which does",
    );
    expect(problems({ yaml: "profiles: { default: { credential: constructor } }" })[0]).toContain(
      "names `constructor`, which is not in `credentials`",
    );
  });

  it("must hold settings", () => {
    expect(problems({ yaml: "- 1\n" })).toEqual(["claude-runner.yaml:1: must hold settings, such as `grpc:`"]);
  });

  it("takes relative paths from its own folder and those of variables from the working folder", () => {
    write("conf/a.yaml", "auth: { tokenFile: token }\ncli: { path: bin/claude, workFolder: work }");
    const { settings } = load({ configFile: "conf/a.yaml", env: { CLAUDE_RUNNER_CLI_WORK_FOLDER: "tmp" } });
    expect(settings.auth.tokenFile).toBe(join(folder, "conf/token"));
    expect(settings.cli.path).toBe(join(folder, "conf/bin/claude"));
    expect(settings.cli.workFolder).toBe(join(folder, "tmp"));
  });

  it("leaves a program's bare name to PATH", () => {
    expect(load({ yaml: "cli: { path: claude }" }).settings.cli.path).toBe("claude");
  });

  it("keeps two profiles apart that share an anchor", () => {
    const yaml = "profiles:\n  default: &base { model: a }\n  fast: *base\n  slow:\n    <<: *base\n    effort: high\n";
    const { settings } = load({ yaml, env: { CLAUDE_RUNNER_PROFILES_FAST_MODEL: "b" } });
    expect([settings.profiles.default?.model, settings.profiles.fast?.model]).toEqual(["a", "b"]);
    expect(settings.profiles.slow).toMatchObject({ model: "a", effort: "high" });
  });
});

describe("variables", () => {
  it("are made from the path of the setting", () => {
    const env = {
      CLAUDE_RUNNER_BEHIND_PROXY: "true",
      CLAUDE_RUNNER_TELEMETRY_TRACE_SAMPLE_RATIO: "0.25",
      CLAUDE_RUNNER_WEB_ALLOWED_ORIGINS: "https://a.example, https://b.example",
      CLAUDE_RUNNER_CREDENTIALS_DEFAULT_BASE_URL: "http://127.0.0.1:9",
    };
    const { settings } = load({ env });
    expect(settings.behindProxy).toBe(true);
    expect(settings.telemetry.traceSampleRatio).toBe(0.25);
    expect(settings.web.allowedOrigins).toEqual(["https://a.example", "https://b.example"]);
    expect(settings.credentials.default).toMatchObject({
      baseUrl: "http://127.0.0.1:9",
      apiKeyEnv: "ANTHROPIC_API_KEY",
    });
    expect(settings.credentials.default).not.toHaveProperty("baseUrlEnv");
  });

  it("name the profiles that the file has", () => {
    const { settings } = load({
      yaml: "profiles: { fast-one: {} }",
      env: { CLAUDE_RUNNER_PROFILES_FAST_ONE_MIN_SPARES: "0", CLAUDE_RUNNER_PROFILES_DEFAULT_EFFORT: "low" },
    });
    expect(settings.profiles["fast-one"]?.minSpares).toBe(0);
    expect(settings.profiles.default?.effort).toBe("low");
  });

  it("may hold lists as JSON, tokens included", () => {
    const tokens = [{ tenant: "a", sha256: "0".repeat(64) }];
    const { settings } = load({
      env: {
        CLAUDE_RUNNER_AUTH_TOKENS: JSON.stringify(tokens),
        CLAUDE_RUNNER_WEB_ALLOWED_HOSTS: '["a,b", "c"]',
      },
    });
    expect(settings.auth.tokens).toEqual([{ ...tokens[0], profiles: ["*"], operator: false, weight: 1 }]);
    expect(settings.web.allowedHosts).toEqual(["a,b", "c"]);
  });

  it("count for nothing when they are empty", () => {
    expect(load({ env: { CLAUDE_RUNNER_GRPC_PORT: "" } }).settings.grpc.port).toBe(7433);
  });

  it.each([
    "CLAUDE_RUNNER",
    "CLAUDE_RUNNER_GRPC",
    "CLAUDE_RUNNER_WEB",
    "CLAUDE_RUNNER_ADMIN",
    "CLAUDE_RUNNER_HEADLESS",
    "CLAUDE_RUNNER_A_2",
  ])("of Kubernetes for a service of the same beginning are left alone: %s", (service) => {
    const env = {
      [`${service}_SERVICE_HOST`]: "10.0.0.1",
      [`${service}_SERVICE_PORT`]: "7433",
      [`${service}_SERVICE_PORT_GRPC`]: "7433",
      [`${service}_SERVICE_PORT_HTTP_WEB`]: "7434",
      [`${service}_PORT`]: "tcp://10.0.0.1:7433",
      [`${service}_PORT_7433_TCP`]: "tcp://10.0.0.1:7433",
      [`${service}_PORT_7433_TCP_PROTO`]: "tcp",
      [`${service}_PORT_7433_TCP_PORT`]: "7433",
      [`${service}_PORT_7433_TCP_ADDR`]: "10.0.0.1",
      [`${service}_PORT_53_UDP`]: "udp://10.0.0.1:53",
    };
    const { settings } = load({ env });
    expect([settings.grpc.port, settings.web.port, settings.admin.port]).toEqual([7433, 7434, 7435]);
  });

  it("that only look like those of Kubernetes are read", () => {
    const env = { CLAUDE_RUNNER_PROFILES_X_SERVICE_PORT_MODEL: "m" };
    expect(load({ yaml: "profiles: { x-service-port: {} }", env }).settings.profiles["x-service-port"]?.model).toBe(
      "m",
    );
    expect(problems({ env: { CLAUDE_RUNNER_PORT: "7433" } })[0]).toMatch(
      /^CLAUDE_RUNNER_PORT: is not a setting; did you/,
    );
    expect(problems({ env: { CLAUDE_RUNNER_GRPC_PORT: "http://x" } })[0]).toContain("must be a whole number");
  });

  it("of clients are left alone, which may share the environment", () => {
    const names = ["ADDRESS", "URL", "TOKEN", "TOKEN_FILE", "CA_FILE"].map((name) => `CLAUDE_RUNNER_${name}`);
    const env = Object.fromEntries(names.map((name) => [name, "x"]));
    expect(load({ env }).settings.grpc.port).toBe(7433);
  });

  it("that nobody knows are refused, with the name that was meant", () => {
    expect(problems({ env: { CLAUDE_RUNNER_GRPC_PROT: "1" } })).toEqual([
      "CLAUDE_RUNNER_GRPC_PROT: is not a setting; did you mean `CLAUDE_RUNNER_GRPC_PORT`?",
    ]);
    expect(problems({ env: { CLAUDE_RUNNER_PROFILES_UNHEARD_MODEL: "x" } })[0]).toContain(
      "profiles and credentials of",
    );
  });

  it.each([
    ["CLAUDE_RUNNER_GRPC_PORT", "0x10", "must be a whole number from 0 to 65,535"],
    ["CLAUDE_RUNNER_GRPC_PORT", "1e3", "must be a whole number from 0 to 65,535"],
    ["CLAUDE_RUNNER_WEB_ENABLED", "yes", "must be true or false"],
    ["CLAUDE_RUNNER_AUTH_TOKENS", "crt_abc", "must be a list of objects, as JSON"],
  ])("%s=%s is refused with what is right", (name, value, problem) => {
    expect(problems({ env: { [name]: value } })).toEqual([`${name}: ${problem}`]);
  });
});

describe("flags", () => {
  it("that name no setting are refused, with the one that was meant", () => {
    expect(problems({ flags: [flag("--set grcp.port", "grcp.port", "1")] })).toEqual([
      "--set grcp.port: `grcp.port` is not a setting; did you mean `grpc.port`?",
    ]);
  });

  it("may make a profile", () => {
    const { settings } = load({ flags: [flag("--set", "profiles.fast.effort", "low")] });
    expect(settings.profiles.fast?.effort).toBe("low");
  });

  it("cannot reach beyond the settings", () => {
    expect(problems({ flags: [flag("--set", "profiles.__proto__.model", "x")] })[0]).toContain("is not a setting");
    expect(problems({ flags: [flag("--set", "constructor.name", "x")] })[0]).toContain("is not a setting");
  });
});

describe("what is wrong", () => {
  it("is told all at once, each with its place", () => {
    const yaml = [
      "grpc:",
      "  port: 70000",
      "  prot: 1",
      "profiles:",
      "  default:",
      "    credential: bedrock",
      "    effort: extreme",
      "port: 5",
    ].join("\n");
    const env = { CLAUDE_RUNNER_WEB_PORT: "many" };
    expect(problems({ yaml, env, flags: [flag("--admin-port", "admin.port", "-1")] })).toEqual([
      "CLAUDE_RUNNER_WEB_PORT: must be a whole number from 0 to 65,535",
      "--admin-port: admin.port is -1; must be a whole number from 0 to 65,535",
      "claude-runner.yaml:2: grpc.port is 70000; must be a whole number from 0 to 65,535",
      "claude-runner.yaml:3: grpc.prot is not a setting; did you mean `port`?",
      "claude-runner.yaml:6: profiles.default.credential names `bedrock`, which is not in `credentials`; there is `default`",
      'claude-runner.yaml:7: profiles.default.effort is "extreme"; must be one of `low`, `medium`, `high`, `xhigh`, `max`',
      "claude-runner.yaml:8: port is not a setting; did you mean `grpc.port` or `web.port` or `admin.port`?",
    ]);
  });

  it("never repeats a secret that stands where its variable's name belongs", () => {
    const secret = "sk-ant-api03-0123456789abcdef";
    const yaml = `credentials:\n  default:\n    apiKeyEnv: ${secret}\n    apiKey: ${secret}\n    baseUrl: me:pass@x\n`;
    const text = problems({ yaml, env: { CLAUDE_RUNNER_GRPC_PORT: secret, CLAUDE_RUNNER_WEB_HOST: "x" } }).join("\n");
    expect(text).not.toContain("0123456789");
    expect(text).not.toContain("pass@");
    expect(text).toContain("name the variable in `apiKeyEnv`");
  });

  it.each([
    ["tools without a folder and isolation", "tools: [Read]", ["require `workspace`", "require `isolation`"]],
    ["a sandbox", "isolation: sandbox", ["does not exist yet"]],
    ["no isolation for everybody", "isolation: none", ["requires `tenant`"]],
    ["a folder that is not there", "workspace: { path: /nonexistent/folder }", ["is not a folder"]],
    [
      "a permission for a tool that it does not have",
      'allowedTools: ["Bash(ls)"]',
      ["not among the profile's `tools`"],
    ],
    [
      "a default above its maximum",
      "{ defaultLimits: { maxModelCallCount: 9 }, maxLimits: { maxModelCallCount: 8 } }",
      ["is 9, which is more than the profile's `maxLimits.maxModelCallCount`, 8"],
    ],
    ["an empty value", "model:", ["is empty"]],
    ["a system prompt of white space", 'systemPrompt: " "', ["must not be only white space"]],
    ["a system prompt that is no text", "systemPrompt: 5", ["is 5; must be text"]],
  ])("refuses a profile with %s", (_what, profile, expected) => {
    const body = profile.startsWith("{") ? profile : `\n    ${profile}`;
    const found = problems({ yaml: `profiles:\n  default: ${body}\n` });
    expect(found.length).toBe(expected.length);
    for (const [at, text] of expected.entries()) expect(found[at]).toContain(text);
  });

  it("refuses tools that write in a read-only folder", () => {
    const profile = `{ tools: [Read, Bash, Edit], tenant: t, isolation: none, workspace: { path: ${folder}, access: read-only } }`;
    expect(problems({ yaml: `profiles: { default: ${profile} }` })).toEqual([
      "claude-runner.yaml:1: profiles.default.tools must not include Bash, Edit: the workspace is read-only",
    ]);
  });

  it("refuses tokens for profiles that are not theirs or not there, and the same token twice", () => {
    const sha256 = "a".repeat(64);
    const yaml = [
      "profiles: { default: {}, own: { tenant: b } }",
      "auth:",
      "  tokens:",
      `    - { tenant: a, sha256: ${sha256}, profiles: [own] }`,
      `    - { tenant: b, sha256: ${sha256}, profiles: [gone] }`,
    ].join("\n");
    const found = problems({ yaml });
    expect(found[0]).toMatch(/^claude-runner.yaml:4: auth.tokens.0.profiles.0 .* belongs to the tenant `b`$/);
    expect(found[1]).toContain("auth.tokens.1.sha256 is the same as that of token 0");
    expect(found[2]).toContain("names the profile `gone`");
  });

  it("refuses a certificate that is not there and one without its key", () => {
    write("cert.pem", "");
    expect(problems({ yaml: "grpc: { tls: { certFile: gone.pem, keyFile: cert.pem } }" })[0]).toContain(
      "does not exist",
    );
    expect(problems({ yaml: "grpc: { tls: { certFile: cert.pem } }" })).toEqual([
      "claude-runner.yaml:1: grpc.tls.keyFile is missing",
    ]);
  });

  it("refuses a certificate that is a folder or a pipe", () => {
    mkdirSync(join(folder, "folder.pem"));
    execFileSync("mkfifo", [join(folder, "pipe.pem")]);
    const found = problems({ yaml: "grpc: { tls: { certFile: folder.pem, keyFile: pipe.pem } }" });
    expect(found[0]).toMatch(/grpc\.tls\.certFile names \S+folder\.pem, which is a folder, not a file$/);
    expect(found[1]).toMatch(/grpc\.tls\.keyFile names \S+pipe\.pem, which is a pipe, not a file$/);
  });

  it.each([
    "null",
    "*",
    "https://*.example.com",
    "https://app.example.com/",
    "app.example.com",
    "https://App.example",
    "https://a.example:443",
  ])("refuses %j as a web origin: no browser sends it, or anybody's does", (text) => {
    expect(problems({ yaml: `web: { allowedOrigins: ["https://ok.example", "${text}"] }` })[0]).toContain(
      "web.allowedOrigins.1",
    );
  });

  it.each(["http://localhost:3000", "https://app.example.com", "capacitor://localhost", "https://[2001:db8::7]:8443"])(
    "takes %j as a web origin",
    (text) => {
      expect(load({ yaml: `web: { allowedOrigins: ["${text}"] }` }).settings.web.allowedOrigins).toEqual([text]);
    },
  );

  it.each(["https://runner.example", "runner.example:7434", "*.example", "runner.example/x"])(
    "refuses %j as a host name, which would never match",
    (text) => {
      expect(problems({ yaml: `web: { allowedHosts: ["${text}"] }` })[0]).toContain("without a scheme or a port");
    },
  );

  it.each(["/v1/traces", "/v1/metrics", "/v1/traces/", "/base/v1/traces", "?x=1"])(
    "refuses a collector's address that ends in %s, to which more is added",
    (end) => {
      const yaml = `telemetry: { otlpEndpoint: "http://127.0.0.1:4318${end}" }`;
      expect(problems({ yaml })[0]).toContain("the server adds `/v1/traces` and `/v1/metrics`");
      expect(problems({ env: { CLAUDE_RUNNER_TELEMETRY_OTLP_ENDPOINT: "ftp://x" } })[0]).toContain("base address");
    },
  );

  it("refuses an admin port that others can reach unless it is said who may read it, and warns where it is", () => {
    expect(problems({ yaml: "admin: { host: 0.0.0.0 }" })[0]).toContain(
      "list the addresses that may read it in `admin.allowed",
    );
    expect(problems({ yaml: "admin: { host: 0.0.0.0, allowedAddresses: [everybody] }" })[0]).toContain("a range of");
    const { warnings } = load({ yaml: "admin: { host: 0.0.0.0, allowedAddresses: [10.0.0.0/8, 'fd00::7'] }" });
    expect(warnings).toEqual([expect.stringContaining("without a token at 0.0.0.0:7435 from 10.0.0.0/8, fd00::7")]);
  });

  it("refuses two ways to the same key", () => {
    const yaml = "credentials: { default: { apiKeyEnv: A, apiKeyFile: b } }";
    expect(problems({ yaml })[0]).toContain("`apiKeyEnv` and `apiKeyFile` exclude each other");
  });
});

describe("bounds of a profile", () => {
  it("that are not set keep their defaults when one of them is", () => {
    const { settings } = load({ env: { CLAUDE_RUNNER_PROFILES_DEFAULT_MAX_LIMITS_MAX_COST_USD_MICROS: "5000000" } });
    expect(settings.profiles.default?.maxLimits).toEqual({
      maxModelCallCount: 200,
      maxOutputBytes: 64 * 1024 * 1024,
      maxDurationMs: 3_600_000,
      maxCostUsdMicros: 5_000_000,
    });
  });

  it("that nobody wrote give way to a smaller maximum", () => {
    const { settings } = load({ yaml: "profiles: { default: { maxLimits: { maxDurationMs: 1000 } } }" });
    expect(settings.profiles.default?.defaultLimits.maxDurationMs).toBe(1000);
    expect(load({ yaml: "calls: { maxTimeoutMs: 1000 }" }).settings.calls.defaultTimeoutMs).toBe(1000);
  });
});

describe("spares", () => {
  it("that nobody asked for are no more than the workers that a profile can have", () => {
    const workspace = `{ path: ${folder} }`;
    const yaml = `profiles: { coder: { tools: [Read], tenant: t, isolation: none, workspace: ${workspace} }, small: { maxWorkers: 1 }, default: {} }`;
    const { settings, warnings } = load({ yaml });
    const spares = Object.values(settings.profiles).map(({ minSpares }) => minSpares);
    expect(spares).toEqual([1, 1, 2]);
    expect(warnings.join()).not.toContain("minSpares");
  });

  it("that somebody asked for and cannot have are told", () => {
    const profile = `{ tools: [Read], tenant: t, isolation: none, workspace: { path: ${folder} }, minSpares: 3 }`;
    const { warnings } = load({ yaml: `profiles: { coder: ${profile} }` });
    expect(warnings.join("\n")).toContain(
      "profile coder: `minSpares` is 3 but counts as 1, because the profile has at most one worker: turns in a `read-write` workspace run one at a time",
    );
  });
});

describe("warnings", () => {
  it("name a proxy whose address nobody knows: all its callers would share what one address may have", () => {
    expect(load({ yaml: "behindProxy: true" }).warnings).toEqual([
      expect.stringContaining("`trustedProxies` is empty"),
    ]);
    expect(load({ yaml: "behindProxy: true\ntrustedProxies: [10.0.0.0/8]" }).warnings).toEqual([]);
  });

  it("name tools without isolation and missing authentication", () => {
    const profile = `{ tools: [Bash], tenant: t, isolation: none, workspace: { path: ${folder} } }`;
    const { warnings } = load({ yaml: `profiles: { shell: ${profile} }\nauth: { insecureNoAuth: true }` });
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain("profile shell: its tools (Bash) run without isolation");
    expect(warnings[1]).toContain("authentication is off");
  });

  it("name spans of Claude Code that would go nowhere", () => {
    const { warnings } = load({ yaml: "telemetry: { cliSpans: true }" });
    expect(warnings).toEqual([
      expect.stringContaining("`telemetry.cliSpans` has no effect without `telemetry.otlpEndpoint`"),
    ]);
    const endpoint = "http://127.0.0.1:4318";
    expect(load({ yaml: `telemetry: { cliSpans: true, otlpEndpoint: "${endpoint}" }` }).warnings).toEqual([]);
  });
});

describe("folders", () => {
  it("keeps the token of the first start in the state folder", () => {
    expect(load({}).settings.auth.tokenFile).toBe(join(folder, "home/.local/state/claude-runner/token"));
    const env = { XDG_STATE_HOME: "/var/lib/x" };
    expect(load({ env }).settings.auth.tokenFile).toBe("/var/lib/x/claude-runner/token");
    expect(load({ env: { XDG_STATE_HOME: "relative" } }).settings.auth.tokenFile).toContain("/home/.local/state/");
  });
});
