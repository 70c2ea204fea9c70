/**
 * Every way to call the server, behind one small client: for suites that say the same about each of them.
 *
 * Each kind is a real client library over a real connection. Errors come out alike (`CallFailed`), so that a suite can
 * ask for code, reason, details and push-back without knowing who spoke.
 */
import { readFileSync } from "node:fs";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import {
  type GetPoolRequestSchema,
  type GetPoolResponse,
  PoolService,
  type WatchPoolRequestSchema,
  type WatchPoolResponse,
} from "../../gen/claude/runner/v1/pool_pb.ts";
import {
  type ChatRequestSchema,
  type ChatResponse,
  ClaudeRunner,
  type GetInfoResponse,
  type StreamChatRequestSchema,
  type StreamChatResponse,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { Health, type HealthCheckResponse } from "../../gen/grpc/health/v1/health_pb.ts";
import { serviceDefinition } from "../../src/server/grpc/grpc-listener.ts";
import { type TextForm, textTransport } from "./text-streams.ts";

/** The certificate of the test servers; see test/fixtures/tls. */
export const testTls = {
  certFile: new URL("../fixtures/tls/localhost.crt", import.meta.url).pathname,
  keyFile: new URL("../fixtures/tls/localhost.key", import.meta.url).pathname,
};
const ca = readFileSync(testTls.certFile);

/** How a call failed, the same for every transport. */
export class CallFailed extends Error {
  readonly code: Code;
  /** Of ErrorInfo; `undefined` when the status has none. */
  readonly reason: string | undefined;
  readonly facts: Readonly<Record<string, string>>;
  readonly metadata: Headers;
  /** When to retry, in milliseconds: negative for never, `undefined` when the status does not say. */
  readonly pushbackMs: number | undefined;
  readonly retryAfterMs: number | undefined;
  /** Whether response headers came before the status; `undefined` where the client does not tell. */
  readonly sawHeaders: boolean | undefined;
  readonly #find: (type: DescMessage) => unknown;

  constructor(parts: {
    readonly code: Code;
    readonly message: string;
    readonly metadata: Headers;
    readonly sawHeaders: boolean | undefined;
    readonly find: (type: DescMessage) => unknown;
  }) {
    super(`${Code[parts.code]}: ${parts.message}`);
    this.code = parts.code;
    this.metadata = parts.metadata;
    this.sawHeaders = parts.sawHeaders;
    this.#find = parts.find;
    const info = this.detail(ErrorInfoSchema);
    this.reason = info?.reason;
    this.facts = info?.metadata ?? {};
    const delay = this.detail(RetryInfoSchema)?.retryDelay;
    this.retryAfterMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
    const pushback = parts.metadata.get("grpc-retry-pushback-ms");
    this.pushbackMs = pushback === null ? undefined : Number(pushback);
  }

  /** The first detail of the type. */
  detail<D extends DescMessage>(type: D): MessageShape<D> | undefined {
    return this.#find(type) as MessageShape<D> | undefined;
  }
}

export interface ContractCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** Beside the token; `undefined` leaves a header out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Called with what came behind a good answer. */
  readonly onTrailer?: (trailer: Headers) => void;
}

export interface ContractClient {
  streamChat(
    request: MessageInitShape<typeof StreamChatRequestSchema>,
    options?: ContractCallOptions,
  ): AsyncIterable<StreamChatResponse>;
  chat(request: MessageInitShape<typeof ChatRequestSchema>, options?: ContractCallOptions): Promise<ChatResponse>;
  getInfo(options?: ContractCallOptions): Promise<GetInfoResponse>;
  getPool(
    request?: MessageInitShape<typeof GetPoolRequestSchema>,
    options?: ContractCallOptions,
  ): Promise<GetPoolResponse>;
  watchPool(
    request?: MessageInitShape<typeof WatchPoolRequestSchema>,
    options?: ContractCallOptions,
  ): AsyncIterable<WatchPoolResponse>;
  checkHealth(service: string, options?: ContractCallOptions): Promise<HealthCheckResponse>;
  watchHealth(service: string, options?: ContractCallOptions): AsyncIterable<HealthCheckResponse>;
  /** Any method that answers once. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: ContractCallOptions,
  ): Promise<MessageShape<O>>;
  /** Any method that streams its answers. */
  follow<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options?: ContractCallOptions,
  ): AsyncIterable<MessageShape<O>>;
  close(): void;
}

export interface TransportTarget {
  readonly grpcPort: number;
  readonly webPort: number;
  /** Sent with every call as a bearer token, unless the call brings a header of its own. */
  readonly token?: string;
}

export interface TransportKind {
  readonly name: string;
  readonly port: "grpc" | "web";
  readonly protocol: "grpc" | "grpc-web" | "connect";
  readonly library: "grpc-js" | "connect-node" | "none";
  readonly httpVersion: "1.1" | "2";
  /** Whether the server has to be one with TLS. */
  readonly tls: boolean;
  connect(target: TransportTarget): ContractClient;
}

type HttpVersion = TransportKind["httpVersion"];

/** Every kind of client, over plain connections and over TLS. */
export const transportKinds: readonly TransportKind[] = [false, true].flatMap((tls) => {
  const versions: readonly HttpVersion[] = ["1.1", "2"];
  return [
    grpcJsKind("grpc", tls),
    grpcJsKind("web", tls),
    connectKind("gRPC", "grpc", "grpc", "2", tls, createGrpcTransport),
    connectKind("gRPC", "grpc", "web", "2", tls, createGrpcTransport),
    ...versions.flatMap((version) => [
      connectKind("gRPC-Web", "grpc-web", "web", version, tls, createGrpcWebTransport),
      connectKind("Connect", "connect", "web", version, tls, (options) =>
        createConnectTransport({ ...options, httpVersion: version, useBinaryFormat: true }),
      ),
      connectKind("Connect JSON", "connect", "web", version, tls, (options) =>
        createConnectTransport({ ...options, httpVersion: version, useBinaryFormat: false }),
      ),
      textKind("sse", version, tls),
      textKind("ndjson", version, tls),
    ]),
  ];
});

/** Turns as text, without a library; all else as Connect JSON. */
function textKind(form: TextForm, httpVersion: HttpVersion, tls: boolean): TransportKind {
  const label = form === "sse" ? "Server-sent events" : "NDJSON";
  const kind = connectKind(label, "connect", "web", httpVersion, tls, (options) => {
    const others = createConnectTransport({ ...options, httpVersion, useBinaryFormat: false });
    return textTransport({ baseUrl: options.baseUrl, httpVersion, ca, form, others });
  });
  return { ...kind, name: kind.name.replace("by connect-node", "without a library"), library: "none" };
}

interface ConnectOptions {
  readonly baseUrl: string;
  readonly httpVersion: "2";
  readonly nodeOptions: { readonly ca: Buffer };
}

function connectKind(
  label: string,
  protocol: TransportKind["protocol"],
  port: TransportKind["port"],
  httpVersion: HttpVersion,
  tls: boolean,
  makeTransport: (options: ConnectOptions) => Transport,
): TransportKind {
  return {
    name: `${label} by connect-node, ${port} port, HTTP/${httpVersion}${tls ? " over TLS" : ""}`,
    port,
    protocol,
    library: "connect-node",
    httpVersion,
    tls,
    connect(target) {
      const number = port === "grpc" ? target.grpcPort : target.webPort;
      // The transports' types tie the options to one HTTP version; the value does not have to know.
      const transport = makeTransport({
        baseUrl: `${tls ? "https" : "http"}://127.0.0.1:${number}`,
        httpVersion: httpVersion as "2",
        nodeOptions: { ca },
      });
      return connectClient(transport, target.token);
    },
  };
}

function connectClient(transport: Transport, token: string | undefined): ContractClient {
  const runner: Client<typeof ClaudeRunner> = createClient(ClaudeRunner, transport);
  const pool: Client<typeof PoolService> = createClient(PoolService, transport);
  const health: Client<typeof Health> = createClient(Health, transport);
  const open = new Set<AbortController>();
  const prepare = ({ signal, timeoutMs, headers, onTrailer }: ContractCallOptions = {}) => {
    const abort = new AbortController();
    open.add(abort);
    if (signal?.aborted) abort.abort(signal.reason);
    signal?.addEventListener("abort", () => abort.abort(signal.reason));
    const options: CallOptions = {
      signal: abort.signal,
      headers: sentHeaders(token, headers),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(onTrailer !== undefined && { onTrailer }),
    };
    // Leaving a stream early does not end an HTTP/1.1 request by itself.
    const done = () => {
      open.delete(abort);
      abort.abort();
    };
    return { options, done };
  };
  const once = async <T>(options: ContractCallOptions | undefined, call: (options: CallOptions) => Promise<T>) => {
    const { options: prepared, done } = prepare(options);
    try {
      return await call(prepared);
    } catch (error) {
      throw connectFailure(error);
    } finally {
      done();
    }
  };
  async function* many<T>(
    options: ContractCallOptions | undefined,
    call: (options: CallOptions) => AsyncIterable<T>,
  ): AsyncGenerator<T, void> {
    const { options: prepared, done } = prepare(options);
    try {
      yield* call(prepared);
    } catch (error) {
      throw connectFailure(error);
    } finally {
      done();
    }
  }
  return {
    streamChat: (request, options) => many(options, (prepared) => runner.streamChat(request, prepared)),
    chat: (request, options) => once(options, (prepared) => runner.chat(request, prepared)),
    getInfo: (options) => once(options, (prepared) => runner.getInfo({}, prepared)),
    getPool: (request = {}, options) => once(options, (prepared) => pool.getPool(request, prepared)),
    watchPool: (request = {}, options) => many(options, (prepared) => pool.watchPool(request, prepared)),
    checkHealth: (service, options) => once(options, (prepared) => health.check({ service }, prepared)),
    watchHealth: (service, options) => many(options, (prepared) => health.watch({ service }, prepared)),
    ask: (method, request, options) =>
      once(options, (prepared) => called<Promise<never>>(transport, method, request, prepared)),
    follow: (method, request, options) =>
      many(options, (prepared) => called<AsyncIterable<never>>(transport, method, request, prepared)),
    close() {
      for (const abort of open) abort.abort();
    },
  };
}

function called<T>(
  transport: Transport,
  { parent, localName }: DescMethodUnary | DescMethodServerStreaming,
  request: unknown,
  options: CallOptions,
): T {
  const client = createClient(parent, transport) as unknown as Record<string, (...call: unknown[]) => T>;
  return client[localName]!(request, options);
}

function sentHeaders(token: string | undefined, headers: ContractCallOptions["headers"]): [string, string][] {
  const all = { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers };
  return Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
}

function connectFailure(error: unknown): CallFailed {
  const known = ConnectError.from(error);
  return new CallFailed({
    code: known.code,
    message: known.rawMessage,
    metadata: known.metadata,
    sawHeaders: undefined,
    find: (type) => known.findDetails(type)[0],
  });
}

function grpcJsKind(port: TransportKind["port"], tls: boolean): TransportKind {
  return {
    name: `gRPC by grpc-js, ${port} port${tls ? " over TLS" : ""}`,
    port,
    protocol: "grpc",
    library: "grpc-js",
    httpVersion: "2",
    tls,
    connect: (target) =>
      grpcJsClient(`ipv4:127.0.0.1:${port === "grpc" ? target.grpcPort : target.webPort}`, target.token, tls),
  };
}

/** A grpc-js client; `serviceConfig` as grpc-js takes it, for retry policies. */
export function grpcJsClient(
  target: string,
  token: string | undefined,
  tls = false,
  serviceConfig?: object,
): ContractClient {
  const client = new grpc.Client(target, tls ? grpc.credentials.createSsl(ca) : grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    ...(tls ? { "grpc.ssl_target_name_override": "localhost" } : { "grpc.default_authority": "localhost" }),
    ...(serviceConfig !== undefined && { "grpc.service_config": JSON.stringify(serviceConfig) }),
  });
  const methodOf = (service: DescService, name: string) => {
    const method = serviceDefinition(service.methods)[name];
    if (method === undefined) throw new Error(`no method ${name}`);
    return method;
  };
  const metadataOf = (headers: ContractCallOptions["headers"]) => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of sentHeaders(token, headers)) metadata.set(name, value);
    return metadata;
  };
  const callOptions = ({ timeoutMs }: ContractCallOptions) =>
    timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

  const unary = <T>(
    service: DescService,
    name: string,
    init: Record<string, unknown>,
    options: ContractCallOptions = {},
  ) =>
    new Promise<T>((resolve, reject) => {
      const method = methodOf(service, name);
      const input = service.methods.find(({ localName }) => localName === name)!.input;
      let sawHeaders = false;
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        create(input, init),
        metadataOf(options.headers),
        callOptions(options),
        (error, response) => (error === null ? resolve(response as T) : reject(grpcFailure(error, sawHeaders))),
      );
      call.on("metadata", () => {
        sawHeaders = true;
      });
      call.on("status", ({ metadata }) => options.onTrailer?.(headersOf(metadata)));
      options.signal?.addEventListener("abort", () => call.cancel());
    });

  async function* stream<T>(
    service: DescService,
    name: string,
    init: Record<string, unknown>,
    options: ContractCallOptions = {},
  ) {
    const method = methodOf(service, name);
    const input = service.methods.find(({ localName }) => localName === name)!.input;
    const call = client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      create(input, init),
      metadataOf(options.headers),
      callOptions(options),
    );
    let sawHeaders = false;
    call.on("metadata", () => {
      sawHeaders = true;
    });
    call.on("status", ({ metadata }) => options.onTrailer?.(headersOf(metadata)));
    const cancel = () => call.cancel();
    if (options.signal?.aborted) cancel();
    options.signal?.addEventListener("abort", cancel);
    try {
      for await (const message of call) yield message as T;
    } catch (error) {
      throw grpcFailure(error as grpc.ServiceError, sawHeaders);
    } finally {
      call.cancel();
    }
  }

  return {
    streamChat: (request, options) => stream<StreamChatResponse>(ClaudeRunner, "streamChat", request, options),
    chat: (request, options) => unary<ChatResponse>(ClaudeRunner, "chat", request, options),
    getInfo: (options) => unary<GetInfoResponse>(ClaudeRunner, "getInfo", {}, options),
    getPool: (request = {}, options) => unary<GetPoolResponse>(PoolService, "getPool", request, options),
    watchPool: (request = {}, options) => stream<WatchPoolResponse>(PoolService, "watchPool", request, options),
    checkHealth: (service, options) => unary<HealthCheckResponse>(Health, "check", { service }, options),
    watchHealth: (service, options) => stream<HealthCheckResponse>(Health, "watch", { service }, options),
    ask: (method, request, options) =>
      unary(method.parent, method.localName, request as Record<string, unknown>, options),
    follow: (method, request, options) =>
      stream<never>(method.parent, method.localName, request as Record<string, unknown>, options),
    close: () => client.close(),
  };
}

function headersOf(metadata: grpc.Metadata): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(metadata.getMap())) {
    headers.set(name, typeof value === "string" ? value : value.toString("base64"));
  }
  return headers;
}

function grpcFailure(error: grpc.ServiceError, sawHeaders: boolean): CallFailed {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const details = bytes instanceof Buffer ? fromBinary(StatusSchema, bytes).details : [];
  return new CallFailed({
    code: error.code as number as Code,
    message: error.details,
    metadata: error.metadata === undefined ? new Headers() : headersOf(error.metadata),
    sawHeaders,
    find: (type) => {
      const any = details.find((detail) => anyIs(detail, type));
      return any && anyUnpack(any, type);
    },
  });
}

/** What a call failed with; an assertion if it did not fail. */
export async function failureOf(call: Promise<unknown> | AsyncIterable<unknown>): Promise<CallFailed> {
  try {
    if (Symbol.asyncIterator in call) for await (const _ of call);
    else await call;
  } catch (error) {
    if (error instanceof CallFailed) return error;
    throw error;
  }
  throw new Error("the call was expected to fail, and did not");
}
