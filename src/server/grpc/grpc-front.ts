/**
 * What happens to a connection and a stream of the gRPC port before grpc-js sees them: Node's limits on HTTP/2 sessions,
 * floods, and the rules on headers that the web port has as well.
 *
 * grpc-js passes none of Node's session limits on, hands no doubled header on, reads a timeout that is none as another
 * one, and answers an unknown method without details and 415 without a word.
 */
import type http2 from "node:http2";
import type { ConnectionInjector, Server, ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import { toConnectError } from "../../service/errors.ts";
import { grpcTrailers } from "../calls/grpc-trailers.ts";
import { brokenHeader, clampedGrpcTimeout, oversizedHeaders, type RawHeaders } from "../calls/header-rules.ts";
import type { Connections } from "../connections/connections.ts";
import { endUnread, limitFloods, sessionLimits } from "../connections/h2-session.ts";
import { takeListeners } from "../connections/listener.ts";
import { http2ServerOf, limitSessions } from "./grpc-internals.ts";

/** grpc-js's injector of connections, with the front before it. */
export function frontedInjector(
  server: Server,
  credentials: ServerCredentials,
  connections: Connections,
  clock: Clock,
  isMethod: (path: string) => boolean,
): ConnectionInjector {
  limitSessions(server, sessionLimits);
  const injector = server.createConnectionInjector(credentials);
  const http2Server = http2ServerOf(server);
  http2Server.on("session", (session) => {
    connections.speaksHttp2(session);
    limitFloods(session, clock);
  });
  const toGrpcJs = takeListeners(http2Server, "stream");
  http2Server.on("stream", (...event: unknown[]) => {
    const [stream, headers, , raw] = event as StreamEvent;
    const contentType = String(headers["content-type"] ?? "");
    if (!/^application\/grpc(\+proto)?\s*(;|$)/i.test(contentType)) return refuseType(stream, clock);
    const refusal = oversizedHeaders(raw) ?? brokenHeader(raw);
    if (refusal !== undefined) return refuse(stream, refusal, clock);
    const path = String(headers[":path"]);
    if (!isMethod(path)) return refuse(stream, noSuchMethod(path), clock);
    const timeout = headers["grpc-timeout"];
    if (timeout !== undefined) headers["grpc-timeout"] = clampedGrpcTimeout(String(timeout));
    toGrpcJs(...event);
  });
  return injector;
}

type StreamEvent = [http2.ServerHttp2Stream, http2.IncomingHttpHeaders, number, RawHeaders];

const noSuchMethod = (path: string) => new RunnerError("UNIMPLEMENTED", `there is no method ${path.slice(0, 200)}`);

/** A status in a single HEADERS frame, with the details that other refusals have. */
function refuse(stream: http2.ServerHttp2Stream, refusal: RunnerError, clock: Clock): void {
  stream.on("error", () => {}); // it may be reset meanwhile
  const headers = { ":status": 200, "content-type": "application/grpc+proto" };
  stream.respond({ ...headers, ...grpcTrailers(toConnectError(refusal)) }, { endStream: true });
  endUnread(stream, clock);
}

function refuseType(stream: http2.ServerHttp2Stream, clock: Clock): void {
  stream.on("error", () => {});
  stream.respond({ ":status": 415, "content-type": "text/plain; charset=utf-8" });
  stream.end(
    "this is the gRPC port, which serves application/grpc only; Connect, gRPC-Web and JSON are on the web port\n",
  );
  endUnread(stream, clock);
}
