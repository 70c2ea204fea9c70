/**
 * Plays one answer on one response: headers, events, pauses, breaks. When the client goes away everything that was
 * planned for it stops.
 *
 * Leaves out which answer it is (`choose.ts`) and how it is encoded (`stream.ts`).
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type Clock, sleep } from "../clock.ts";
import type { Answer, Breakage, ErrorAnswer, MessageAnswer } from "./scenario.ts";
import {
  type AnswerFacts,
  bytesOf,
  type Frame,
  firstEvent,
  framesOf,
  lastEvents,
  newId,
  pingEvent,
  sse,
  wholeMessage,
} from "./stream.ts";

/** One request that is being answered. */
export interface Exchange {
  readonly response: ServerResponse;
  readonly clock: Clock;
  /** Aborts when the client goes away or the stand-in closes. */
  readonly signal: AbortSignal;
  readonly streaming: boolean;
  readonly facts: AnswerFacts;
  /** Becomes true when the connection is broken off on purpose. */
  brokenOff: boolean;
}

/** Returns when there is nothing more to come. Rejects with the signal's reason when it aborts. */
export async function play(answer: Answer, exchange: Exchange): Promise<void> {
  if (answer.answer === "silence") return;
  await pause(answer.beforeHeadersMs, exchange);
  switch (answer.answer) {
    case "message":
      return exchange.streaming ? playStream(answer, exchange) : playWhole(answer, exchange);
    case "error":
      playError(answer, exchange);
      return;
    case "body":
      exchange.response.writeHead(answer.status, { ...answer.headers, "content-type": answer.contentType });
      exchange.response.end(answer.body);
      return;
    case "drop":
      return disconnect(exchange, answer.how);
    default:
      return answer satisfies never;
  }
}

async function playWhole(answer: MessageAnswer, exchange: Exchange): Promise<void> {
  const pauses = framesOf(answer).filter((frame) => frame.kind === "delta").length * answer.betweenDeltasMs;
  await pause(answer.beforeFirstEventMs + pauses + answer.beforeEndMs, exchange);
  const body = wholeMessage(answer, exchange.facts);
  exchange.response.writeHead(200, {
    "request-id": newId("req"),
    ...answer.headers,
    "content-type": "application/json",
  });
  exchange.response.end(body);
}

async function playStream(answer: MessageAnswer, exchange: Exchange): Promise<void> {
  const { response, facts } = exchange;
  response.writeHead(200, {
    "request-id": newId("req"),
    ...answer.headers,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  });
  if (answer.beforeFirstEventMs > 0) {
    response.flushHeaders();
    await pause(answer.beforeFirstEventMs, exchange);
  }
  if (answer.breaks !== undefined) return playBroken(answer, answer.breaks, exchange);
  if (answer.betweenDeltasMs > 0 || answer.beforeEndMs > 0) {
    response.write(firstEvent(answer, facts));
    await writePaced(framesOf(answer), answer.betweenDeltasMs, exchange);
    await pause(answer.beforeEndMs, exchange);
  } else {
    await writeAtOnce(firstEvent(answer, facts), bytesOf(answer), exchange);
  }
  response.end(lastEvents(answer, facts));
}

const maxWriteBytes = 256 * 1024;

/** As fast as the client reads. */
async function writeAtOnce(first: string, rest: Buffer, exchange: Exchange): Promise<void> {
  exchange.response.write(first);
  for (let at = 0; at < rest.length; at += maxWriteBytes) {
    const mayGoOn = exchange.response.write(rest.subarray(at, at + maxWriteBytes));
    if (!mayGoOn && at + maxWriteBytes < rest.length) {
      await once(exchange.response, "drain", { signal: exchange.signal });
    }
  }
}

/** Each delta at its own moment after the first one, so that lateness does not add up and short pauses are kept. */
async function writePaced(frames: readonly Frame[], betweenDeltasMs: number, exchange: Exchange): Promise<void> {
  const startedAtMs = exchange.clock.now();
  let deltas = 0;
  let due = "";
  for (const frame of frames) {
    if (frame.kind === "delta") {
      const waitMs = startedAtMs + deltas++ * betweenDeltasMs - exchange.clock.now();
      if (waitMs > 0) {
        if (due !== "") exchange.response.write(due);
        due = "";
        await pause(waitMs, exchange);
      }
    }
    due += frame.text;
  }
  if (due !== "") exchange.response.write(due);
}

async function playBroken(answer: MessageAnswer, breaks: Breakage, exchange: Exchange): Promise<void> {
  const { response, facts } = exchange;
  const frames = framesOf(answer);
  const at = breakPosition(frames, breaks);
  response.write(firstEvent(answer, facts));
  await writePaced(frames.slice(0, at), answer.betweenDeltasMs, exchange);
  switch (breaks.how) {
    case "reset":
    case "close":
      // What has been written has to leave first, or the client sees less than the scenario says.
      await new Promise<void>((resolve) => response.write("\n", () => resolve()));
      await pause(breakDelayMs, exchange);
      return disconnect(exchange, breaks.how);
    case "end":
      response.end();
      return;
    case "error":
      response.end(sse("error", { error: { type: breaks.errorType, message: breaks.errorMessage } }));
      return;
    case "malformed":
      response.end('event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"ty\n\n');
      return;
    case "garbage":
      response.write("this line is no field of an event\n");
      await writePaced(frames.slice(at), answer.betweenDeltasMs, exchange);
      response.end(lastEvents(answer, facts));
      return;
    case "stall":
      return;
    case "pings":
      for (;;) {
        response.write(pingEvent);
        await pause(breaks.pingIntervalMs, exchange);
      }
    default:
      return breaks.how satisfies never;
  }
}

/** A reset discards what the client has not read yet; it gets this long to read it. */
const breakDelayMs = 30;

/** How many frames come before the break. */
function breakPosition(frames: readonly Frame[], breaks: Breakage): number {
  let blocks = 0;
  let deltas = 0;
  for (const [index, frame] of frames.entries()) {
    if (blocks === breaks.afterBlocks && deltas === breaks.afterDeltas && frame.kind !== "blockStart") return index;
    if (blocks === breaks.afterBlocks && frame.kind === "delta") deltas++;
    if (frame.kind === "blockStop") blocks++;
  }
  return frames.length;
}

function playError(answer: ErrorAnswer, exchange: Exchange): void {
  const requestId = answer.headers["request-id"] ?? newId("req");
  const body = JSON.stringify({
    type: "error",
    error: {
      type: answer.type ?? errorTypes[answer.status] ?? (answer.status >= 500 ? "api_error" : "invalid_request_error"),
      message: answer.message ?? `The scenario makes the stand-in fail with ${answer.status}.`,
    },
    request_id: requestId,
  });
  exchange.response.writeHead(answer.status, {
    ...answer.headers,
    "request-id": requestId,
    "content-type": "application/json",
  });
  exchange.response.end(body);
}

/** The API's own error type for a status. */
const errorTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  503: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

function disconnect(exchange: Exchange, how: "reset" | "close"): void {
  exchange.brokenOff = true;
  if (how === "reset") exchange.response.socket?.resetAndDestroy();
  else exchange.response.socket?.destroy();
}

async function pause(forMs: number, exchange: Exchange): Promise<void> {
  if (forMs > 0) await sleep(exchange.clock, forMs, exchange.signal);
}
