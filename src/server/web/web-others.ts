/**
 * What the web port answers to a request that no route takes: a refusal, or words that say what this is and how to call
 * it.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { RunnerError } from "../../runner-error.ts";
import { toConnectError } from "../../service/errors.ts";
import { streamsResponses } from "../calls/core.ts";
import { grpcTrailers } from "../calls/grpc-trailers.ts";
import { answerPlainly, type WebRequest, type WebResponse } from "../calls/http-exchange.ts";
import { answerConnect, answerJson, isConnect } from "./connect-refusal.ts";
import { textStreamRules } from "./text-stream-methods.ts";
import { isGrpc, isGrpcWeb } from "./web-answer.ts";
import type { Refusal } from "./web-rules.ts";

const aboutCalls =
  "This is claude-runner. Its API is called by POST with gRPC, gRPC-Web, Connect or JSON, for example " +
  "POST /claude.runner.v1.ClaudeRunner/Chat with content-type: application/json, a bearer token and " +
  '{"prompt": "Hello"}. It has no OpenAI or Anthropic endpoints.';

/** A request that is not answered, in the words of its protocol; plainly what is in none. */
export function answerRefusal(request: WebRequest, response: WebResponse, { status, text, error }: Refusal): void {
  if (isConnect(request)) {
    answerConnect(request, response, status, toConnectError(error));
  } else if (isGrpc(request) || isGrpcWeb(request)) {
    answerGrpc(request, response, grpcTrailers(toConnectError(error)));
  } else {
    answerPlainly(response, status, text);
  }
}

/** What is at no route's path. */
export function answerNothing(request: WebRequest, response: WebResponse, path: string): void {
  if (isGrpc(request) || isGrpcWeb(request) || isConnect(request)) {
    const text = `There is no method ${path.slice(0, 200)}. ${aboutCalls}`;
    answerRefusal(request, response, { status: 404, text, error: new RunnerError("UNIMPLEMENTED", text) });
  } else if (path === "/" && request.method === "GET") {
    answerPlainly(response, 200, aboutCalls);
  } else {
    answerPlainly(response, 404, `There is nothing at this path. ${aboutCalls}`);
  }
}

/** A method that was asked for in a way that nobody here speaks: another verb, or another content type. */
export function answerUnspoken(request: WebRequest, response: WebResponse, method: DescMethod): void {
  if (request.method !== "POST") {
    response.setHeader("allow", "POST");
    answerPlainly(response, 405, `${method.name} is called by POST. ${aboutCalls}`);
    return;
  }
  const connect = streamsResponses(method)
    ? "application/connect+json or application/connect+proto (each message after a flag byte and four length bytes)"
    : "application/json or application/proto";
  const type = String(request.headers["content-type"] ?? "none").slice(0, 100);
  const hint = streamsResponses(method)
    ? `Clients of Connect, gRPC and gRPC-Web do this on their own; ${withoutClient(method)}`
    : "The text form of gRPC-Web (application/grpc-web-text) is not supported, only the binary one.";
  const text =
    `${method.name} does not support the content type ${type}. It supports ${connect}, application/grpc, ` +
    `application/grpc-web, and the last two with +proto or +json. ${hint}`;
  // Of Connect's types the other kind of method speaks this one: no stream has begun.
  if (isConnect(request)) answerJson(response, 415, toConnectError(new RunnerError("INVALID_REQUEST", text)));
  else answerPlainly(response, 415, text);
}

/** What somebody with curl is after. */
function withoutClient(method: DescMethod): string {
  const asText =
    "for a stream of text, send application/json with accept: text/event-stream or accept: application/x-ndjson; ";
  return `${textStreamRules.has(method) ? asText : ""}for one JSON answer without a stream, call Chat.`;
}

function answerGrpc(request: WebRequest, response: WebResponse, trailers: object): void {
  response.writeHead(200, {
    "content-type": String(request.headers["content-type"]),
    ...trailers,
  });
  response.end();
}
