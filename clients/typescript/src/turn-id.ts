/**
 * The turn's id as the response headers have it, which is before its first event.
 *
 * Connect tells of headers with the response, and a call that may be sent again has that with its first message. So who
 * sends it again tells of the headers itself.
 */
import { type CallOptions as ConnectCallOptions, createContextKey, createContextValues } from "@connectrpc/connect";

export const turnIdHeader = "claude-runner-turn-id";

type Named = (turnId: string) => void;

/** Told of the turn's id as soon as an attempt's headers have it. */
const listener = createContextKey<Named>(() => {});

/** Options of a call for whoever wants to know its turn. */
export function naming(named: Named): Pick<ConnectCallOptions, "contextValues" | "onHeader"> {
  const tell = (headers: Headers) => tellOf(headers, named);
  return { contextValues: createContextValues().set(listener, named), onHeader: tell };
}

/** Tells who listens to a call of its headers. */
export function noteHeaders(headers: Headers, values: ConnectCallOptions["contextValues"]): void {
  if (values !== undefined) tellOf(headers, values.get(listener));
}

function tellOf(headers: Headers, named: Named): void {
  const turnId = headers.get(turnIdHeader);
  if (turnId !== null) named(turnId);
}
