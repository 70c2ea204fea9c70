/**
 * A request whose turn outlives its call, and which the server runs once however often it is sent.
 */
import { OnDisconnect } from "./gen/claude/runner/v1/runner_pb.ts";
import { newId } from "./request-id.ts";

interface Named {
  readonly requestId?: string | undefined;
}

/** A request that has a request id keeps it. */
export function continuing<Request extends Named>(
  request: Request,
): Request & { readonly requestId: string; readonly onDisconnect: OnDisconnect } {
  return { ...request, requestId: request.requestId || newId(), onDisconnect: OnDisconnect.CONTINUE };
}
