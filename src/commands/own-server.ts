/**
 * Whether a port that is in use is a claude-runner's: asked without a token, so that nothing is given away to whatever
 * else listens there.
 */
import { get } from "node:http";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ClaudeRunner } from "../../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";

/** What listens on a port. `undefined`: something else. */
export type OwnServer = { readonly isServing: boolean } | undefined;

const timeoutMs = 2_000;
/** Of `ErrorInfo`, in every refusal of a claude-runner. */
const domain = "claude-runner";

/** The gRPC and the web port: both speak gRPC. */
export async function askRpcPort(port: { host: string; port: number; isTls: boolean }): Promise<OwnServer> {
  const host = connectable(port.host);
  const transport = createGrpcTransport({
    baseUrl: `${port.isTls ? "https" : "http"}://${host}:${port.port}`,
    defaultTimeoutMs: timeoutMs,
    // Nothing is sent that a stranger may not have, and no answer is believed further than this line.
    nodeOptions: { rejectUnauthorized: false },
  });
  if (!(await isOurs(() => createClient(ClaudeRunner, transport).getInfo({})))) return undefined;
  try {
    const { status } = await createClient(Health, transport).check({});
    return { isServing: status === Status.SERVING };
  } catch {
    return { isServing: false }; // It is ours, and in no state to answer.
  }
}

async function isOurs(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true; // It asks for no token.
  } catch (error) {
    return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.domain === domain;
  }
}

/** The admin port is known by what it says to a path that it does not have. */
export function askAdminPort(port: { host: string; port: number }): Promise<OwnServer> {
  return new Promise((resolve) => {
    const request = get(
      { host: port.host.replace(/^\[(.*)\]$/, "$1"), port: port.port, path: "/", timeout: timeoutMs },
      (response) => {
        let text = "";
        response.on("data", (part: Buffer) => {
          text += part.toString();
          if (text.length > 1_000) request.destroy();
        });
        response.on("close", () =>
          resolve(text.startsWith("/metrics, /healthz, /readyz") ? { isServing: true } : undefined),
        );
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
  });
}

/** An address to listen on as one to call. */
function connectable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::" || host === "[::]") return "[::1]";
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
