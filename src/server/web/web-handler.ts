/**
 * What happens to a request on the web port: the rules for browsers and headers, then the route that its path has.
 *
 * Cross-site requests. The header `Connect-Protocol-Version` is not required, so that a plain
 * `curl -H 'content-type: application/json' -d '{…}'` works. It would protect no further: a web page can send none of
 * the content types served here without a preflight (text/plain, forms and no type at all get 415), a preflight
 * succeeds for the origins of the settings only, any other Origin but the server's own page gets 403, an unknown Host
 * 421, no call is a GET, and a token in a header is needed, never a cookie.
 */
import type { Clock } from "../../clock.ts";
import type { ServerLog } from "../calls/call-errors.ts";
import type { WebHandler } from "../calls/http-exchange.ts";
import { leaveUnread } from "./web-answer.ts";
import { answerNothing, answerRefusal } from "./web-others.ts";
import type { WebRoute } from "./web-route.ts";
import { judge, type WebSettings } from "./web-rules.ts";

export interface WebHandlerOptions {
  readonly settings: WebSettings;
  /** The first that has a handler for a request answers it. */
  readonly routes: readonly WebRoute[];
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** Answers every request of the web port. */
export function webHandler({ settings, routes, clock, log }: WebHandlerOptions): WebHandler {
  const answer: WebHandler = (request, response) => {
    const judged = judge(request, settings);
    if (judged.kind === "refused") {
      answerRefusal(request, response, judged.refusal);
      return leaveUnread(request, response, clock);
    }
    for (const [name, value] of Object.entries(judged.headers)) response.setHeader(name, value);
    if (judged.kind === "preflight") {
      response.writeHead(204).end();
      return;
    }
    request.url = judged.target;
    const path = judged.target.split("?", 1)[0]!;
    for (const route of routes) {
      const handle = route.handlerOf(request, path);
      if (handle !== undefined) return handle(request, response);
    }
    answerNothing(request, response, path);
    leaveUnread(request, response, clock);
  };
  return (request, response) => {
    try {
      answer(request, response);
    } catch (error) {
      // An exception in a request handler would end the process.
      log.error({ err: error }, "a request could not be answered");
      response.destroy();
    }
  };
}
