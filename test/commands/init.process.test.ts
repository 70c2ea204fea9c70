/**
 * The program as PID 1, as it is in a container without an init: in a PID namespace of its own, which needs the right to
 * make one.
 */
import { type ChildProcessByStdio, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exitCodes } from "../../src/commands/exit-codes.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { startStandin } from "../../src/standin/standin-server.ts";

const program = new URL("../../bin/claude-runner.js", import.meta.url).pathname;
const namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];

let folder: string;
const started = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "claude-runner-init-"));
});
afterEach(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** `unshare`, whose one child is PID 1 of the namespace. */
function asPid1(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn("unshare", [...namespace, process.execPath, program, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  started.add(child);
  const ended = once(child, "close").then(([code]) => {
    started.delete(child);
    return code as number | null;
  });
  return { child, ended };
}

interface Process {
  readonly pid: number;
  /** In the innermost namespace. */
  readonly innerPid: number;
  readonly parent: number;
  readonly state: string;
}

/** A process of this machine, seen from outside; `undefined`: it has ended meanwhile. */
function processOf(pid: string): Process | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    return {
      pid: Number(pid),
      innerPid: Number(field("NSpid").split(/\s+/).at(-1)),
      parent: Number(field("PPid")),
      state: field("State")[0] ?? "",
    };
  } catch {
    return undefined;
  }
}

/** All that lives below a process, zombies included. */
function below(pid: number): readonly Process[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(processOf)
    .filter((one) => one !== undefined);
  const children = (of: number): readonly Process[] =>
    all.filter(({ parent }) => parent === of).flatMap((child) => [child, ...children(child.pid)]);
  return children(pid);
}

describe.skipIf(!mayMakeNamespaces())("as PID 1", () => {
  it("reaps the orphans that tools leave, and stops as it is told to", async () => {
    await using standin = await startStandin();
    const workspace = join(folder, "workspace");
    mkdirSync(workspace);
    const settings = {
      grpc: { port: 0 },
      web: { port: 0 },
      admin: { enabled: false },
      auth: { tokens: [{ tenant: "me", sha256: sha256Of("token-1") }] },
      profiles: {
        default: { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "me", minSpares: 1 },
      },
    };
    writeFileSync(join(folder, "settings.yaml"), JSON.stringify(settings));
    const env = { ANTHROPIC_BASE_URL: standin.url, ANTHROPIC_API_KEY: "sk-stand-in-0123456789" };
    const { child, ended } = asPid1(["serve", "--config", "settings.yaml"], env);
    const url = await grpcOf(child.stderr);

    // Its parent ends at once, so that PID 1 inherits it; it ends by itself a little later.
    const command = "setsid sh -c 'echo $$ > orphan.pid; sleep 0.2' > /dev/null 2>&1 < /dev/null & sleep 0.1";
    const chat = ["chat", "--url", url, "--token", "token-1", `[[scenario bash ${JSON.stringify({ command })}]]`];
    await promisify(execFile)(process.execPath, [program, ...chat], { env: { PATH: process.env.PATH, HOME: folder } });
    const orphan = Number(readFileSync(join(workspace, "orphan.pid"), "utf8"));
    expect(orphan).toBeGreaterThan(1);
    const init = below(child.pid ?? 0).find(({ innerPid }) => innerPid === 1);
    // A zombie would stay for as long as PID 1 does.
    const isLeft = ({ innerPid, parent, state }: Process) =>
      innerPid === orphan || (parent === init?.pid && state === "Z");
    while (below(child.pid ?? 0).some(isLeft)) await nextTurn();

    process.kill(init?.pid ?? 0, "SIGTERM");
    expect(await ended).toBe(exitCodes.ok);
  });

  it("hands on stdin, output and exit code", async () => {
    const piped = asPid1(["chat", "--url", "127.0.0.1:9", "-"]);
    piped.child.stdin.end("a prompt that is piped in");
    expect(await piped.ended, "an empty prompt would be a mistake of the caller").toBe(exitCodes.unavailable);
    expect(await asPid1(["no-such-command"]).ended).toBe(exitCodes.usage);
    const version = asPid1(["--version"]);
    const text = (await version.child.stdout.toArray()).join("");
    expect([text, await version.ended]).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+\n$/), exitCodes.ok]);
  });
});

async function grpcOf(stderr: Readable): Promise<string> {
  const lines = createInterface({ input: stderr });
  for await (const line of lines) {
    const address = /"grpc":"([^"]+)"/.exec(line)?.[1];
    if (address === undefined) continue;
    lines.on("line", () => undefined); // What is not read would block the server.
    return address;
  }
  throw new Error("the server ended before it had started");
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

function mayMakeNamespaces(): boolean {
  try {
    execFileSync("unshare", [...namespace, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false; // No such program, no such right, or another system.
  }
}
