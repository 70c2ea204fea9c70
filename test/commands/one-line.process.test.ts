/**
 * What a person finds on a machine that is not as it should be: every command says it in a line, and none prints a stack
 * or waits for ever.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/commands/exit-codes.ts";

const program = new URL("../../bin/claude-runner.js", import.meta.url).pathname;
const anyPorts = ["--grpc-port", "0", "--web-port", "0", "--admin-port", "0"];

let folder: string;
/** Holds a port and answers nobody. */
let holder: Server;
let port: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "claude-runner-one-line-"));
  mkdirSync(join(folder, "folder"));
  mkdirSync(join(folder, "home"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  writeFileSync(join(folder, "junk"), "junk\n");
  writeFileSync(join(folder, "half.yaml"), "a: [\n");
  writeFileSync(join(folder, "circle.yaml"), "grpc: &g { port: 1, x: *g }\n");
  symlinkSync("gone", join(folder, "dangling"));
  mkdirSync(join(folder, "odd-home/.local/state/claude-runner"), { recursive: true });
  execFileSync("mkfifo", [join(folder, "odd-home/.local/state/claude-runner/token")]);
  holder = createServer((socket) => socket.on("error", () => undefined));
  await once(holder.listen(0, "127.0.0.1"), "listening");
  port = String((holder.address() as AddressInfo).port);
});
afterAll(() => {
  holder.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly text: string;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, signal?: NodeJS.Signals): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args.map((arg) => arg.replaceAll("PORT", port))], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: join(folder, "home"), TMPDIR: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (part: Buffer) => {
      text += part.toString();
      // The first line of all says that handlers are there.
      if (signal !== undefined && !child.killed) child.kill(signal);
    });
  }
  const [code, endedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal: endedBy, text };
}

/** No stack, nothing of Node's own, nobody's "undefined". */
const stack = /^\s+at \S|node:internal|\[object Object\]|undefined|SuppressedError/m;

describe("a command that cannot do its work says so in a line:", () => {
  it.each<[words: RegExp, code: number, args: readonly string[], env?: NodeJS.ProcessEnv]>([
    [/--config: the settings file folder is a folder/, 2, ["serve", "--config", "folder"]],
    [/--config: the settings file pipe is a pipe/, 2, ["settings", "--config", "pipe"]],
    [/--config: the settings file dangling is a link that leads nowhere/, 2, ["doctor", "--config", "dangling"]],
    [/half\.yaml:\d: is not valid YAML/, 2, ["verify", "--config", "half.yaml"]],
    [/circle\.yaml:1: grpc\.x is an anchor that contains itself/, 2, ["serve", "--config", "circle.yaml"]],
    [/cli\.workFolder: \S+junk is no folder/, 1, ["serve", ...anyPorts, "--set", "cli.workFolder=junk"]],
    [/cli\.workFolder: .*\/nonexistent is no folder/, 1, ["serve", ...anyPorts], { TMPDIR: "/nonexistent" }],
    [/token file \S+folder is a folder, .*auth\.tokens/, 1, ["serve", ...anyPorts, "--set", "auth.tokenFile=folder"]],
    [/token file \S+pipe is a pipe, .*auth\.tokens/, 1, ["serve", ...anyPorts, "--set", "auth.tokenFile=pipe"]],
    [
      /token file \S+ is a symbolic link; .*auth\.tokens/,
      1,
      ["serve", ...anyPorts, "--set", "auth.tokenFile=dangling"],
    ],
    [
      /token file .* cannot be \S+ \(ENOTDIR\); .*auth\.tokens/,
      1,
      ["serve", ...anyPorts, "--set", "auth.tokenFile=junk/x"],
    ],
    [/token file .* cannot be made \(\w+\); .*auth\.tokens/, 1, ["serve", ...anyPorts], { HOME: "/proc" }],
    [/grpc\.tls: certificate and key cannot be used/, 1, ["serve", ...anyPorts, ...tls("grpc")]],
    [/web\.tls: certificate and key cannot be used/, 1, ["serve", ...anyPorts, ...tls("web")]],
    [/web\.port: 127\.0\.0\.1:\d+ is in use/, 1, ["serve", ...anyPorts, "--web-port", "PORT"]],
    [/admin\.port: 127\.0\.0\.1:\d+ is in use/, 1, ["serve", ...anyPorts, "--admin-port", "PORT"]],
    [/grpc\.port: 127\.0\.0\.1:\d+ is in use/, 1, ["demo", "--grpc-port", "PORT"]],
    [/ENOENT.*\/nonexistent/, 1, ["demo"], { TMPDIR: "/nonexistent" }],
    [/port \d+ of 127\.0\.0\.1 is in use by another program; choose another with --port/, 1, ["standin", "-p", "PORT"]],
    [/scenario file folder: EISDIR/, 1, ["standin", "--scenarios", "folder"]],
    [/scenario file half\.yaml: [^\n]+\n$/, 1, ["standin", "--scenarios", "half.yaml"]],
    [/--token-file: cannot read folder/, 2, ["chat", "--token-file", "folder", "hi"]],
    [/--ca-file: cannot read folder/, 2, ["pool", "--ca-file", "folder"]],
    [/--history: cannot read folder/, 2, ["chat", "--history", "folder", "hi"]],
    [/--schema: junk is not JSON/, 2, ["chat", "--schema", "junk", "hi"]],
    [
      /token file \S+ is a pipe, not a file; name another one with --token-file/,
      2,
      ["chat", "hi"],
      { HOME: "odd-home" },
    ],
    [/the temporary folder \/nonexistent cannot be written/, 1, ["verify"], { TMPDIR: "/nonexistent" }],
    [/the program .* is missing or not executable/, 1, ["verify", "--cli", "junk"]],
    [/Must be a name/, 2, ["token", "--tenant", "../x"]],
  ])("%s", async (words, code, args, env = {}) => {
    const home = env.HOME === "odd-home" ? { HOME: join(folder, "odd-home") } : {};
    const ended = await run(args, { ...env, ...home });
    expect(ended.text).toMatch(words);
    expect(ended.text).not.toMatch(stack);
    expect(ended).toMatchObject({ code, signal: null });
  });

  it("doctor, of everything that is wrong", async () => {
    const args = ["doctor", "--set", "auth.tokenFile=pipe", "--set", "cli.workFolder=junk"];
    const { code, text } = await run(args, { TMPDIR: "/nonexistent" });
    expect(text).toMatch(/✗ claude code .*\/nonexistent cannot be written/);
    expect(text).toMatch(/✗ tokens .*pipe is a pipe/);
    expect(text).toMatch(/✗ work folder .*junk cannot be written/);
    expect(text).not.toMatch(stack);
    expect(code).toBe(exitCodes.failed);
  });
});

describe("a signal in the first moment", () => {
  it.each<[string, NodeJS.Signals, readonly string[]]>([
    ["serve", "SIGTERM", ["serve", ...anyPorts]],
    ["serve", "SIGINT", ["serve", ...anyPorts]],
    ["standin", "SIGTERM", ["standin"]],
    ["demo", "SIGINT", ["demo"]],
  ])("ends %s by %s without a stack", async (_command, signal, args) => {
    // A key, so that workers and the probe of Claude Code are under way.
    const env = { ANTHROPIC_API_KEY: "sk-none-0123456789", ANTHROPIC_BASE_URL: "http://127.0.0.1:9" };
    const { code, text } = await run(args, env, signal);
    expect(text).not.toMatch(stack);
    expect(text).not.toContain('"stack"');
    expect([exitCodes.ok, exitCodes.interrupted]).toContain(code);
  });
});

function tls(name: string): readonly string[] {
  return ["certFile", "keyFile"].flatMap((key) => ["--set", `${name}.tls.${key}=junk`]);
}

describe("a start without a key", () => {
  it("says in one line what to do, and does not repeat it while workers are tried again", async () => {
    const child = spawn(process.execPath, [program, "serve", ...anyPorts, "--set", "pool.startRetryMs=100"], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: join(folder, "home"), TMPDIR: folder },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const lines: Record<string, unknown>[] = [];
    const metrics = Promise.withResolvers<string>();
    createInterface({ input: child.stderr }).on("line", (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      lines.push(line);
      if (typeof line.admin === "string") metrics.resolve(`http://${line.admin}/metrics`);
    });
    const failures = async () => {
      const text = await (await fetch(await metrics.promise)).text();
      return Number(/^runner_worker_start_failures_total\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
    };
    while ((await failures()) < 8) await new Promise((resolve) => setTimeout(resolve, 50));
    const told = lines.filter(({ level }) => level === "error" || level === "warn");
    expect(told.map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /^no turn can be served: credential "default": the environment variable ANTHROPIC_API_KEY .* is not set; set it and start again/,
      ),
    ]);
    child.kill("SIGTERM");
    await once(child, "close");
  });
});
