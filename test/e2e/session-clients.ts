/**
 * Clients of a scene's services, and what tests ask of their streams.
 */
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { PoolService } from "../../gen/claude/runner/v1/pool_pb.ts";
import { ClaudeRunner, type StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { failureOf } from "./failure.ts";
import { type Scene, tenants } from "./scene.ts";

export interface Clients {
  readonly runner: Client<typeof ClaudeRunner>;
  readonly sessions: Client<typeof SessionService>;
  readonly turns: Client<typeof TurnService>;
  readonly pool: Client<typeof PoolService>;
}

export function clients(scene: Pick<Scene, "target">, token: string = tenants.acme): Clients {
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${scene.target.grpcPort}`,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  return {
    runner: createClient(ClaudeRunner, transport),
    sessions: createClient(SessionService, transport),
    turns: createClient(TurnService, transport),
    pool: createClient(PoolService, transport),
  };
}

export async function all(stream: AsyncIterable<StreamChatResponse>): Promise<StreamChatResponse[]> {
  const events: StreamChatResponse[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
export const textOf = (events: readonly StreamChatResponse[]) =>
  events.map(({ event }) => (event.case === "textDelta" ? event.value.text : "")).join("");
export const startedOf = (events: readonly StreamChatResponse[]) => {
  const started = events[0]?.event;
  if (started?.case !== "started") throw new Error("no started");
  return started.value;
};
export const reasonOf = async (call: Promise<unknown> | AsyncIterable<unknown>) => {
  const failure = await failureOf(call);
  return failure.findDetails(ErrorInfoSchema)[0]?.reason;
};
/** The prompts and answers that the model was sent, by its own account. */
export const asked = "[[scenario conversation]]";

/** An answer that comes piece by piece. */
export const slow = (text: string, betweenDeltasMs = 100) =>
  `[[scenario text ${JSON.stringify({ text, deltas: [...text], betweenDeltasMs })}]]`;
