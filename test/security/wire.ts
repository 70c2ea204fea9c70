/**
 * Requests as no client library would send them: header lines twice, odd methods, bytes that are no HTTP.
 */
import { type ClientSessionOptions, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";

export type HeaderLine = readonly [name: string, value: string];

export interface WireRequest {
  readonly port: number;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly HeaderLine[];
  readonly body?: Buffer | string;
}

/** What came back, whatever the protocol. `status` is 0 when the connection or stream ended without an answer. */
export interface WireAnswer {
  readonly status: number;
  /** Of gRPC, from the trailers or the headers. */
  readonly grpcStatus: number | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** Everything together as text, for looking whether something is in it. */
  readonly all: string;
}

/** How long an answer may take before the request counts as unanswered, in milliseconds. */
const answerTimeoutMs = 20_000;

/** Writes a request over HTTP/1.1, line by line as given, and reads until the server closes. */
export async function http1(request: WireRequest): Promise<WireAnswer> {
  const { method = "POST", path = "/", headers = [], body = "" } = request;
  const bytes = Buffer.from(body);
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...(names.has("host") ? [] : ["Host: localhost"]),
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(names.has("content-length") || names.has("transfer-encoding") ? [] : [`Content-Length: ${bytes.length}`]),
    "Connection: close",
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return answerOf(await tcp(request.port, Buffer.concat([head, bytes])));
}

/** Writes bytes, and gives all that the server says until it closes the connection. */
export async function tcp(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connectTcp(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.setTimeout(answerTimeoutMs, () => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.write(bytes);
  await closed;
  return Buffer.concat(chunks);
}

function answerOf(bytes: Buffer): WireAnswer {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, end < 0 ? text.length : end).split("\r\n");
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1] ?? 0),
    grpcStatus: numberOf(headers.get("grpc-status")),
    headers,
    body: end < 0 ? "" : bytes.subarray(end + 4).toString("utf8"),
    all: text,
  };
}

/** Sends a request over HTTP/2 on a connection of its own, with exactly these header lines, also where a name comes twice. */
export async function http2({ port, method = "POST", path = "/", headers = [], body = "" }: WireRequest) {
  // Without this Node itself refuses to send what is to be tried; its types do not know the option yet.
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = { strictSingleValueFields: false };
  const session = connectHttp2(`http://localhost:${port}`, options);
  const given = new Set(headers.map(([name]) => name));
  const standard: HeaderLine[] = [
    [":method", method],
    [":path", path],
    [":scheme", "http"],
    [":authority", `localhost:${port}`],
  ];
  const lines = [...standard.filter(([name]) => !given.has(name)), ...headers];
  const told = new Map<string, string>();
  const chunks: Buffer[] = [];
  try {
    await new Promise<void>((resolve) => {
      session.once("error", () => resolve());
      session.setTimeout(answerTimeoutMs, () => resolve());
      const stream = session.request(lines.filter(([, value]) => value !== "").flat());
      const note = (fields: object) => {
        for (const [name, value] of Object.entries(fields)) told.set(name, String(value));
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", () => undefined);
      stream.once("close", () => resolve());
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
  const text = Buffer.concat(chunks).toString("utf8");
  const said = [...told].map(([name, value]) => `${name}: ${value}`).join("\n");
  return {
    status: Number(told.get(":status") ?? 0),
    grpcStatus: numberOf(told.get("grpc-status")),
    headers: told,
    body: text,
    all: `${said}\n\n${text}`,
  } satisfies WireAnswer;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
