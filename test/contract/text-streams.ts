/**
 * A client for the streams that are text, as somebody without a library would write one: a POST of JSON by Node's own
 * HTTP, the lines of the answer by the rules of server-sent events or of NDJSON.
 *
 * Speaks as a transport of Connect's, so that suites call it as they call the others. Methods that answer once, and
 * streams that are not served as text, go over the transport that it is given for them.
 */
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { create, type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { ClaudeRunner, StreamChatResponseSchema } from "../../gen/claude/runner/v1/runner_pb.ts";

export type TextForm = "sse" | "ndjson";

export interface TextTransportOptions {
  readonly baseUrl: string;
  readonly httpVersion: "1.1" | "2";
  readonly ca: Buffer;
  readonly form: TextForm;
  readonly others: Transport;
}

export function textTransport(options: TextTransportOptions): Transport {
  const { others, form } = options;
  return {
    unary: (...call) => others.unary(...call),
    async stream(method, signal, timeoutMs, header, input, values) {
      if (method.name !== ClaudeRunner.method.streamChat.name) {
        return others.stream(method, signal, timeoutMs, header, input, values);
      }
      const [message] = await Array.fromAsync(input);
      const sent = new Headers(header);
      sent.set("content-type", "application/json");
      sent.set("accept", form === "sse" ? "text/event-stream" : "application/x-ndjson");
      sent.set("te", "trailers");
      if (timeoutMs !== undefined) sent.set("connect-timeout-ms", String(timeoutMs));
      const body = JSON.stringify(toJson(method.input, create(method.input, message)));
      const call = endedBy(signal, timeoutMs);
      const trailer = new Headers();
      try {
        const answer = await call.of(
          post(options, `/${method.parent.typeName}/${method.name}`, sent, body, call.signal),
        );
        if (answer.status !== 200) throw errorOf(JSON.parse(await textOf(answer.body)), answer.headers);
        return {
          stream: true,
          service: method.parent,
          method,
          header: answer.headers,
          trailer,
          message: messages(method.output, form, answer, trailer, call),
        };
      } catch (error) {
        call.over();
        throw error;
      }
    },
  };
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readable;
  /** What came behind the body; after its end. */
  readonly trailers: () => IncomingHttpHeaders;
}

async function* messages<O extends DescMessage>(
  output: O,
  form: TextForm,
  { body, trailers }: HttpAnswer,
  trailer: Headers,
  call: Call,
): AsyncGenerator<MessageShape<O>> {
  const lines = form === "sse" ? serverSentEvents(body) : jsonLines(body);
  let last = { sequence: 0, turnId: "" };
  try {
    for (;;) {
      const next = await call.of(lines.next());
      if (next.done) break;
      const line = next.value;
      if (line.kind === "failure") {
        // Only now is it known that nothing follows, and what came behind.
        for await (const _ of lines) throw new Error("there is something behind the failure");
        throw errorOf(line.json, headersOf(trailers()));
      }
      // All that such a reader knows of a heartbeat.
      const message = (
        line.kind === "comment"
          ? create(StreamChatResponseSchema, {
              sequence: last.sequence,
              turnId: last.turnId,
              event: { case: "heartbeat", value: {} },
            })
          : fromJson(output, line.json)
      ) as MessageShape<O>;
      last = message as unknown as typeof last;
      yield message;
    }
    for (const [name, value] of headersOf(trailers())) trailer.set(name, value);
  } finally {
    call.over();
    body.destroy();
  }
}

type Line =
  | { readonly kind: "message"; readonly json: JsonValue }
  | { readonly kind: "failure"; readonly json: JsonValue }
  | { readonly kind: "comment" };

/** By the grammar of the HTML standard; throws at what our streams have no reason to use. */
async function* serverSentEvents(body: Readable): AsyncGenerator<Line> {
  let event: Record<string, string> = {};
  for await (const line of linesOf(body)) {
    if (line === "") {
      if (event.data === undefined) continue;
      const json = JSON.parse(event.data) as JsonValue;
      if (event.event === "error") yield { kind: "failure", json };
      else {
        expectLabels(event, json as { sequence?: number });
        yield { kind: "message", json };
      }
      event = {};
    } else if (line.startsWith(":")) {
      if (line !== ": heartbeat") throw new Error(`an unknown comment: ${line}`);
      yield { kind: "comment" };
    } else {
      const [, field = "", value = ""] = /^(event|id|data): (.*)$/.exec(line) ?? [];
      if (field === "" || field in event) throw new Error(`a line that has no place here: ${line}`);
      event[field] = value;
    }
  }
  if (event.data !== undefined) throw new Error("an event without its end");
}

/** What a reader goes by is what the event says. */
function expectLabels({ event, id }: Record<string, string>, json: { sequence?: number }): void {
  const said = `${event} ${id}`;
  if (event === undefined || !(event in json)) throw new Error(`an event with another name: ${said}`);
  if (id !== String(json.sequence)) throw new Error(`an event with another id: ${said}`);
}

async function* jsonLines(body: Readable): AsyncGenerator<Line> {
  for await (const line of linesOf(body)) {
    const json = JSON.parse(line) as Record<string, JsonValue>;
    yield json.error === undefined ? { kind: "message", json } : { kind: "failure", json: json.error };
  }
}

async function* linesOf(body: Readable): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") throw new Error(`the last line has no end: ${rest.slice(0, 200)}`);
}

async function textOf(body: Readable): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body as AsyncIterable<Buffer>)).toString();
}

function errorOf(json: JsonValue, metadata: Headers): ConnectError {
  return errorFromJson(json, metadata, new ConnectError("the failure is not in the form of Connect", Code.Unknown));
}

function headersOf(headers: IncomingHttpHeaders): Headers {
  return new Headers(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || name.startsWith(":") ? [] : [[name, String(value)] as [string, string]],
    ),
  );
}

interface Call {
  readonly signal: AbortSignal;
  /** The same promise, or what the call ended with on the client's side. */
  of<T>(promise: Promise<T>): Promise<T>;
  over(): void;
}

/** A call that its caller or its deadline ends, as Connect's clients end theirs. */
function endedBy(signal: AbortSignal | undefined, timeoutMs: number | undefined): Call {
  const abort = new AbortController();
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  const end = (error: ConnectError) => {
    ended.reject(error);
    abort.abort(error);
  };
  const cancel = () => end(new ConnectError("cancelled by the client", Code.Canceled));
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => end(new ConnectError("the deadline has passed", Code.DeadlineExceeded)), timeoutMs);
  return {
    signal: abort.signal,
    of: (promise) => Promise.race([promise, ended.promise]),
    over() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
      abort.abort();
    },
  };
}

function post(
  { baseUrl, httpVersion, ca }: TextTransportOptions,
  path: string,
  header: Headers,
  body: string,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return httpVersion === "1.1"
    ? post1(`${baseUrl}${path}`, header, body, ca, signal)
    : post2(baseUrl, path, header, body, ca, signal);
}

function post1(url: string, header: Headers, body: string, ca: Buffer, signal: AbortSignal): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const headers = { ...Object.fromEntries(header), connection: "close, TE" };
    const outgoing = send(url, { method: "POST", headers, ca, agent: false }, (incoming: IncomingMessage) =>
      resolve({
        status: incoming.statusCode ?? 0,
        headers: headersOf(incoming.headers),
        body: incoming,
        trailers: () => incoming.trailers,
      }),
    );
    outgoing.on("error", (error) => reject(new ConnectError(error.message, Code.Unavailable)));
    signal.addEventListener("abort", () => outgoing.destroy());
    outgoing.end(body);
  });
}

function post2(
  baseUrl: string,
  path: string,
  header: Headers,
  body: string,
  ca: Buffer,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(baseUrl, { ca });
    const fail = (error: Error) => reject(new ConnectError(error.message, Code.Unavailable));
    session.on("error", fail);
    const stream = session.request({ ":method": "POST", ":path": path, ...Object.fromEntries(header) });
    stream.on("error", fail);
    stream.once("close", () => session.close());
    signal.addEventListener("abort", () => stream.close(8));
    let trailers: IncomingHttpHeaders = {};
    stream.on("trailers", (headers) => {
      trailers = headers;
    });
    stream.on("response", (headers) =>
      resolve({ status: headers[":status"] ?? 0, headers: headersOf(headers), body: stream, trailers: () => trailers }),
    );
    stream.end(body);
  });
}
