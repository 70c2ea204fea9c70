/**
 * The services of turns and sessions over a pool that a test scripts, on a real store in memory or in a file: no port, no
 * process. Its callers are what a listener would be.
 */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { ChatRequestSchema, type ChatResponse, StreamChatRequestSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { AttachTurnRequestSchema } from "../../gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Clock } from "../../src/clock.ts";
import { settingsSchema } from "../../src/config/settings.ts";
import { TurnReaders, TurnsInFlight } from "../../src/policy/quota.ts";
import type { WorkerPool } from "../../src/pool/claim.ts";
import type { CallContext, ServedService } from "../../src/service/calls.ts";
import type { Response } from "../../src/service/out/responses.ts";
import { runnerService } from "../../src/service/runner.ts";
import { sessionService } from "../../src/service/sessions/session-service.ts";
import { turnService } from "../../src/service/turns/turn-service.ts";
import type { Store } from "../../src/store/store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import type { Turn } from "../../src/turn.ts";
import { RecentTurns } from "../../src/turns/observers/recent-turns.ts";
import { testDesk } from "../sessions/desk.ts";

export interface ServedSceneOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly pool: WorkerPool;
  /** Whose the calls are. Default `acme`. */
  readonly tenant?: string;
  /** Is shown each turn that is begun. */
  readonly onBegun?: (turn: Turn) => void;
}

/** A message of AttachTurn as its handler yields it. */
export interface Attached {
  readonly message: { readonly case: string; readonly value: unknown };
}

export function servedScene({ clock, store, pool, tenant = "acme", onBegun }: ServedSceneOptions) {
  const caller = { tenant, profiles: ["*"], isOperator: false };
  const settings = settingsSchema.parse({
    profiles: { default: {} },
    // A test says when time is over.
    calls: { defaultTimeoutMs: 3_600_000, maxUnreadTurnsPerTenant: 100_000, maxTurnReadersPerTenant: 100_000 },
  });
  const { profiles, calls } = settings;
  const log = silentLog;
  const desk = testDesk({
    profiles,
    clock,
    log,
    store,
    inFlight: new TurnsInFlight(100_000),
    limits: { maxUnreadTurnsPerTenant: 100_000 },
  });
  const takeIn = desk.desk.takeIn.bind(desk.desk);
  desk.desk.takeIn = (turn, ask, begin) =>
    takeIn(turn, ask, (hooks) => {
      onBegun?.(turn);
      return begin(hooks);
    });
  const parts = { ...desk, clock, log, profiles, settings };
  const runner = runnerService({
    ...parts,
    pool,
    recentTurns: new RecentTurns(),
    serverVersion: "0",
    cli: () => ({ version: "2.1.332", seeds: true }),
    authenticate: () => caller,
    spans: undefined,
  });
  const turns = turnService({ ...parts, readers: new TurnReaders(100_000), calls, authenticate: () => caller });
  const sessions = sessionService({ ...parts, expiry: settings.store, forgetConversation: async () => {} });

  const context = (signal: AbortSignal): CallContext => ({
    signal,
    requestHeader: new Headers(),
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    begin: () => {},
    protocolName: "grpc",
    takes: "messages",
    timeoutMs: () => undefined,
    endCall: () => {},
    caller,
  });
  const never = new AbortController().signal;
  const call = <R>(
    { handlers }: ServedService,
    method: string,
    schema: DescMessage,
    init: object,
    signal: AbortSignal = never,
  ): R => {
    const handler = handlers[method] as unknown as (request: unknown, call: CallContext) => R;
    return handler(create(schema, init as MessageInitShape<DescMessage>), context(signal));
  };
  return {
    ...desk,
    streamChat: (init: MessageInitShape<typeof StreamChatRequestSchema>, signal?: AbortSignal) =>
      call<AsyncGenerator<Response>>(runner, "streamChat", StreamChatRequestSchema, init, signal),
    chat: (init: MessageInitShape<typeof ChatRequestSchema>, signal?: AbortSignal) =>
      call<Promise<ChatResponse>>(runner, "chat", ChatRequestSchema, init, signal),
    attach: (init: MessageInitShape<typeof AttachTurnRequestSchema>, signal?: AbortSignal) =>
      call<AsyncGenerator<Attached>>(turns, "attachTurn", AttachTurnRequestSchema, init, signal),
    /** Any unary method of the sessions' service. */
    session: <R>(method: string, schema: DescMessage, init: object) => call<Promise<R>>(sessions, method, schema, init),
    /** Any unary method of the turns' service. */
    turn: <R>(method: string, schema: DescMessage, init: object) => call<Promise<R>>(turns, method, schema, init),
  };
}

export type ServedScene = ReturnType<typeof servedScene>;

/** What a call failed with: its reason, and the result of its turn as far as the status has it. */
export function failureOf(error: unknown) {
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  const [result] = failure.findDetails(TurnResultSchema);
  return { reason: info?.reason ?? failure.rawMessage, turnId: info?.metadata.turnId, result };
}
