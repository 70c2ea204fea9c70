/**
 * A server of our own adapters around handlers that a behaviour writes itself: for what the real service does not do on
 * demand, such as a certain push-back. Notes when each call arrived.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ClaudeRunner,
  type StreamChatRequest,
  type StreamChatResponseSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import {
  type AttachTurnRequest,
  type AttachTurnResponseSchema,
  TurnService,
} from "../../gen/claude/runner/v1/turn_pb.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { RunnerError, type RunnerReason } from "../../src/runner-error.ts";
import { startServers } from "../../src/server/server.ts";
import { type CallContext, type ServedService, served } from "../../src/service/calls.ts";
import { pushbackHeader, toConnectError } from "../../src/service/errors.ts";
import type { Target } from "./protocol.ts";

export type Response = MessageInitShape<typeof StreamChatResponseSchema>;

/** What becomes of a call. `attempt` counts all calls of the server from 1. */
export type Script = (attempt: number, call: CallContext) => AsyncIterable<Response>;

export interface ScriptedServer extends AsyncDisposable {
  readonly target: Target;
  /** When each call arrived, by a clock that only goes forward, in milliseconds. */
  readonly arrivals: readonly number[];
}

/** For the methods that a script leaves out. */
export const notScripted = () => Promise.reject(new ConnectError("not scripted", Code.Unimplemented));

// biome-ignore lint/correctness/useYield: a stream that fails before its first message
async function* noStream(): AsyncGenerator<never> {
  throw new ConnectError("not scripted", Code.Unimplemented);
}

/** Serves StreamChat as the script says. */
export function scriptedServer(script: Script): Promise<ScriptedServer> {
  const arrivals: number[] = [];
  const service = served(ClaudeRunner, {
    streamChat: (_, call) => script(arrivals.push(performance.now()), call),
    chat: notScripted,
    getInfo: notScripted,
  });
  return serve([service], arrivals);
}

export type Attached = MessageInitShape<typeof AttachTurnResponseSchema>;

/** What becomes of calls that begin a turn, and of calls that attach to one. Each counts its calls from 1. */
export interface TurnScript {
  readonly streamChat: (attempt: number, request: StreamChatRequest) => AsyncIterable<Response>;
  readonly attachTurn: (attempt: number, request: AttachTurnRequest) => AsyncIterable<Attached>;
}

/** Serves StreamChat and AttachTurn as the script says. */
export function scriptedTurns(script: TurnScript): Promise<ScriptedServer> {
  const arrivals: number[] = [];
  let attachCount = 0;
  const runner = served(ClaudeRunner, {
    streamChat: (request) => script.streamChat(arrivals.push(performance.now()), request),
    chat: notScripted,
    getInfo: notScripted,
  });
  const turns = served(TurnService, {
    attachTurn: (request) => {
      attachCount += 1;
      return script.attachTurn(attachCount, request);
    },
    getTurn: notScripted,
    listTurns: notScripted,
    getTurnContent: noStream,
    interruptTurn: notScripted,
  });
  return serve([runner, turns], arrivals);
}

/** Serves any services on the gRPC port, without authentication. */
export async function serve(
  services: readonly ServedService[],
  arrivals: readonly number[] = [],
): Promise<ScriptedServer> {
  const silent = () => {};
  const servers = await startServers({
    settings: settingsSchema.parse({ grpc: { port: 0 }, web: { enabled: false }, auth: { insecureNoAuth: true } }),
    services,
    authenticate: () => ({ tenant: "anonymous", profiles: ["*"], isOperator: false }),
    log: { info: silent, warn: silent, error: silent },
  });
  return {
    target: { address: `127.0.0.1:${servers.grpc.port}` },
    arrivals,
    [Symbol.asyncDispose]: () => servers.stop({ drainTimeoutMs: 0 }),
  };
}

/** A whole short turn. */
export async function* goodTurn(text: string): AsyncGenerator<Response> {
  const turnId = "5f0f6d1e-7d53-4b0e-9a57-6d9e8a0c1b2a";
  yield { sequence: 1, turnId, event: { case: "started", value: { model: "claude-scripted" } } };
  yield { sequence: 2, turnId, event: { case: "textDelta", value: { text } } };
  yield { sequence: 3, turnId, event: { case: "result", value: { outcome: 1, text, lastSequence: 2 } } };
}

/** A refusal before anything was sent. `pushback` is what the header says, word for word; `undefined` leaves it out. */
export function refusal(pushback: string | undefined, reason: RunnerReason = "QUEUE_FULL"): ConnectError {
  const error = toConnectError(new RunnerError(reason, "scripted: no room"));
  if (pushback === undefined) error.metadata.delete(pushbackHeader);
  else error.metadata.set(pushbackHeader, pushback);
  return error;
}

/** A turn that is refused. */
// biome-ignore lint/correctness/useYield: a stream that fails before its first event
export async function* refused(error: ConnectError): AsyncGenerator<Response> {
  throw error;
}

/** What a client sees when the way to the server breaks, or a proxy on it has lost the server: a status that is not its own. */
export function brokenWay(): ConnectError {
  return new ConnectError("scripted: the connection broke", Code.Unavailable);
}
