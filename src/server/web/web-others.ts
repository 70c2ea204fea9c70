/**
 * What the web port answers to a request that no route takes: a refusal, or words that say what this is and how to call
 * it.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { toConnectError } from "../../service/errors.ts";
import { streamsResponses } from "../calls/core.ts";
import { grpcMessage, grpcTrailers } from "../calls/grpc-trailers.ts";
import { answerPlainly, type WebRequest, type WebResponse } from "../calls/http-exchange.ts";
import { isGrpc, isGrpcWeb } from "./web-answer.ts";
import type { Refusal } from "./web-rules.ts";

const aboutCalls =
  "This is claude-runner. Its API is called by POST with gRPC, gRPC-Web, Connect or JSON, for example " +
  "POST /claude.runner.v1.ClaudeRunner/Chat with content-type: application/json, a bearer token and " +
  '{"prompt": "Hello"}. It has no OpenAI or Anthropic endpoints.';

/** A request that is not answered, with the status for its protocol. */
export function answerRefusal(request: WebRequest, response: WebResponse, { status, text, error }: Refusal): void {
  if (error === undefined || !(isGrpc(request) || isGrpcWeb(request))) {
    answerPlainly(response, status, text);
    return;
  }
  answerGrpc(request, response, grpcTrailers(toConnectError(error)));
}

/** What is at no route's path. */
export function answerNothing(request: WebRequest, response: WebResponse, path: string): void {
  if (isGrpc(request) || isGrpcWeb(request)) {
    const words = `there is no method ${path.slice(0, 200)}`;
    answerGrpc(request, response, { "grpc-status": "12", "grpc-message": grpcMessage(words) });
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
    ? "Clients of Connect, gRPC and gRPC-Web do this on their own; for one JSON answer without a stream, call Chat."
    : "The text form of gRPC-Web (application/grpc-web-text) is not supported, only the binary one.";
  answerPlainly(
    response,
    415,
    `${method.name} does not support the content type ${type}. It supports ${connect}, application/grpc, ` +
      `application/grpc-web, and the last two with +proto or +json. ${hint}`,
  );
}

function answerGrpc(request: WebRequest, response: WebResponse, trailers: object): void {
  response.writeHead(200, {
    "content-type": String(request.headers["content-type"]),
    ...trailers,
  });
  response.end();
}
