/**
 * Lists of what the server keeps, over all their pages.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "./call-options.ts";
import type { Calls } from "./calls.ts";
import type { ListSessionsRequestSchema, Session as SessionRecord } from "./gen/claude/runner/v1/session_pb.ts";
import type { ListTurnsRequestSchema, Turn as TurnRecord } from "./gen/claude/runner/v1/turn_pb.ts";
import { pages } from "./pages.ts";

export function sessionPages(
  calls: Calls,
  request: MessageInitShape<typeof ListSessionsRequestSchema>,
  options: CallOptions,
): AsyncIterable<SessionRecord> {
  return pages(async (pageToken) => {
    const ask = { ...request, pageToken };
    const response = await calls.once(options, (called) => calls.sessions.listSessions(ask, called));
    return { items: response.sessions, nextPageToken: response.nextPageToken };
  });
}

export function turnPages(
  calls: Calls,
  request: MessageInitShape<typeof ListTurnsRequestSchema>,
  options: CallOptions,
): AsyncIterable<TurnRecord> {
  return pages(async (pageToken) => {
    const ask = { ...request, pageToken };
    const response = await calls.once(options, (called) => calls.turns.listTurns(ask, called));
    return { items: response.turns, nextPageToken: response.nextPageToken };
  });
}
