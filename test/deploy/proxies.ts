/**
 * The proxies of deploy/, with the files as they are there but for ports, addresses and certificates: real programs on
 * loopback in front of a test server.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testTls } from "../contract/transports.ts";

export interface ProxyTarget {
  readonly grpcPort: number;
  readonly webPort: number;
}

export interface RunningProxy {
  /** Where gRPC and where all else goes in; the same for proxies that tell them apart by themselves. */
  readonly grpcPort: number;
  readonly webPort: number;
  stop(): Promise<void>;
}

interface Setup {
  readonly folder: string;
  readonly ports: readonly number[];
  readonly target: ProxyTarget;
}

export interface ProxyKind {
  readonly name: string;
  readonly program: string;
  /** In deploy/. */
  readonly file: string;
  /** Writes the configuration into the folder and returns the program's arguments. */
  readonly prepare: (setup: Setup) => readonly string[];
}

export const readDeployed = (file: string): string =>
  readFileSync(new URL(`../../deploy/${file}`, import.meta.url), "utf8");

/** Replaces each of the texts, which have to be there: in turn, where there are several values. */
function replaced(text: string, changes: readonly (readonly [from: string, to: string | readonly string[]])[]): string {
  let result = text;
  for (const [from, to] of changes) {
    const parts = result.split(from);
    if (parts.length === 1) throw new Error(`the file has no ${from}`);
    const values = [to].flat();
    result = parts.reduce((whole, part, at) => whole + values[(at - 1) % values.length] + part);
  }
  return result;
}

const nginx: ProxyKind = {
  name: "nginx",
  program: "nginx",
  file: "nginx/claude-runner.conf",
  prepare({ folder, ports, target }) {
    const servers = replaced(readDeployed("nginx/claude-runner.conf"), [
      ["listen 443", ports.map((port) => `listen 127.0.0.1:${port}`)],
      ["127.0.0.1:7433", `127.0.0.1:${target.grpcPort}`],
      ["127.0.0.1:7434", `127.0.0.1:${target.webPort}`],
      ["/etc/nginx/tls/runner.crt", testTls.certFile],
      ["/etc/nginx/tls/runner.key", testTls.keyFile],
    ]);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join("\n");
    const file = join(folder, "nginx.conf");
    writeFileSync(
      file,
      `${process.getuid?.() === 0 ? "user root;" : ""} daemon off; pid ${folder}/pid; error_log stderr;
       events {} http { access_log off; ${temporary} ${servers} }`,
    );
    return ["-p", folder, "-c", file];
  },
};

const haproxy: ProxyKind = {
  name: "HAProxy",
  program: "haproxy",
  file: "haproxy/haproxy.cfg",
  prepare({ folder, ports, target }) {
    const pem = join(folder, "runner.pem");
    writeFileSync(pem, readFileSync(testTls.certFile, "utf8") + readFileSync(testTls.keyFile, "utf8"));
    const file = join(folder, "haproxy.cfg");
    const config = replaced(readDeployed("haproxy/haproxy.cfg"), [
      ["bind :443", `bind 127.0.0.1:${ports[0]}`],
      ["/etc/haproxy/runner.pem", pem],
      ["127.0.0.1:7433", `127.0.0.1:${target.grpcPort}`],
      ["127.0.0.1:7434", `127.0.0.1:${target.webPort}`],
    ]);
    writeFileSync(file, config);
    return ["-f", file, "-db"];
  },
};

const envoy: ProxyKind = {
  name: "Envoy",
  program: process.env.ENVOY ?? "envoy",
  file: "envoy/envoy.yaml",
  prepare({ folder, ports, target }) {
    const file = join(folder, "envoy.yaml");
    const config = replaced(readDeployed("envoy/envoy.yaml"), [
      ["address: 0.0.0.0, port_value: 443", `address: 127.0.0.1, port_value: ${ports[0]}`],
      ["/etc/envoy/runner.crt", testTls.certFile],
      ["/etc/envoy/runner.key", testTls.keyFile],
      ["port_value: 7433", `port_value: ${target.grpcPort}`],
      ["port_value: 7434", `port_value: ${target.webPort}`],
    ]);
    writeFileSync(file, config);
    return ["-c", file, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"];
  },
};

export const proxyKinds: readonly ProxyKind[] = [nginx, haproxy, envoy];

/** Whether this machine has the program. */
export function isInstalled({ program }: ProxyKind): boolean {
  try {
    execFileSync("sh", ["-c", 'command -v "$0"', program], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Starts a proxy and waits until it listens. */
export async function startProxy(kind: ProxyKind, target: ProxyTarget): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), "claude-runner-proxy-"));
  const ports = [await freePort(), await freePort()];
  const args = kind.prepare({ folder, ports, target });
  const child = spawn(kind.program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-4_000);
    });
  }
  const ended = once(child, "close");
  const used = kind.file.startsWith("nginx") ? ports : ports.slice(0, 1);
  for (const port of used) {
    while (!(await isListening(port))) {
      if (child.exitCode !== null) {
        rmSync(folder, { recursive: true });
        throw new Error(`${kind.name} did not start: ${said}`);
      }
    }
  }
  return {
    grpcPort: used[0] ?? 0,
    webPort: used.at(-1) ?? 0,
    async stop() {
      end(child);
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function end(child: ChildProcess): void {
  child.kill("SIGTERM");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a port has no number");
  return address.port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // The program is still starting: not at once again.
    socket.once("error", () => setTimeout(() => resolve(false), 50));
  });
}
