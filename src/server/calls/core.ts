/**
 * What both adapters are given: the services, who may call them, and the bookkeeping that the two ports share.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Clock } from "../../clock.ts";
import type { Authenticate, ServedService } from "../../service/calls.ts";
import type { RequestDecoder } from "../decoding/request-decoder.ts";
import type { ServerLog } from "./call-errors.ts";
import type { CallPlaces } from "./call-places.ts";
import type { OpenCalls } from "./open-calls.ts";
import type { RequestBytes } from "./request-bytes.ts";

export interface ServerCore {
  readonly services: readonly ServedService[];
  readonly authenticate: Authenticate;
  readonly requestBytes: RequestBytes;
  readonly callPlaces: CallPlaces;
  readonly decoder: RequestDecoder;
  readonly openCalls: OpenCalls;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** The largest request, in bytes, decompressed. */
  readonly maxRequestBytes: number;
}

export const streamsRequests = ({ methodKind }: DescMethod): boolean =>
  methodKind === "client_streaming" || methodKind === "bidi_streaming";
export const streamsResponses = ({ methodKind }: DescMethod): boolean =>
  methodKind === "server_streaming" || methodKind === "bidi_streaming";

type Untyped = (request: unknown, call: unknown) => unknown;

/** A service's handler for a method. All of them are there: `served` has checked the types. */
export function handlerOf({ service, handlers }: ServedService, localName: string): Untyped {
  const handler = handlers[localName] as Untyped | undefined;
  if (handler === undefined) throw new Error(`bug: no handler for ${service.typeName}.${localName}`);
  return handler;
}
