/**
 * Clients of the server as callers use them, behind one small interface: grpc-js on the gRPC port, Connect and gRPC-Web
 * by connect-node on the web port. They measure a turn from the call to its first text and to its result.
 *
 * What only counts events, and must cost little itself, is `event-counter.ts`.
 */
import { create, type DescEnum, type MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { ClaimSourceSchema, ConversationSourceSchema } from "../gen/claude/runner/v1/event_pb.ts";
import { Outcome, OutcomeSchema } from "../gen/claude/runner/v1/result_pb.ts";
import { ClaudeRunner, StreamChatRequestSchema, type StreamChatResponse } from "../gen/claude/runner/v1/runner_pb.ts";
import { Health, HealthCheckRequestSchema, type HealthCheckResponse } from "../gen/grpc/health/v1/health_pb.ts";
import { serviceDefinition } from "../src/server/grpc/grpc-listener.ts";
import type { TurnTimes } from "./raw-cli.ts";

/** Where a server is and what opens it. */
export interface ServerTarget {
  readonly grpcPort: number;
  readonly webPort: number;
  readonly token: string;
}

export type TurnRequest = MessageInitShape<typeof StreamChatRequestSchema>;

export interface ServedTurn extends TurnTimes {
  /** As in the contract: `REUSED`, `SPARE`, … */
  readonly claimSource: string;
  /** As in the contract: `NEW`, `KEPT`, `RESUMED`, … */
  readonly conversationSource: string;
  /** Handing over the history, by the server's account, in milliseconds. */
  readonly seedMs: number;
  /** From the prompt to the first text, by the server's account, in milliseconds: the time of Claude Code and its model. */
  readonly cliFirstTextMs: number;
}

export interface TurnOptions {
  readonly signal?: AbortSignal;
  /** Called when `started` came. */
  readonly onStarted?: () => void;
}

export interface TurnClient extends Disposable {
  /** Runs a turn to its result. Rejects when it did not end well. */
  turn(request: TurnRequest, options?: TurnOptions): Promise<ServedTurn>;
}

/** A turn may take this long, in milliseconds; then something is wrong. */
const deadlineMs = 60_000;

/** Looks at a turn's events for what is measured. */
class TurnWatch {
  readonly #startedAtMs = performance.now();
  readonly #onStarted: (() => void) | undefined;
  #firstTextMs: number | undefined;
  #claimSource = "";
  #conversationSource = "";
  #served: ServedTurn | undefined;

  constructor(onStarted: (() => void) | undefined) {
    this.#onStarted = onStarted;
  }

  see({ event }: StreamChatResponse): void {
    if (event.case === "textDelta") this.#firstTextMs ??= performance.now() - this.#startedAtMs;
    else if (event.case === "started") {
      this.#claimSource = nameOf(ClaimSourceSchema, event.value.claimSource);
      this.#conversationSource = nameOf(ConversationSourceSchema, event.value.conversationSource);
      this.#onStarted?.();
    } else if (event.case === "result") {
      const totalMs = performance.now() - this.#startedAtMs;
      const { outcome, stages } = event.value;
      if (outcome !== Outcome.COMPLETED || this.#firstTextMs === undefined) {
        throw new Error(`a turn ended as ${nameOf(OutcomeSchema, outcome)}`);
      }
      this.#served = {
        firstTextMs: this.#firstTextMs,
        totalMs,
        claimSource: this.#claimSource,
        conversationSource: this.#conversationSource,
        seedMs: msOf(stages?.seedHistory),
        cliFirstTextMs: msOf(stages?.firstText),
      };
    }
  }

  get served(): ServedTurn {
    if (this.#served === undefined) throw new Error("a turn without a result");
    return this.#served;
  }
}

function msOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

function nameOf(type: DescEnum, value: number): string {
  return type.value[value]?.localName ?? String(value);
}

/** A client made by grpc-js, on a connection of its own. */
export function grpcClient(target: ServerTarget): TurnClient {
  const client = grpcChannel(target);
  const method = serviceDefinition(ClaudeRunner.methods).streamChat!;
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${target.token}`);
  return {
    turn: (request, { signal, onStarted } = {}) =>
      new Promise((resolve, reject) => {
        const watch = new TurnWatch(onStarted);
        const call = client.makeServerStreamRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(StreamChatRequestSchema, request),
          metadata,
          { deadline: Date.now() + deadlineMs },
        );
        const cancel = () => call.cancel();
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel);
        const settle = (end: () => void) => {
          signal?.removeEventListener("abort", cancel);
          end();
        };
        call.on("data", (response: StreamChatResponse) => {
          try {
            watch.see(response);
          } catch (error) {
            settle(() => reject(error));
          }
        });
        call.on("error", (error) => settle(() => reject(error)));
        call.on("end", () =>
          settle(() => {
            try {
              resolve(watch.served);
            } catch (error) {
              reject(error); // After a failing status `error` says why.
            }
          }),
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

/** Connect over HTTP/2. */
export function connectClient(target: ServerTarget): TurnClient {
  return webClient(target, (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true, idleConnectionTimeoutMs: 600_000 }),
  );
}

/** gRPC-Web over HTTP/1.1, as a browser without TLS speaks it. */
export function grpcWebClient(target: ServerTarget): TurnClient {
  return webClient(target, (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }));
}

function webClient({ webPort, token }: ServerTarget, transport: (baseUrl: string) => Transport): TurnClient {
  const closing = new AbortController();
  const client = createClient(ClaudeRunner, transport(`http://127.0.0.1:${webPort}`));
  const headers = { authorization: `Bearer ${token}` };
  return {
    async turn(request, { signal, onStarted } = {}) {
      const watch = new TurnWatch(onStarted);
      const call = {
        headers,
        timeoutMs: deadlineMs,
        signal: AbortSignal.any([closing.signal, ...(signal ? [signal] : [])]),
      };
      for await (const response of client.streamChat(request, call)) watch.see(response);
      return watch.served;
    },
    [Symbol.dispose]: () => closing.abort(),
  };
}

export interface HealthClient extends Disposable {
  /** Asks how the server is; how long that took, in milliseconds. */
  checkMs(): Promise<number>;
}

export function healthClient(target: ServerTarget): HealthClient {
  const client = grpcChannel(target);
  const method = serviceDefinition(Health.methods).check!;
  return {
    checkMs: () =>
      new Promise((resolve, reject) => {
        const startedAtMs = performance.now();
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(HealthCheckRequestSchema),
          (error, response) => {
            if (error) return reject(error);
            const { status } = response as HealthCheckResponse;
            if (status !== 1) return reject(new Error(`the server's health is ${status}`));
            resolve(performance.now() - startedAtMs);
          },
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

function grpcChannel({ grpcPort }: ServerTarget): grpc.Client {
  return new grpc.Client(`127.0.0.1:${grpcPort}`, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
}
