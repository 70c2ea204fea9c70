/**
 * The three services over a real store and scripted workers, without ports and processes: for what callers may ask of
 * turns and sessions, under a clock that tests set.
 *
 * A worker answers with its prompt and is done; a prompt that begins with `hold` runs until the test ends it.
 */
import { create, type DescMethod, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { ClaudeRunner, type StreamChatResponse } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { type AttachTurnResponse, TurnService } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import type { Caller } from "../../../src/policy/auth.ts";
import { TurnReaders, TurnsInFlight } from "../../../src/policy/quota.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import type { CallContext, ServedService } from "../../../src/service/calls.ts";
import { runnerService } from "../../../src/service/runner.ts";
import { sessionService } from "../../../src/service/sessions/session-service.ts";
import { turnService } from "../../../src/service/turns/turn-service.ts";
import type { TurnDeskLimits } from "../../../src/sessions/turn-desk.ts";
import { openStore } from "../../../src/store/open-store.ts";
import type { Store } from "../../../src/store/store.ts";
import { defaultStoreLimits, type StoreCaps } from "../../../src/store/store-limits.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import type { Turn } from "../../../src/turn.ts";
import { RecentTurns } from "../../../src/turns/observers/recent-turns.ts";
import { testDesk } from "../../sessions/desk.ts";
import { SettableClock } from "../../store/settable-clock.ts";
import { goodEnd, init, ScriptedPool, type ScriptedTurn, ScriptedWorker, text } from "../../turns/scripted.ts";

/** A worker that answers at once. */
class EchoWorker extends ScriptedWorker {
  override run(turn: Turn): ScriptedTurn {
    const running = super.run(turn) as ScriptedTurn;
    const { onInterrupt } = running;
    running.onInterrupt = (cause) => {
      const end = onInterrupt(cause);
      return end && cause === "interrupted" ? { ...end, error: new RunnerError("TURN_INTERRUPTED", cause) } : end;
    };
    const prompt = turn.content.map((block) => (block.kind === "text" ? block.text : "")).join("");
    running.push(init);
    if (prompt.startsWith("hold")) return running;
    running.push(text(prompt));
    running.end({ ...goodEnd, text: prompt, answerBlocks: [prompt] });
    running.becomeIdle();
    return running;
  }
}

export interface KeptSceneOptions {
  /** As in the settings. Default: only `default`. */
  readonly profiles?: Parameters<typeof settingsSchema.parse>[0];
  readonly calls?: object;
  readonly caps?: Partial<StoreCaps>;
  readonly limits?: Partial<TurnDeskLimits>;
  readonly maxInFlight?: number;
  readonly maxReaders?: number;
  readonly workerCount?: number;
  /** Stands between the services and the store. */
  readonly through?: (store: Store) => Store;
}

export type KeptScene = Awaited<ReturnType<typeof keptScene>>;

export async function keptScene(options: KeptSceneOptions = {}) {
  const clock = new SettableClock();
  const settings = settingsSchema.parse({
    profiles: options.profiles ?? { default: {} },
    calls: options.calls ?? {},
  });
  const profiles: Record<string, (typeof settings.profiles)[string]> = { ...settings.profiles };
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: "debug", write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const limits = { ...defaultStoreLimits, caps: { ...defaultStoreLimits.caps, ...options.caps } };
  const opened = await openStore({ kind: "memory", folder: undefined, clock, log, limits });
  const store = options.through?.(opened.store) ?? opened.store;
  const workers = Array.from({ length: options.workerCount ?? 400 }, (_, at) => new EchoWorker(`w${at + 1}`));
  const pool = new ScriptedPool(...workers);
  const inFlight = new TurnsInFlight(options.maxInFlight ?? 30);
  const { desk, live, storage } = testDesk({
    profiles,
    clock,
    log,
    inFlight,
    store,
    ...(options.limits && { limits: options.limits }),
  });
  const readers = new TurnReaders(options.maxReaders ?? 256);
  /** Who calls when a test does not say. */
  let usual: Caller = { tenant: "acme", profiles: ["*"], isOperator: false };
  let tenantCount = 0;
  /** Who a token belongs to now; absent: it is gone. */
  const tokens = new Map<string, Caller>();
  const authenticate = (authorization: string | undefined) => {
    const caller = tokens.get(authorization ?? "");
    if (caller === undefined) throw new RunnerError("UNAUTHENTICATED", "no such token");
    return caller;
  };
  const forgotten: { readonly tenant: string; readonly id: string }[] = [];
  const services: readonly ServedService[] = [
    runnerService({
      pool,
      desk,
      live,
      store,
      storage,
      readers,
      clock,
      profiles,
      log,
      recentTurns: new RecentTurns(),
      settings: { ...settings, profiles },
      serverVersion: "0",
      cli: () => ({ version: "2.1.332", seeds: true }),
      authenticate,
      spans: undefined,
    }),
    sessionService({
      store,
      live,
      profiles,
      expiry: settings.store,
      clock,
      log,
      forgetConversation: async (session) => void forgotten.push(session),
    }),
    turnService({
      store,
      live,
      readers,
      profiles,
      calls: settings.calls,
      authenticate,
      clock,
      log,
    }),
  ];

  /** One call of a method; `abort` is its caller's way to leave. */
  const call = <M extends DescMethod>(
    method: M,
    request: MessageInitShape<M["input"]>,
    caller: Caller = usual,
    abort: AbortController = new AbortController(),
  ) => {
    const token = JSON.stringify(caller);
    tokens.set(token, tokens.get(token) ?? caller);
    const ended: ConnectError[] = [];
    const context: CallContext = {
      signal: abort.signal,
      requestHeader: new Headers({ authorization: token }),
      responseHeader: new Headers(),
      responseTrailer: new Headers(),
      begin: () => {},
      protocolName: "grpc",
      takes: "messages",
      timeoutMs: () => undefined,
      endCall: (status) => {
        ended.push(status);
        abort.abort(status);
      },
      caller,
    };
    const { handlers } = services.find(({ service }) => service.typeName === method.parent.typeName) as ServedService;
    const handler = handlers[method.localName] as (request: unknown, context: CallContext) => unknown;
    return { answer: handler(create(method.input, request), context), context, ended };
  };
  /** The answer of a method that answers once. */
  const ask = <M extends DescMethod>(method: M, request: MessageInitShape<M["input"]>, caller?: Caller) =>
    call(method, request, caller).answer as Promise<MessageShape<M["output"]>>;
  const stream = <Response, M extends DescMethod = DescMethod>(
    method: M,
    request: MessageInitShape<M["input"]>,
    caller?: Caller,
    abort?: AbortController,
  ) => {
    const { answer, ...rest } = call(method, request, caller, abort);
    return { events: answer as AsyncGenerator<Response, void>, ...rest };
  };

  return {
    clock,
    settings,
    /** Those of the running server: a test may take one away. */
    profiles,
    store,
    live,
    pool,
    workers,
    inFlight,
    lines,
    tokens,
    forgotten,
    /** Two tenants that nobody has heard of; the first one is who calls from now on. */
    newTenants() {
      tenantCount += 1;
      usual = { tenant: `acme-${tenantCount}`, profiles: ["*"], isOperator: false };
      return { acme: usual, umbrella: { ...usual, tenant: `umbrella-${tenantCount}` } };
    },
    ask,
    stream,
    chat: (request: MessageInitShape<typeof ClaudeRunner.method.streamChat.input>, caller?: Caller) =>
      all(stream<StreamChatResponse>(ClaudeRunner.method.streamChat, request, caller).events),
    streamChat: (
      request: MessageInitShape<typeof ClaudeRunner.method.streamChat.input>,
      caller?: Caller,
      abort?: AbortController,
    ) => stream<StreamChatResponse>(ClaudeRunner.method.streamChat, request, caller, abort),
    attach: (
      request: MessageInitShape<typeof TurnService.method.attachTurn.input>,
      caller?: Caller,
      abort?: AbortController,
    ) => stream<AttachTurnResponse>(TurnService.method.attachTurn, request, caller, abort),
    sessions: SessionService.method,
    turns: TurnService.method,
    /** A turn that runs, begun by a caller that reads on: its id, and how to end it. */
    async hold(request: Omit<MessageInitShape<typeof ClaudeRunner.method.streamChat.input>, "$typeName" | "$unknown">) {
      const before = pool.requests.length;
      const opened = stream<StreamChatResponse>(ClaudeRunner.method.streamChat, { prompt: "hold", ...request });
      const first = await opened.events.next();
      const worker = workers[before] as ScriptedWorker;
      const turnId = (first.value as StreamChatResponse).turnId;
      const rest = all(opened.events).catch((error: unknown) => error);
      return { turnId, worker, rest, say: (words: string) => worker.turn.push(text(words)), end: () => endOf(worker) };
    },
    close: async () => {
      live.close();
      await opened.store[Symbol.asyncDispose]();
    },
  };
}

function endOf({ turn }: ScriptedWorker): void {
  turn.end();
  turn.becomeIdle();
}

export async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(events);
}

/** What a call failed with. */
export async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof ConnectError)) throw new Error("the call did not fail as calls do", { cause: failure });
  return failure.findDetails(ErrorInfoSchema)[0]?.reason;
}

/** What a failing call says: everything that a caller could tell apart. */
export async function saidBy(call: Promise<unknown>): Promise<string> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof ConnectError)) throw new Error("the call did not fail as calls do", { cause: failure });
  const info = failure.findDetails(ErrorInfoSchema)[0];
  return JSON.stringify([failure.code, failure.rawMessage, info?.reason, info?.metadata]);
}

export const textOf = (events: readonly StreamChatResponse[]): string =>
  events.map(({ event }) => (event?.case === "textDelta" ? event.value.text : "")).join("");
