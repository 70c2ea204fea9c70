/**
 * A face of the web port: what is answered at some paths. A further one is a further route; none knows the others.
 */
import type { Clock } from "../../clock.ts";
import type { StaticFiles, WebHandler, WebRequest } from "../calls/http-exchange.ts";
import type { Connections } from "../connections/connections.ts";
import { isGrpc, isGrpcWeb, leaveUnread } from "./web-answer.ts";

export interface WebRoute {
  /** Who answers this request; `undefined`: it is not this face's. The rules of `web-rules.ts` have let it in. */
  handlerOf(request: WebRequest, path: string): WebHandler | undefined;
}

export interface FilesRouteOptions {
  readonly connections: Connections;
  readonly clock: Clock;
}

/** Files that need no token, such as the page's. A gRPC client that asks for one has mistaken the path. */
export function filesRoute(files: StaticFiles, { connections, clock }: FilesRouteOptions): WebRoute {
  return {
    handlerOf(asked, path) {
      if (!files.has(path) || isGrpc(asked) || isGrpcWeb(asked)) return undefined;
      return (request, response) => {
        response.once("close", connections.of(request.socket).began());
        files.answer(request, response, path);
        leaveUnread(request, response, clock);
      };
    },
  };
}
