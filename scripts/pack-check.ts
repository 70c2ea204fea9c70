/**
 * Packs the package, installs the file into an empty folder and uses it as a user would: with the machine's own Node,
 * without this checkout, without a credential.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** More than this means that something got in that does not belong there, in bytes. */
const maxPackedBytes = 2_000_000;
const allowedPaths =
  /^(package\.json|README\.md|LICENSE|NOTICE|CHANGELOG\.md|bin\/|dist\/(src|gen|web|clients)\/|proto\/|third_party\/|docs\/(operations|metrics|tracing|security|on-call|upgrades|capacity|glossary|conversations|text-streams)\.md)/;
const requiredPaths = [
  "bin/claude-runner.js",
  "dist/src/main.js",
  "dist/web/index.html",
  "dist/web/main.js",
  "proto/claude/runner/v1/runner.proto",
  "LICENSE",
];

const folder = mkdtempSync(join(tmpdir(), "claude-runner-pack-"));
/** The installed command. */
const program = join(folder, "node_modules/.bin/claude-runner");
// npm puts the checkout's Node first; a user has another one.
const path = (process.env.PATH ?? "")
  .split(delimiter)
  .filter((part) => !part.includes("node_modules"))
  .join(delimiter);

try {
  const file = pack();
  install(file);
  const env = userEnvironment();
  use(env);
  await usePage(env);
  console.log("the packed package works");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

function pack(): string {
  const { status, stdout: output } = spawnSync("npm", ["pack", "--json", "--pack-destination", folder], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`the package cannot be built:\n${output}`);
  // The build's own output comes before.
  const parsed = JSON.parse(output.slice(output.search(/^[[{]/m))) as readonly Packed[] | Record<string, Packed>;
  const packed = Object.values(parsed)[0] as Packed;
  const paths = packed.files.map((file) => file.path);
  const strangers = paths.filter((one) => !allowedPaths.test(one) || (one.endsWith(".ts") && !one.endsWith(".d.ts")));
  const missing = requiredPaths.filter((one) => !paths.includes(one));
  if (strangers.length > 0) throw new Error(`should not be in the package: ${strangers.join(", ")}`);
  if (missing.length > 0) throw new Error(`missing in the package: ${missing.join(", ")}`);
  if (packed.size > maxPackedBytes)
    throw new Error(`the package has ${packed.size} bytes, more than ${maxPackedBytes}`);
  console.log(`packed: ${paths.length} files, ${Math.round(packed.size / 1000)} kB`);
  return join(folder, packed.filename);
}

function install(file: string): void {
  const started = performance.now();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", version: "1.0.0", private: true }));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel", "error", file], {
    cwd: folder,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "inherit", "inherit"],
  });
  console.log(`installed in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

type Environment = Readonly<Record<"PATH" | "HOME" | "TMPDIR" | "NO_COLOR", string>>;

function userEnvironment(): Environment {
  const home = join(folder, "home");
  mkdirSync(home);
  return { PATH: path, HOME: home, TMPDIR: folder, NO_COLOR: "1" };
}

function use(env: Environment): void {
  const node = execFileSync("node", ["--version"], { env, encoding: "utf8" }).trim();
  console.log(`used with Node ${node}:`);
  const run = (args: readonly string[], expected: RegExp, extra: Readonly<Record<string, string>> = {}) => {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: env.HOME,
      env: { ...env, ...extra },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 180_000,
    });
    const isGood = status === 0 && expected.test(stdout);
    console.log(`  ${isGood ? "ok" : "FAILED"}  claude-runner ${args.join(" ")}`);
    if (!isGood) throw new Error(`exit code ${status}, expected ${expected} on stdout:\n${stdout}\n${stderr}`);
  };
  run(["--version"], /^\d+\.\d+\.\d+$/m);
  run(["--help"], /chat \[prompt\.\.\.\]/);
  run(["settings"], /grpc\.port +7433/);
  run(["standin", "--list"], /^answer /m);
  run(["doctor", "--grpc-port", "0", "--web-port", "0", "--admin-port", "0"], /✓ claude code/, {
    ANTHROPIC_API_KEY: "none",
  });
  run(["demo"], /times faster/);
}

/** The browser page, with every module that it names, compiled and with its libraries found. */
async function usePage(env: Environment): Promise<void> {
  const server = spawn(program, ["serve", "--grpc-port", "0", "--web-port", "0", "--admin-port", "0"], {
    cwd: env.HOME,
    env: { ...env, ANTHROPIC_API_KEY: "none" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(server, "exit");
  try {
    const address = await webAddress(server.stderr);
    const page = await get(`http://${address}/`, "text/html");
    const modules = [...page.matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, module]) => module);
    const own = modules.filter((module) => module?.startsWith("page/web/"));
    if (own.length === 0 || modules.length === own.length) throw new Error(`the page names no modules:\n${page}`);
    for (const module of modules) await get(`http://${address}/${module}`, "text/javascript");
    console.log(`  ok  the page, with ${modules.length} modules`);
    await askAtLength(address, env);
  } finally {
    server.kill("SIGTERM");
    await exited;
  }
}

/** A request in JSON that is so large that it is read in a thread of its own, compiled as well. */
async function askAtLength(address: string, env: Environment): Promise<void> {
  const token = readFileSync(join(env.HOME, ".local/state/claude-runner/token"), "utf8").trim();
  const response = await fetch(`http://${address}/claude.runner.v1.ClaudeRunner/Chat`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ prompt: "x".repeat(1_000_000), profile: "nobodys" }),
  });
  const text = await response.text();
  if (response.status !== 403 || !text.includes("nobodys")) {
    throw new Error(`a large request in JSON is answered by ${response.status}:\n${text.slice(0, 500)}`);
  }
  console.log("  ok  a large request in JSON");
}

/** Where the started server says that its web port is. */
async function webAddress(stderr: NodeJS.ReadableStream): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface(stderr)) {
    lines.push(line);
    const { web } = JSON.parse(line) as { readonly web?: string };
    if (web === undefined) continue;
    stderr.resume();
    return web;
  }
  throw new Error(`the server does not start:\n${lines.join("\n")}`);
}

async function get(url: string, type: string): Promise<string> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok || !response.headers.get("content-type")?.startsWith(type)) {
    throw new Error(
      `${url} answers ${response.status} ${response.headers.get("content-type")}:\n${text.slice(0, 500)}`,
    );
  }
  return text;
}
