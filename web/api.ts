/**
 * The service as the page calls it: by Connect, with the real client, like any other program.
 */
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { PoolService } from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import { ClaudeRunner } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../clients/typescript/src/gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";

export interface Api {
  readonly runner: Client<typeof ClaudeRunner>;
  readonly sessions: Client<typeof SessionService>;
  readonly turns: Client<typeof TurnService>;
  readonly pool: Client<typeof PoolService>;
}

/** Calls the server that the page came from. `token`: sent with every call. */
export function connectTo(baseUrl: string, token: string | undefined): Api {
  const authorize: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({
    baseUrl: baseUrl.replace(/\/$/, ""),
    useBinaryFormat: true,
    interceptors: [authorize],
  });
  return {
    runner: createClient(ClaudeRunner, transport),
    sessions: createClient(SessionService, transport),
    turns: createClient(TurnService, transport),
    pool: createClient(PoolService, transport),
  };
}
