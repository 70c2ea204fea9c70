/**
 * Packs the client, installs the file into an empty folder and uses it as a user would, in JavaScript and in TypeScript:
 * a turn over gRPC, the same over Connect as in a browser, against a small server of its own.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program that has the packed client only: over gRPC in Node, and over Connect as in a browser. */
const user = `
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ClaudeRunner, type ClaudeRunnerClient, ClaudeRunnerError, ErrorReason, Outcome, Turn } from "@claude-runner/client";
import { Health, ServingStatus } from "@claude-runner/client/health";
import { connect as connectNode, grpcTransport } from "@claude-runner/client/node";
import { connect as connectWeb } from "@claude-runner/client/web";

const routes = (router: ConnectRouter) => {
  router.service(Health, { check: () => ({ status: ServingStatus.SERVING }) });
  router.service(ClaudeRunner, {
    async *streamChat({ prompt }, { requestHeader }) {
      if (requestHeader.get("authorization") !== "Bearer token") throw new Error("no token");
      yield { sequence: 1, turnId: "turn", event: { case: "textDelta", value: { text: prompt } } };
      yield { sequence: 2, turnId: "turn", event: { case: "result", value: { outcome: Outcome.COMPLETED } } };
    },
  });
};
const grpc = createHttp2Server(connectNodeAdapter({ routes })).listen(0, "127.0.0.1");
const web = createServer(connectNodeAdapter({ routes })).listen(0, "127.0.0.1");
await Promise.all([once(grpc, "listening"), once(web, "listening")]);
const address = (server: typeof grpc | typeof web) => "127.0.0.1:" + (server.address() as AddressInfo).port;

async function use(client: ClaudeRunnerClient): Promise<void> {
  const turn: Turn = client.stream("Say hello");
  let text = "";
  for await (const piece of turn.text()) text += piece;
  if (text !== "Say hello" || (await turn.result()).outcome !== Outcome.COMPLETED) throw new Error("no good turn");
  const failed = await client.info().then(() => undefined, (error: unknown) => error);
  if (!(failed instanceof ClaudeRunnerError) || failed.reason !== ErrorReason.UNSPECIFIED) throw new Error("no error");
  client.close();
}
await use(connectNode({ address: address(grpc), token: "token" }));
await use(connectWeb({ baseUrl: "http://" + address(web), token: "token" }));
grpcTransport({ address: address(grpc) }).close();
grpc.close();
web.close();
`;

/** More than this means that something got in that does not belong there, in bytes. */
const maxPackedBytes = 200_000;
const allowedPaths = /^(package\.json|README\.md|LICENSE|dist\/.+\.(js|d\.ts))$/;

const here = join(import.meta.dirname, "..");
const bin = join(here, "../../node_modules/.bin");
const folder = mkdtempSync(join(tmpdir(), "claude-runner-client-"));
try {
  const file = pack();
  install(file);
  use();
  console.log("the packed client works");
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
  const output = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: here, encoding: "utf8" });
  // The build's own output comes before.
  const parsed = JSON.parse(output.slice(output.search(/^[[{]/m))) as readonly Packed[] | Record<string, Packed>;
  const packed = Object.values(parsed)[0] as Packed;
  const strangers = packed.files.map(({ path }) => path).filter((path) => !allowedPaths.test(path));
  if (strangers.length > 0) throw new Error(`should not be in the package: ${strangers.join(", ")}`);
  if (packed.size > maxPackedBytes)
    throw new Error(`the package has ${packed.size} bytes, more than ${maxPackedBytes}`);
  console.log(`packed: ${packed.files.length} files, ${Math.round(packed.size / 1000)} kB`);
  return join(folder, packed.filename);
}

/** With the versions that the repository is tested with. */
function install(file: string): void {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(here, "../../package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const versions = { ...dependencies, ...devDependencies };
  const peers = [
    "@bufbuild/protobuf",
    "@connectrpc/connect",
    "@connectrpc/connect-node",
    "@connectrpc/connect-web",
    "@types/node",
  ];
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "user", private: true, type: "module" }));
  const packages = [file, ...peers.map((name) => `${name}@${versions[name]}`)];
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel", "error", ...packages], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
}

function use(): void {
  writeFileSync(join(folder, "user.ts"), user);
  const compiler = {
    compilerOptions: {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024", "esnext.disposable", "dom"],
      types: ["node"],
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
    },
    include: ["user.ts"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(compiler));
  execFileSync(join(bin, "tsc"), ["-p", folder], { stdio: "inherit" });
  execFileSync(join(bin, "node"), ["user.ts"], { cwd: folder, stdio: "inherit" });
}
