/**
 * A ClaudeRunner whose turns do what their prompt says, and real servers around it: what the transport suites call.
 *
 * Knows no pool and no CLI: these suites are about what happens between a handler and a client.
 */

import type { Message, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ClaudeRunner, type StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { type Settings, settingsSchema } from "../../src/config/settings.ts";
import { Authenticator, sha256Of } from "../../src/policy/auth.ts";
import { RunnerError } from "../../src/runner-error.ts";
import { startServers } from "../../src/server/server.ts";
import { type CallContext, type ServedService, served } from "../../src/service/calls.ts";
import { toConnectError } from "../../src/service/errors.ts";
import { healthService } from "../../src/service/health-service.ts";
import { responseBytes } from "../../src/service/out/wire.ts";
import { poolService } from "../../src/service/pool/pool-service.ts";
import { RecentTurns } from "../../src/turns/observers/recent-turns.ts";
import { testTls } from "../contract/transports.ts";
import { ScriptedWatchedPool } from "../service/pool/watched-pool.ts";

export const testToken = "test-token-of-tenant-acme";

/** A call that a handler has seen. */
export interface SeenCall {
  readonly context: CallContext;
  /** Why its signal aborted; resolves only if it does. */
  readonly aborted: Promise<ConnectError>;
  /** Resolves when the handler has ended. */
  readonly ended: Promise<void>;
  pulledCount: number;
}

export class ScriptedRunner {
  readonly calls: SeenCall[] = [];
  readonly #waiting: ((call: SeenCall) => void)[] = [];

  readonly #held = new Map<string, PromiseWithResolvers<void>>();

  /** Lets the `hold` of this name end. */
  release(name: string): void {
    this.#holdOf(name).resolve();
  }

  #holdOf(name: string): PromiseWithResolvers<void> {
    const held = this.#held.get(name) ?? Promise.withResolvers<void>();
    this.#held.set(name, held);
    return held;
  }

  /** The next call that arrives. */
  nextCall(): Promise<SeenCall> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get service() {
    return served(
      ClaudeRunner,
      {
        streamChat: (request, context) => asTaken(this.#play(request.prompt, context), context),
        chat: async (request, context) => {
          let text = "";
          for await (const { event } of this.#play(request.prompt, context)) {
            context.begin();
            if (event?.case === "textDelta") text += event.value.text;
          }
          return { text };
        },
        getInfo: async (_, context) => ({ serverVersion: context.protocolName, tenant: context.caller?.tenant ?? "" }),
      },
      { contentMethods: ["streamChat", "chat"] },
    );
  }

  async *#play(prompt: string, context: CallContext) {
    const ended = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<ConnectError>();
    context.signal.addEventListener("abort", () => aborted.resolve(context.signal.reason as ConnectError));
    const call: SeenCall = { context, aborted: aborted.promise, ended: ended.promise, pulledCount: 0 };
    this.calls.push(call);
    this.#waiting.shift()?.(call);
    try {
      for await (const event of this.#turn(prompt, context)) {
        call.pulledCount += 1;
        yield event;
      }
    } finally {
      ended.resolve();
    }
  }

  async *#turn(
    prompt: string,
    { signal, responseHeader, responseTrailer, requestHeader }: CallContext,
  ): AsyncGenerator<ScriptedEvent, void> {
    const [verb, ...words] = prompt.split(" ");
    const number = Number(words[0]);
    switch (verb) {
      case "count":
        for (let at = 1; at <= number; at += 1) yield textEvent(at, String(at));
        responseTrailer.set("x-trailer", "said at the end");
        responseTrailer.set("x-trailer-bin", Buffer.from([0, 255, 7]).toString("base64"));
        return;
      case "echo-header":
        yield textEvent(1, requestHeader.get(words[0]!) ?? "");
        return;
      case "say": // so many bytes in one event
        yield textEvent(1, "x".repeat(number));
        return;
      case "repeat": // what follows
        yield textEvent(1, prompt.slice("repeat ".length));
        return;
      case "beat": // between two events, and something that has no name yet
        yield textEvent(1, "1");
        yield { sequence: 1, turnId: "turn", event: { case: "heartbeat", value: {} } } as const;
        yield textEvent(2, "2");
        yield { sequence: 3, turnId: "turn" };
        return;
      case "complete": // as a turn that ends well
        yield textEvent(1, "1");
        yield { sequence: 2, turnId: "turn", event: { case: "result", value: { text: "1" } } } as const;
        return;
      case "length": // of the prompt
        yield textEvent(1, String(prompt.length));
        return;
      case "refuse":
        throw toConnectError(
          new RunnerError("QUEUE_FULL", "queue is full: 3 turns waiting, limit 3", {
            facts: { waiting: 3, limit: 3 },
            retryAfterMs: 30,
          }),
        );
      case "refuse-until": // the third call is served
        if (this.calls.length < number)
          throw toConnectError(new RunnerError("QUEUE_FULL", "full", { retryAfterMs: 30 }));
        yield textEvent(1, `call ${this.calls.length}`);
        return;
      case "fail-after":
        for (let at = 1; at <= number; at += 1) yield textEvent(at, String(at));
        throw toConnectError(new RunnerError("WORKER_DIED", "the worker died"), {
          promptWritten: true,
          contentStreamed: true,
          deadlinePassed: false,
          result: undefined,
        });
      case "throw":
        throw new Error("a secret of the inside");
      case "fail-plainly": // with a status that has no details, after its headers
        responseHeader.set("x-header", "said before the end");
        throw new ConnectError("said on purpose", Code.Internal);
      case "throw-after":
        yield textEvent(1, "1");
        throw new TypeError("a secret of the inside");
      case "flood": // so many events of so many bytes
        for (let at = 1; at <= number; at += 1) {
          signal.throwIfAborted();
          yield textEvent(at, "x".repeat(Number(words[1])));
        }
        return;
      case "hold":
        yield textEvent(1, "1");
        await this.#holdOf(words[0] ?? "").promise;
        yield textEvent(2, "2");
        return;
      case "wait":
        if (words[0] === "after-one") yield textEvent(1, "1");
        await new Promise<never>((_, reject) => {
          if (signal.aborted) reject(signal.reason);
          signal.addEventListener("abort", () => reject(signal.reason));
        });
        return;
      default:
        throw new Error(`the script has no ${verb}`);
    }
  }
}

/** Every other event as bytes where the listener takes those: both forms are one to a client. */
async function* asTaken(events: AsyncIterable<ScriptedEvent>, { takes }: CallContext) {
  const wire = responseBytes("turn");
  for await (const event of events) yield takes === "bytes" && event.sequence % 2 === 1 ? wire.response(event) : event;
}

type ScriptedEvent = Exclude<MessageInitShape<typeof StreamChatResponseSchema>, Message> & {
  readonly sequence: number;
};

function textEvent(sequence: number, text: string) {
  return { sequence, turnId: "turn", event: { case: "textDelta", value: { text } } } as const;
}

export interface LoggedLine {
  readonly level: "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
}

export type TestServers = Awaited<ReturnType<typeof startTestServers>>;

export interface TestServersOptions {
  readonly tls?: boolean;
  readonly change?: (settings: Settings) => void;
  /** The servers' own. Default: the machine's time. */
  readonly clock?: Clock;
  /** In place of the service that tells the pool. Empty: there is none. */
  readonly pool?: readonly ServedService[];
  /** Beside all others. */
  readonly services?: readonly ServedService[];
}

/** Real servers on loopback ports around a scripted runner. */
export async function startTestServers(options: TestServersOptions = {}) {
  const tls = options.tls ? { tls: testTls } : {};
  const settings = settingsSchema.parse({
    grpc: { port: 0, ...tls },
    web: { port: 0, ...tls, allowedOrigins: ["https://app.example.com"], allowedHosts: ["runner.example.com"] },
    auth: { tokens: [{ tenant: "acme", sha256: sha256Of(testToken) }] },
    shutdown: { drainTimeoutMs: 5_000 },
  });
  options.change?.(settings);
  const runner = new ScriptedRunner();
  const readiness = new TestReadiness();
  const logged: LoggedLine[] = [];
  const log = (level: LoggedLine["level"]) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  const pool = new ScriptedWatchedPool();
  const authenticator = new Authenticator(settings.auth);
  const authenticate = (authorization: string | undefined) => authenticator.authenticate(authorization);
  const servers = await startServers({
    settings,
    services: [
      runner.service,
      ...(options.pool === undefined
        ? [
            poolService({
              pool,
              recentTurns: new RecentTurns(),
              clock: systemClock,
              profiles: settings.profiles,
              authenticate,
            }),
          ]
        : options.pool),
      healthService(readiness),
      ...(options.services ?? []),
    ],
    authenticate,
    ...(options.clock !== undefined && { clock: options.clock }),
    log: { info: log("info"), warn: log("warn"), error: log("error") },
  });
  return {
    runner,
    pool,
    readiness,
    servers,
    logged,
    target: { grpcPort: servers.grpc.port, webPort: servers.web?.port ?? 0, token: testToken },
    webUrl: `${options.tls ? "https" : "http"}://127.0.0.1:${servers.web?.port}`,
    stop: () => servers.stop({ drainTimeoutMs: 0 }),
  };
}

export class TestReadiness {
  #isServing = true;
  readonly #listeners = new Set<() => void>();

  get listenerCount(): number {
    return this.#listeners.size;
  }
  isServing(): boolean {
    return this.#isServing;
  }
  set(isServing: boolean): void {
    this.#isServing = isServing;
    for (const listener of this.#listeners) listener();
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The texts of a stream. */
export async function textsOf(stream: AsyncIterable<{ event: { case?: string; value?: unknown } }>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { event } of stream) {
    if (event.case === "textDelta") texts.push((event.value as { text: string }).text);
  }
  return texts;
}
