/**
 * What a handler is and what it may know about its call; the seam between the services and the two listeners.
 *
 * Knows no transport: `server/grpc/grpc-listener.ts` and `server/web/connect-adapter.ts` put the same handlers behind theirs.
 *
 * Rules for whoever writes a handler: fail before the first yield where that is possible (a failure then is a single
 * trailers frame, which a client may retry); clean up on `signal`, not only in `finally` (a generator parked at `yield`
 * gets there only when the listener calls `return()`); on abort throw `signal.reason`; throw ConnectError only (see
 * `service/errors.ts`), since anything else reaches the caller as a bare INTERNAL.
 */

import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Caller } from "../policy/auth.ts";
import { RunnerError } from "../runner-error.ts";
import { toConnectError } from "./errors.ts";

/** The caller that an `authorization` header names, by the tokens of now. Throws UNAUTHENTICATED. */
export type Authenticate = (authorization: string | undefined) => Caller;

/** The response header that names the turn of a call. */
export const turnIdHeader = "claude-runner-turn-id";

export interface CallContext {
  /**
   * Aborts when the caller goes, the deadline passes or the server gives up draining; the reason is a ConnectError. After
   * a drain, and only then, the handler's last words still reach the caller.
   */
  readonly signal: AbortSignal;
  readonly requestHeader: Headers;
  /** Sent with the first message, so to be set before it; a failure before that leaves it out. */
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
  /**
   * Sends the response headers now, before there is a message: from then on no client's retry policy repeats the call,
   * also when the connection breaks. For a method that answers once what would otherwise happen at its end. Twice is fine.
   */
  readonly begin: () => void;
  /** `grpc`, `connect` or `grpc-web`. */
  readonly protocolName: string;
  /**
   * The form in which this listener takes the responses of a stream best. A handler that has them as bytes, encoded once
   * for all who read them, may give those where they are taken; messages are taken always.
   */
  readonly takes: "messages" | "bytes";
  /** What is left until the call's own deadline, in milliseconds; `undefined` when the caller set none. */
  readonly timeoutMs: () => number | undefined;
  /**
   * Ends the call of a caller who does not read, with this status: its stream is reset when it is not read even then.
   * Afterwards nothing that the handler yields is sent.
   */
  readonly endCall: (status: ConnectError) => void;
  /** Absent for services that need no token, such as health. */
  readonly caller: Caller | undefined;
}

/** The caller of a call that needs one. */
export function callerOf({ caller }: Pick<CallContext, "caller">): Caller {
  if (caller === undefined) throw toConnectError(new RunnerError("UNAUTHENTICATED", "the call has no token"));
  return caller;
}

type Input<M extends DescMethod> = MessageShape<M["input"]>;
type Output<M extends DescMethod> = MessageInitShape<M["output"]>;

/** A method that answers once gives a promise, one that streams its answers an async iterable. */
export type Handler<M extends DescMethod> = M extends { methodKind: "unary" }
  ? (request: Input<M>, call: CallContext) => Promise<Output<M>>
  : M extends { methodKind: "server_streaming" }
    ? (request: Input<M>, call: CallContext) => AsyncIterable<Output<M> | Buffer>
    : M extends { methodKind: "client_streaming" }
      ? (requests: AsyncIterable<Input<M>>, call: CallContext) => Promise<Output<M>>
      : (requests: AsyncIterable<Input<M>>, call: CallContext) => AsyncIterable<Output<M>>;

export type Handlers<S extends DescService> = { readonly [K in keyof S["method"]]: Handler<S["method"][K]> };

/** A service with its handlers, as the listeners take it. */
export interface ServedService {
  readonly service: DescService;
  readonly handlers: Record<string, (request: never, call: CallContext) => unknown>;
  /** Whether calls need no token. */
  readonly isOpen: boolean;
  /**
   * The methods, by their names in TypeScript, whose requests carry content: they may be as large as the settings allow.
   * All others are bounded to a few KiB (`decoding/bounds.ts`).
   */
  readonly contentMethods: readonly string[];
  /** Whether its calls are ended as soon as a drain begins: those that never end by themselves, such as a health watch. */
  readonly isEndedAtDrain: boolean;
}

/** Ties handlers to their service with the types checked. */
export function served<S extends DescService>(
  service: S,
  handlers: Handlers<S>,
  options: {
    isOpen?: boolean;
    isEndedAtDrain?: boolean;
    contentMethods?: readonly (keyof S["method"] & string)[];
  } = {},
): ServedService {
  return {
    service,
    handlers: handlers as unknown as ServedService["handlers"],
    isOpen: options.isOpen ?? false,
    contentMethods: options.contentMethods ?? [],
    isEndedAtDrain: options.isEndedAtDrain ?? false,
  };
}
