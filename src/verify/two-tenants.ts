/**
 * Two tenants on the real server, their turns side by side: starts everything on loopback, lets both ask over gRPC, and
 * gathers every byte that came out of it anywhere. What that says is decided in `tenant-checks.ts`.
 */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { ClaudeRunner, StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import type { FoundCli } from "../cli/program/locate.ts";
import { settingsSchema } from "../config/settings.ts";
import { startRunner } from "../main.ts";
import { sha256Of } from "../policy/auth.ts";
import { startStandin } from "../standin/standin-server.ts";
import { createLog } from "../telemetry/log.ts";
import { Canaries } from "./canaries.ts";
import type { CaseOutcome } from "./case-outcome.ts";
import { models } from "./lanes.ts";
import { openOtlpSink } from "./otlp-sink.ts";
import { checkTenants, type Gathered, type SeenTurn } from "./tenant-checks.ts";
import { type TenantTurn, tenantTurns } from "./tenant-turns.ts";

export interface TenantsOptions {
  readonly cli: FoundCli;
  /** For everything that is written; somebody else removes it. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
}

const tenants = ["first", "second"] as const;
const deadlineMs = 60_000;

/** The outcome of each check, by its name. Rejects when the server cannot be started. */
export async function verifyTenants(options: TenantsOptions): Promise<Readonly<Record<string, CaseOutcome>>> {
  return checkTenants(await gather(options));
}

async function gather({ cli, folder, signal }: TenantsOptions): Promise<Gathered> {
  const canaries = new Canaries();
  const asked = tenants.map((tenant) => ({
    tenant,
    // Without the form of our tokens: what redacts by form alone does not help it.
    token: canaries.plant(`${tenant}/token`, "token"),
    turns: tenantTurns(tenant, canaries),
  }));
  const logLines: string[] = [];

  await using opened = new AsyncDisposableStack();
  const sink = opened.use(await openOtlpSink());
  const standin = opened.use(await startStandin());
  standin.script(({ bodyText }) => {
    const heard = canaries.in(bodyText).map(({ text }) => text);
    const turn = asked.flatMap(({ turns }) => turns).findLast(({ promptCanary }) => heard.includes(promptCanary));
    return turn?.answer(heard.join(" "));
  });
  const workFolder = join(folder, "server");
  await mkdir(workFolder, { mode: 0o700 });
  const runner = await startRunner({
    settings: settingsSchema.parse({
      grpc: { port: 0 },
      web: { enabled: false },
      admin: { port: 0 },
      auth: { tokens: asked.map(({ tenant, token }) => ({ tenant, sha256: sha256Of(token) })) },
      cli: { path: cli.path, workFolder },
      credentials: { default: { baseUrl: standin.url, apiKeyEnv: "VERIFY_KEY" } },
      profiles: { default: { model: models.usual, minSpares: 1, maxWorkers: 6, upstreamMaxRetries: 0 } },
      telemetry: { otlpEndpoint: sink.url, logLevel: "debug" },
    }),
    env: { VERIFY_KEY: canaries.plant("server", "API key") },
    log: createLog({ level: "debug", write: (line) => void logLines.push(line) }),
  });
  opened.defer(() => runner.stop({ drainTimeoutMs: 0 }));

  const url = `http://${runner.grpcAddress.host}:${runner.grpcAddress.port}`;
  const turns: SeenTurn[] = [];
  // Both at once, turn by turn: each has always the other's turn beside it.
  for (let at = 0; at < asked[0]!.turns.length; at++) {
    signal?.throwIfAborted();
    turns.push(
      ...(await Promise.all(
        asked.map(async ({ tenant, token, turns: planned }) => {
          using caller = connect(url);
          return await ask(caller.client, tenant, token, planned[at]!, signal);
        }),
      )),
    );
  }
  const { adminAddress } = runner;
  const prometheus = adminAddress && (await fetch(`http://${adminAddress.host}:${adminAddress.port}/metrics`));
  const metrics = (await prometheus?.text()) ?? "";
  const files = await readFiles(workFolder);
  // Sends what telemetry still holds; the lines of turns that were broken off are written by then.
  await runner.stop();
  return {
    canaries,
    turns,
    modelRequests: standin.requests.filter(({ method }) => method === "POST"),
    logLines,
    spans: sink.received("traces"),
    metrics: `${sink.received("metrics")}\n${metrics}`,
    files,
  };
}

function connect(baseUrl: string): Disposable & { readonly client: Client<typeof ClaudeRunner> } {
  const sessionManager = new Http2SessionManager(baseUrl);
  return {
    client: createClient(ClaudeRunner, createGrpcTransport({ baseUrl, sessionManager })),
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}

async function ask(
  client: Client<typeof ClaudeRunner>,
  tenant: string,
  token: string,
  turn: TenantTurn,
  signal: AbortSignal | undefined,
): Promise<SeenTurn> {
  const seen: string[] = [];
  const keepHeaders = (headers: Headers) => void seen.push(JSON.stringify([...headers]));
  const caller = new AbortController();
  let workerId = "";
  let wasReused = false;
  let outcome: Outcome = Outcome.UNSPECIFIED;
  let error = "";
  try {
    const responses = client.streamChat(turn.request, {
      headers: { authorization: `Bearer ${token}` },
      timeoutMs: deadlineMs,
      signal: signal === undefined ? caller.signal : AbortSignal.any([caller.signal, signal]),
      onHeader: keepHeaders,
      onTrailer: keepHeaders,
    });
    for await (const response of responses) {
      seen.push(Buffer.from(toBinary(StreamChatResponseSchema, response)).toString("utf8"));
      const { event } = response;
      if (event.case === "started") {
        workerId = event.value.workerId;
        wasReused = event.value.claimSource === ClaimSource.REUSED;
      }
      if (event.case === "result") outcome = event.value.outcome;
      if (event.case === "textDelta" && turn.leavesAtFirstText) caller.abort();
    }
  } catch (thrown) {
    const failure = ConnectError.from(thrown);
    error = failure.rawMessage;
    seen.push(bytesOfError(failure));
  }
  return { tenant, turn, text: seen.join("\n"), workerId, wasReused, outcome, error };
}

async function readFiles(folder: string): Promise<Gathered["files"]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const read = files.map(async ({ name, parentPath }) => {
    // Workers are alive: a file may be gone by now.
    const text = await readFile(join(parentPath, name), "latin1").catch(() => "");
    return { name, text };
  });
  return Promise.all(read);
}

/** Message, headers and details of an error, as they came. */
function bytesOfError({ rawMessage, metadata, details }: ConnectError): string {
  const values = details.map((detail) => ("type" in detail ? Buffer.from(detail.value).toString("utf8") : ""));
  return [rawMessage, JSON.stringify([...metadata]), ...values].join("\n");
}
