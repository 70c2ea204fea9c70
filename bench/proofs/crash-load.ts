/**
 * The load of the proof `crashes`: callers that take whatever kind of turn comes, and keep account of what the server
 * has told them, so that it can be asked for after the server was killed.
 */
import { randomUUID } from "node:crypto";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { BusyPolicy, ClaudeRunner, OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../gen/claude/runner/v1/session_pb.ts";
import { TurnService } from "../../gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

const sessionCount = 12;
/** Each has a process alone, and starts one anew after each death of the server. */
const toolSessionCount = 4;

/** The profile whose sessions go on in their own worker or from their transcript, which the server under load must have. */
export const toolsProfile = "tools";

export interface Clients {
  readonly runner: Client<typeof ClaudeRunner>;
  readonly turns: Client<typeof TurnService>;
  readonly sessions: Client<typeof SessionService>;
}

export function clientsOf(ports: { readonly grpcPort: number; readonly webPort: number }, token: string) {
  const interceptors: Interceptor[] = [
    (next) => (request) => {
      request.header.set("authorization", `Bearer ${token}`);
      return next(request);
    },
  ];
  const of = (transport: ReturnType<typeof createGrpcTransport>): Clients => ({
    runner: createClient(ClaudeRunner, transport),
    turns: createClient(TurnService, transport),
    sessions: createClient(SessionService, transport),
  });
  return [
    of(createGrpcTransport({ baseUrl: `http://127.0.0.1:${ports.grpcPort}`, interceptors })),
    of(createConnectTransport({ baseUrl: `http://127.0.0.1:${ports.webPort}`, httpVersion: "2", interceptors })),
  ] as const;
}

/** A turn that the server has accepted, by what its caller was told. */
export interface ToldTurn {
  readonly turnId: string;
  readonly sessionId: string | undefined;
  /** Of its session. */
  readonly hasTools: boolean;
  readonly requestId: string | undefined;
  /** Set once the caller was told how it ended. */
  outcome: Outcome | undefined;
}

/** A request that must run once at most, as it is made each time. */
export interface NamedRequest {
  readonly requestId: string;
  readonly prompt: string;
}

/** What the callers of one server were told. */
export class Told {
  readonly turns = new Map<string, ToldTurn>();
  readonly requests: NamedRequest[] = [];
  /** Failures that the death of the server does not explain. */
  readonly failures: string[] = [];
}

const kinds = ["stateless", "named", "continued", "session", "session", "tools"] as const;

export interface LoadOptions {
  readonly clients: readonly Clients[];
  readonly random: () => number;
  readonly callerCount: number;
  readonly told: Told;
  /** The server is about to be killed: what fails from here on is its death. */
  readonly killed: AbortSignal;
}

/** Calls until the server is dead. Never rejects. */
export async function callUntilKilled({ clients, random, callerCount, told, killed }: LoadOptions): Promise<void> {
  await Promise.all(
    Array.from({ length: callerCount }, async (_, at) => {
      const client = clients[at % clients.length]!;
      while (!killed.aborted) {
        try {
          await callOnce(client, { random, told });
        } catch (error) {
          const why = reasonOf(error);
          if (!killed.aborted && !expected.has(why)) told.failures.push(why);
        }
      }
    }),
  );
}

/** The caller's own doing, and a session with a turn of which its caller has gone. */
const expected = new Set(["CANCELLED", "SESSION_BUSY", "QUEUE_FULL"]);

async function callOnce(
  { runner }: Clients,
  { random, told }: { readonly random: () => number; readonly told: Told },
): Promise<void> {
  const kind = kinds[Math.floor(random() * kinds.length)]!;
  const requestId = kind === "named" || kind === "continued" ? randomUUID() : undefined;
  const hasTools = kind === "tools";
  const sessionId = hasTools
    ? `t-${Math.floor(random() * toolSessionCount)}`
    : kind === "session"
      ? `s-${Math.floor(random() * sessionCount)}`
      : undefined;
  const prompt = `${answerOf(Math.floor(80 * random()), hasTools)} ${requestId ?? randomUUID()}`;
  if (requestId !== undefined) told.requests.push({ requestId, prompt });
  const request = {
    prompt,
    ...(hasTools && { profile: toolsProfile }),
    ...(requestId !== undefined && { requestId }),
    ...(kind === "continued" && { onDisconnect: OnDisconnect.CONTINUE }),
    ...(sessionId !== undefined && {
      session: { id: sessionId, allowMissing: true },
      busyPolicy: BusyPolicy.QUEUE,
      ...(random() < 0.3 && { onDisconnect: OnDisconnect.CONTINUE }),
    }),
  };
  let turn: ToldTurn | undefined;
  const accepted = (headers: Headers) => {
    const turnId = headers.get("claude-runner-turn-id");
    if (turnId === null) return;
    turn = { turnId, sessionId, hasTools, requestId, outcome: undefined };
    told.turns.set(turnId, turn);
  };
  if (random() < 0.3) {
    await runner.chat(request, { onHeader: accepted });
    if (turn !== undefined) turn.outcome = Outcome.COMPLETED;
    return;
  }
  const leave = new AbortController();
  const leavesAfter = random() < 0.25 ? Math.floor(20 * random()) : Number.POSITIVE_INFINITY;
  let count = 0;
  for await (const { event } of runner.streamChat(request, { onHeader: accepted, signal: leave.signal })) {
    if (event.case === "result" && turn !== undefined) turn.outcome = event.value.outcome;
    count += 1;
    if (count > leavesAfter) leave.abort();
  }
}

/** A prompt whose answer takes a moment for each delta, after the use of a tool or without. */
export const answerOf = (deltas: number, usesTool = false) =>
  `[[fake answer ${JSON.stringify({
    ...(usesTool && { tool: { name: "Read", input: { file_path: "notes.txt" } } }),
    flood: { deltas: deltas + 1, chars: 10 },
    perSecond: 200,
  })}]]`;

/** The reason of a failure, or its code. */
export function reasonOf(error: unknown): string {
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  if (info !== undefined) return info.reason;
  return failure.code === Code.Canceled ? "CANCELLED" : `${Code[failure.code]}: ${failure.rawMessage}`;
}
