/**
 * A server in the same process whose turns and sessions do as a test says, and a client of it. It writes down the calls.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.ts";
import {
  type AttachTurnRequest,
  type AttachTurnResponseSchema,
  type ChatRequest,
  type ChatResponseSchema,
  ClaudeRunner,
  ClaudeRunnerClient,
  type CreateSessionRequest,
  type DeleteSessionRequest,
  type ErrorReason,
  type ForkSessionRequest,
  type ListSessionsRequest,
  type ListTurnsRequest,
  Outcome,
  SessionSchema,
  SessionService,
  type StreamChatRequest,
  type StreamChatResponseSchema,
  TurnSchema,
  TurnService,
  type UpdateSessionRequest,
} from "../src/index.ts";

type Event = MessageInitShape<typeof StreamChatResponseSchema>;
type Attached = MessageInitShape<typeof AttachTurnResponseSchema>;

/** What becomes of calls. Each counts its calls from 1. What is left out is not served. */
export interface Script {
  readonly streamChat?: (attempt: number, request: StreamChatRequest, context: HandlerContext) => AsyncIterable<Event>;
  readonly attachTurn?: (
    attempt: number,
    request: AttachTurnRequest,
    context: HandlerContext,
  ) => AsyncIterable<Attached>;
  readonly chat?: (
    attempt: number,
    request: ChatRequest,
    context: HandlerContext,
  ) => MessageInitShape<typeof ChatResponseSchema> | Promise<MessageInitShape<typeof ChatResponseSchema>>;
  /** The turn that a request id stands for. Absent: TURN_NOT_FOUND. */
  readonly turnOf?: (requestId: string) => string;
  /** Told of an interrupt; the answer comes when it resolves. */
  readonly interrupted?: (turnId: string) => Promise<void> | void;
  readonly onClose?: () => void;
}

export function keptServer(script: Script) {
  /** The methods that were called, each with what names its turn. */
  const calls: string[] = [];
  const requests = {
    streams: [] as StreamChatRequest[],
    chats: [] as ChatRequest[],
    created: [] as CreateSessionRequest[],
    updated: [] as UpdateSessionRequest[],
    deleted: [] as DeleteSessionRequest[],
    forked: [] as ForkSessionRequest[],
    sessionPages: [] as ListSessionsRequest[],
    turnPages: [] as ListTurnsRequest[],
  };
  const attempts = { streamChat: 0, attachTurn: 0, chat: 0 };
  const transport = createRouterTransport(({ service }) => {
    service(ClaudeRunner, {
      streamChat(request, context) {
        calls.push("streamChat");
        requests.streams.push(request);
        attempts.streamChat += 1;
        return scripted(script.streamChat)(attempts.streamChat, request, context);
      },
      chat(request, context) {
        calls.push("chat");
        requests.chats.push(request);
        attempts.chat += 1;
        return scripted(script.chat)(attempts.chat, request, context);
      },
    });
    service(TurnService, {
      attachTurn(request, context) {
        calls.push(`attachTurn ${request.turn.case} after ${request.afterSequence}`);
        attempts.attachTurn += 1;
        return scripted(script.attachTurn)(attempts.attachTurn, request, context);
      },
      getTurn({ turn }) {
        calls.push(`getTurn ${turn.case}`);
        if (turn.case === "turnId") return { turn: { id: turn.value } };
        if (script.turnOf === undefined) throw refusal("TURN_NOT_FOUND", Code.NotFound);
        return { turn: { id: script.turnOf(turn.value ?? "") } };
      },
      async interruptTurn({ turnId }) {
        calls.push(`interruptTurn ${turnId}`);
        await script.interrupted?.(turnId);
        return { interrupted: true, turn: { id: turnId } };
      },
      listTurns(request) {
        requests.turnPages.push(request);
        return pageOf(request.pageToken, (id) => ({ turns: [create(TurnSchema, { id })] }));
      },
    });
    service(SessionService, {
      createSession(request) {
        requests.created.push(request);
        return { session: { id: request.id || "chosen" } };
      },
      getSession: ({ id }) => ({ session: { id, title: "as it is" } }),
      listSessions(request) {
        requests.sessionPages.push(request);
        return pageOf(request.pageToken, (id) => ({ sessions: [create(SessionSchema, { id })] }));
      },
      updateSession(request) {
        requests.updated.push(request);
        return { session: { id: request.id, title: request.title } };
      },
      deleteSession(request) {
        requests.deleted.push(request);
        return { interruptedTurnId: request.force ? "turn" : "" };
      },
      forkSession(request) {
        requests.forked.push(request);
        return { session: { id: request.newId || "copy" } };
      },
    });
  });
  const retry = { maxAttempts: 2, initialBackoffMs: 1, maxBackoffMs: 1 };
  const client = new ClaudeRunnerClient(transport, { retry, onClose: script.onClose ?? (() => {}) });
  return { client, calls, requests };
}

/** Three pages of one item each. */
function pageOf<T>(pageToken: string, item: (id: string) => T): T & { readonly nextPageToken: string } {
  const at = pageToken === "" ? 1 : Number(pageToken);
  return { ...item(`item-${at}`), nextPageToken: at === 3 ? "" : String(at + 1) };
}

function scripted<T>(play: T | undefined): T {
  if (play === undefined) throw new ConnectError("not scripted", Code.Unimplemented);
  return play;
}

/** What a client sees when the way to the server breaks. */
export function brokenWay(): ConnectError {
  return new ConnectError("the connection broke", Code.Unavailable, { "grpc-retry-pushback-ms": "-1" });
}

/** The server's own word. */
export function refusal(reason: keyof typeof ErrorReason, code: Code): ConnectError {
  return new ConnectError(reason, code, undefined, [
    { desc: ErrorInfoSchema, value: { domain: "claude-runner", reason } },
  ]);
}

const turnId = "turn";
export const started: Event = { sequence: 1, turnId, event: { case: "started", value: { model: "m" } } };
export const text = (sequence: number, piece: string): Event => ({
  sequence,
  turnId,
  event: { case: "textDelta", value: { text: piece } },
});
export const result = (sequence: number, whole: string): Event => ({
  sequence,
  turnId,
  event: { case: "result", value: { outcome: Outcome.COMPLETED, text: whole } },
});
export const beat = (sequence: number): Event => ({ sequence, turnId, event: { case: "heartbeat", value: {} } });
export const attached = (value: Event): Attached => ({ message: { case: "event", value } });
export const state: Attached = { message: { case: "state", value: { id: turnId } } };

/** Resolves when the caller has gone. */
export function gone({ signal }: HandlerContext): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}
