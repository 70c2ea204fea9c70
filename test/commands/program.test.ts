import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import { runProgram } from "../../src/commands/program.ts";
import { commands } from "../../src/commands/registry.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { testTerminal } from "./test-terminal.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "claude-runner-program-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, input = "") {
  const terminal = testTerminal({ env: { HOME: folder, ...env }, workingFolder: folder, input });
  const exitCode = await runProgram(args, terminal);
  return { exitCode, ...terminal.written };
}

describe("the command line", () => {
  it("lists every command with its exit codes", async () => {
    const { exitCode, stdout } = await run(["--help"]);
    expect(exitCode).toBe(exitCodes.ok);
    for (const { usage, summary } of commands) expect(stdout).toContain(`${usage.padEnd(16)}  ${summary}`);
    expect(stdout).toMatch(/^ {2}130 {2}interrupted/m);
  });

  it.each(commands.map(({ usage }) => usage.split(" ")[0] ?? ""))("has help with an example for %s", async (name) => {
    const { exitCode, stdout } = await run([name, "--help"]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(stdout).toMatch(new RegExp(`Examples:\\n(.*\\n)*.*claude-runner ${name}`));
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  it("suggests the command that was meant", async () => {
    const { exitCode, stderr } = await run(["sevre"]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain("Did you mean serve?");
  });

  it("shows what there is when nothing is asked", async () => {
    const { exitCode, stderr } = await run([]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain("Start here:");
  });

  it("tells its version", async () => {
    expect((await run(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("tells every wrong setting before anything is started", async () => {
    const { exitCode, stderr } = await run(["serve", "--grpc-port", "x", "--set", "grcp.port=1"], {
      CLAUDE_RUNNER_WEB_PORT: "70000",
    });
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain("3 settings are wrong");
    expect(stderr).toContain("--grpc-port: grpc.port must be a whole number");
    expect(stderr).toContain("did you mean `grpc.port`?");
    expect(stderr).toContain("CLAUDE_RUNNER_WEB_PORT: web.port is 70000");
  });

  it("does not repeat what stands behind a --set without a path", async () => {
    const { exitCode, stderr } = await run(["settings", "--set", "sk-ant-api03-0123456789abcdef"]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).not.toContain("0123456789");
  });
});

describe("token", () => {
  it("makes a token, its hash and lines that the settings take", async () => {
    const { exitCode, stdout } = await run(["token", "--tenant", "billing", "--profile", "default"]);
    expect(exitCode).toBe(exitCodes.ok);
    const made = /crt_[A-Za-z0-9_-]{43}/.exec(stdout)?.[0] ?? "";
    const yaml = stdout.slice(stdout.indexOf("auth:"), stdout.indexOf("A running server"));
    expect(yaml).toContain(sha256Of(made));
    const file = join(folder, "with-token.yaml");
    writeFileSync(file, yaml);
    const shown = await run(["settings", "--config", file, "--json"]);
    const settings = JSON.parse(shown.stdout) as Record<string, { value: unknown }>;
    expect(settings["auth.tokens"]?.value).toEqual([
      { tenant: "billing", sha256: sha256Of(made), profiles: ["default"], operator: false, weight: 1 },
    ]);
  });

  it("marks an operator's token as one, in the lines and for programs", async () => {
    const { stdout } = await run(["token", "--tenant", "ops", "--operator"]);
    expect(stdout).toMatch(/^ {4}- tenant: ops\n {6}sha256: [0-9a-f]{64}\n {6}operator: true$/m);
    expect(JSON.parse((await run(["token", "--operator", "--json"])).stdout)).toMatchObject({ operator: true });
    expect((await run(["token"])).stdout).not.toContain("operator");
  });

  it("makes another one each time, for programs too", async () => {
    const [first, second] = await Promise.all([run(["token", "--json"]), run(["token", "--json"])]);
    const read = (text: string) => JSON.parse(text) as { token: string; sha256: string };
    expect(read(first.stdout).token).not.toBe(read(second.stdout).token);
    expect(read(first.stdout).sha256).toBe(sha256Of(read(first.stdout).token));
  });
});

describe("pool", () => {
  it.each([
    [["--watch", "--once"], "exclude each other"],
    [["--turns", "101"], "from 0 to 100"],
    [["--interval", "soon"], "a number of seconds"],
    [["--url", "ftp://x"], "--url must be"],
  ])("refuses %j before it calls anybody", async (args, why) => {
    const { exitCode, stderr } = await run(["pool", ...args]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain(why);
  });

  it("says where it looked for a server", async () => {
    const { exitCode, stderr } = await run(["pool", "--url", "127.0.0.1:9"]);
    expect(exitCode).toBe(exitCodes.unavailable);
    expect(stderr).toContain("no server answers at 127.0.0.1:9");
  });
});

describe("settings", () => {
  it("shows what was changed and by whom", async () => {
    const { stdout } = await run(["settings", "--changed", "--no-web"], { CLAUDE_RUNNER_GRPC_PORT: "1234" });
    expect(stdout).toMatch(/^grpc\.port +1234 +CLAUDE_RUNNER_GRPC_PORT$/m);
    expect(stdout).toMatch(/^web\.enabled +false +--no-web$/m);
    expect(stdout.trim().split("\n")).toHaveLength(3);
  });

  it("shows what is essential first, and what only tests change where it is changed or asked for", async () => {
    const { stdout } = await run(["settings", "--set", "pool.stopTimeoutMs=50"]);
    const at = (text: string) => stdout.indexOf(`\n${text}`);
    expect(at("# essential")).toBeGreaterThan(0);
    expect(at("grpc.port ")).toBeGreaterThan(at("# essential"));
    expect(at("# seldom changed")).toBeGreaterThan(at("grpc.port "));
    expect(at("queue.timeoutMs ")).toBeGreaterThan(at("# seldom changed"));
    expect(at("pool.stopTimeoutMs ")).toBeGreaterThan(at("# for tests"));
    expect(at("pool.controlTimeoutMs ")).toBe(-1);
    const hidden = /^# --all shows (\d+) more/m.exec(stdout);
    const all = (await run(["settings", "--all", "--set", "pool.stopTimeoutMs=50"])).stdout;
    expect(all).toMatch(/^pool\.controlTimeoutMs /m);
    expect(all.split("\n").length).toBe(stdout.split("\n").length - 1 + Number(hidden?.[1]));
  });

  it("gives a program all of them, each with its tier", async () => {
    const shown = JSON.parse((await run(["settings", "--json"])).stdout) as Record<string, { tier: string }>;
    expect(shown["grpc.port"]?.tier).toBe("essential");
    expect(shown["pool.stopTimeoutMs"]?.tier).toBe("forTests");
  });

  it("never shows a secret, whatever it was written into", async () => {
    const { stdout } = await run(["settings"], {
      CLAUDE_RUNNER_CREDENTIALS_DEFAULT_BASE_URL: "https://gateway.example",
      CLAUDE_RUNNER_PROFILES_DEFAULT_SYSTEM_PROMPT: "The key is sk-ant-api03-0123456789abcdef.",
    });
    expect(stdout).toContain("gateway.example");
    expect(stdout).not.toContain("0123456789");
    const refused = await run(["settings"], {
      CLAUDE_RUNNER_CREDENTIALS_DEFAULT_BASE_URL: "https://me:hunter2@gateway.example",
    });
    expect(refused.stderr).toContain("name or a password");
    expect(refused.stdout + refused.stderr).not.toContain("hunter2");
  });

  it("prints a schema for editors", async () => {
    const schema = JSON.parse((await run(["settings", "--schema"])).stdout) as {
      properties: { grpc: { properties: { port: { maximum: number; description: string } } } };
    };
    expect(schema.properties.grpc.properties.port).toMatchObject({ maximum: 65_535, description: expect.any(String) });
  });
});

describe("chat", () => {
  it("refuses an empty prompt", async () => {
    expect(await run(["chat"], {}, " \n")).toMatchObject({
      exitCode: exitCodes.usage,
      stderr: "error: the prompt is empty\n",
    });
  });

  it("refuses a prompt on stdin that no server would take", async () => {
    const { exitCode, stderr } = await run(["chat", "-"], {}, "x".repeat(1024 * 1024 + 1));
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain("longer than 1 MiB");
  });

  it.each([["ftp://example.com"], ["http://"], [":7433"]])("refuses %s as a server", async (url) => {
    const { exitCode, stderr } = await run(["chat", "--url", url, "hi"]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain("--url must be host:port");
  });

  it("says what to do when no server answers", async () => {
    const { exitCode, stdout, stderr } = await run(["chat", "--url", "127.0.0.1:1", "hi"]);
    expect(exitCode).toBe(exitCodes.unavailable);
    expect(stdout).toBe("");
    expect(stderr).toContain("no server answers at 127.0.0.1:1");
    expect(stderr).toContain("claude-runner serve");
  });

  it.each([
    ["--schema", "gone.json", "cannot read"],
    ["--history", ".", "cannot read"],
    ["--token-file", "gone", "cannot read"],
  ])("names the file of %s that cannot be read", async (option, file, problem) => {
    const { exitCode, stderr } = await run(["chat", option, join(folder, file), "hi"]);
    expect(exitCode).toBe(exitCodes.usage);
    expect(stderr).toContain(option);
    expect(stderr).toContain(problem);
  });
});

describe("doctor", () => {
  const ports = ["--grpc-port", "0", "--web-port", "0", "--admin-port", "0"];
  // A program that is not there: looking for the real one would start it.
  const noCli = ["--cli-path", "/nonexistent/claude"];

  it("names each problem and what to do about it, without secrets", async () => {
    const { exitCode, stdout } = await run(["doctor", ...ports, ...noCli], {
      CLAUDE_RUNNER_CREDENTIALS_DEFAULT_API_KEY_ENV: "MY_KEY",
    });
    expect(exitCode).toBe(exitCodes.failed);
    expect(stdout).toMatch(
      /✗ claude code +the program that the setting cli\.path names is missing.*\n +→ correct cli\.path/,
    );
    expect(stdout).toMatch(
      /✗ credential default +the environment variable MY_KEY of the server is not set\n +→ set it/,
    );
    expect(stdout).toContain("2 problems to solve");
  });

  it("says that a credential is there, and not what it is", async () => {
    const { stdout } = await run(["doctor", ...ports, ...noCli], {
      ANTHROPIC_API_KEY: "sk-ant-api03-0123456789abcdef",
      ANTHROPIC_BASE_URL: "https://gateway.example/path",
    });
    expect(stdout).toContain("ANTHROPIC_API_KEY present; model API at https://gateway.example");
    expect(stdout).not.toContain("0123456789");
  });

  it("says what is wrong with an address that holds a login, and not what it is", async () => {
    const { stdout } = await run(["doctor", ...ports, ...noCli], {
      ANTHROPIC_API_KEY: "sk-ant-api03-0123456789abcdef",
      ANTHROPIC_BASE_URL: "https://me:hunter2@gateway.example/path",
    });
    expect(stdout).toContain("ANTHROPIC_BASE_URL must not contain a user name or a password");
    expect(stdout).not.toContain("hunter2");
  });

  it("notices that a port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { stdout } = await run(["doctor", "--grpc-port", String(port), "--no-web", "--no-admin", ...noCli]);
    other.close();
    expect(stdout).toMatch(new RegExp(`✗ grpc port +127\\.0\\.0\\.1:${port} is in use`));
    expect(stdout).not.toContain("web port");
  });

  it("notices an address that is open to others without protection, a bad folder and too little memory", async () => {
    const { stdout } = await run([
      ...["doctor", ...ports, ...noCli, "--grpc-host", "0.0.0.0", "--no-web"],
      ...["--set", "cli.workFolder=/nonexistent", "--set", "pool.memoryBudgetBytes=4000000000000000"],
    ]);
    expect(stdout).toMatch(/✗ addresses +grpc\.host: 0\.0\.0\.0 can be reached/);
    expect(stdout).toMatch(/✗ work folder +\/nonexistent cannot be written \(ENOENT\)/);
    expect(stdout).toMatch(/! memory +.*\n +→ set pool\.memoryBudgetBytes to \d+/);
  });

  it("speaks JSON to programs", async () => {
    const { exitCode, stdout } = await run(["doctor", "--json", ...ports, ...noCli], { ANTHROPIC_API_KEY: "x" });
    expect(exitCode).toBe(exitCodes.failed);
    const report = JSON.parse(stdout) as { problemCount: number; findings: { name: string; level: string }[] };
    expect(report.problemCount).toBe(1);
    expect(report.findings.find(({ name }) => name === "claude code")?.level).toBe("problem");
  });
});
