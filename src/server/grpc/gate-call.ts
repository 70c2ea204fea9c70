/**
 * One call on the gRPC port, from its headers to its last byte: it is let in by its token when only the headers have
 * come, takes a place, is read within its method's bounds, and the statuses that grpc-js makes by itself (too large,
 * undecodable, deadline) get the details that ours have.
 *
 * Leaves out what the handler does with it (`grpc-listener.ts`).
 */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  type ServerInterceptingCallInterface as InterceptedCall,
  type Metadata,
  ServerInterceptingCall,
  status,
} from "@grpc/grpc-js";
import type { Caller } from "../../policy/auth.ts";
import { RunnerError } from "../../runner-error.ts";
import type { ServedService } from "../../service/calls.ts";
import { toConnectError } from "../../service/errors.ts";
import { cancelledByCaller, libraryError, statusOf } from "../calls/call-errors.ts";
import { type ServerCore, streamsRequests } from "../calls/core.ts";
import type { RequestReading } from "../calls/request-bytes.ts";
import type { Connections } from "../connections/connections.ts";
import { endStalled, endUnread } from "../connections/h2-session.ts";
import type { RequestBounds } from "../decoding/bounds.ts";
import { maxHeaderBytes } from "../limits.ts";
import { CallInternals, type CallStatus } from "./grpc-internals.ts";
import { grpcStatus, metadataBytes } from "./grpc-metadata.ts";
import { readerWithin } from "./grpc-reading.ts";
import { writeTogether } from "./grpc-writing.ts";

/** What grpc-js decompresses. */
const knownEncodings: ReadonlySet<string> = new Set(["identity", "deflate", "gzip"]);

/** A call that has been let in, as its handler's side sees it. */
export interface AdmittedCall {
  readonly caller: Caller | undefined;
  /** Aborts when the call is over, or has to be. */
  readonly abort: AbortController;
  /** Resolves when the last byte has left, or never will. */
  readonly closed: Promise<void>;
  /**
   * The handler has ended, so that the end of the call is nothing to tell it. A call that was ended is cut off if its
   * client does not read the status soon.
   */
  answered(): void;
}

export interface GateCallParts {
  readonly core: ServerCore;
  readonly connections: Connections;
  readonly call: InterceptedCall;
  readonly path: string;
  readonly served: ServedService;
  readonly desc: DescMethod;
  /** Called once it has been let in, with the metadata that its handler gets. */
  readonly onAdmitted: (metadata: Metadata, admitted: AdmittedCall) => void;
}

/**
 * headers -> reading [let in]  reading -> handling [the first request is decoded]  reading, handling -> answered [the
 * handler has ended]  any -> over [the last byte has left, or never will]
 *
 * `leave` gives back the call's place.
 */
type GateState =
  | { readonly kind: "headers" }
  | { readonly kind: "reading" | "handling" | "answered"; readonly leave: () => void }
  | { readonly kind: "over" };

const moves: Readonly<Record<GateState["kind"], readonly GateState["kind"][]>> = {
  headers: ["reading", "over"],
  reading: ["handling", "answered", "over"],
  handling: ["answered", "over"],
  answered: ["over"],
  over: [],
};

export class GateCall {
  readonly #parts: GateCallParts;
  readonly #internals: CallInternals;
  readonly #bounds: RequestBounds;
  readonly #reading: RequestReading;
  readonly #abort = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  /** What a handler or this gate says: it stands as it is. */
  readonly #ours = new WeakSet<CallStatus>();
  #state: GateState = { kind: "headers" };

  constructor(parts: GateCallParts) {
    const { core, call, desc } = parts;
    this.#parts = parts;
    this.#internals = new CallInternals(call);
    this.#bounds = core.decoder.boundsOf(desc);
    const isTooSlow = (error: RunnerError) => this.#end(toConnectError(error));
    this.#reading = core.requestBytes.begin(streamsRequests(desc) ? undefined : isTooSlow);
    const broken = (error: unknown) => this.#fail(error);
    this.#internals.readBy(readerWithin(this.#bounds, { unpacked: (bytes) => this.#count(bytes), broken }));
    this.#internals.writeBy(writeTogether(this.#internals.stream));
    this.#internals.changeStatuses((made) => this.#meant(made));
  }

  /** The call as the rest of grpc-js sees it. */
  intercepted(): ServerInterceptingCall {
    return new ServerInterceptingCall(this.#parts.call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => this.#letIn(metadata, pass),
          onReceiveMessage: (bytes: Uint8Array, pass) => this.#decode(bytes, pass),
          onReceiveHalfClose: (pass) => {
            if (!streamsRequests(this.#parts.desc)) this.#reading.done();
            pass();
          },
          onCancel: () => this.#over(), // comes at the end of every call, also of one that ended well
        }),
      sendStatus: (made, next) => {
        // What grpc-js says of the number of messages comes here too, without metadata.
        if (made.metadata) this.#ours.add(made);
        next(made);
      },
    });
  }

  /** Every change passes through here. */
  #become(to: GateState): void {
    if (!moves[this.#state.kind].includes(to.kind)) {
      throw new Error(`bug: a call cannot go from ${this.#state.kind} to ${to.kind}`);
    }
    this.#state = to;
  }

  #letIn(metadata: Metadata, pass: (metadata: Metadata) => void): void {
    if (this.#state.kind !== "headers") return;
    const { onAdmitted } = this.#parts;
    try {
      const { caller, leave } = this.#admit(metadata);
      this.#become({ kind: "reading", leave });
      const admitted: AdmittedCall = {
        caller,
        abort: this.#abort,
        closed: this.#closed.promise,
        answered: () => this.#answered(),
      };
      onAdmitted(metadata, admitted);
    } catch (error) {
      // The body is never read: it stays in the peer's flow control window.
      this.#fail(error);
      return;
    }
    this.#internals.stream.on("data", (chunk: Buffer) => this.#count(chunk.length));
    pass(metadata);
  }

  /** Looks at the headers, and takes the call's place for its caller. Throws why there is none. */
  #admit(metadata: Metadata): { readonly caller: Caller | undefined; readonly leave: () => void } {
    const { core, connections, served, call } = this.#parts;
    if (metadataBytes(metadata) > maxHeaderBytes) {
      throw new RunnerError("REQUEST_TOO_LARGE", `the headers are larger than ${maxHeaderBytes} bytes`, {
        facts: { limitBytes: maxHeaderBytes },
      });
    }
    const { requestEncoding } = this.#internals;
    if (!knownEncodings.has(requestEncoding)) {
      const words = `messages compressed with ${requestEncoding} are not supported`;
      const unknown = toConnectError(new RunnerError("UNIMPLEMENTED", words));
      unknown.metadata.set("grpc-accept-encoding", [...knownEncodings].join(","));
      throw unknown;
    }
    const authorization = metadata.get("authorization").join(", ") || undefined;
    const caller = served.isOpen ? undefined : core.authenticate(authorization);
    const connection = connections.of(call.getConnectionInfo());
    if (caller !== undefined) connection.authenticated();
    const address = connection.clientOf((name) => metadata.get(name).join(",") || undefined);
    const holder = { address, tenant: caller?.tenant };
    const giveBack = core.callPlaces.take(holder);
    const isOver = connection.began();
    this.#reading.belongsTo(holder);
    const leave = () => {
      giveBack();
      isOver();
    };
    return { caller, leave };
  }

  #decode(bytes: Uint8Array, pass: (request: Message) => void): void {
    const { core, desc } = this.#parts;
    this.#reading.consumed();
    let request: Message;
    try {
      request = core.decoder.binary(desc, bytes, this.#bounds);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#state.kind === "reading") this.#become({ ...this.#state, kind: "handling" });
    pass(request);
  }

  #count(byteCount: number): void {
    try {
      this.#reading.add(byteCount);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#end(statusOf(error, this.#parts.path, this.#parts.core.log));
  }

  #end(error: ConnectError): void {
    this.#abort.abort(error);
    const made = grpcStatus(error);
    this.#ours.add(made);
    this.#parts.call.sendStatus(made);
  }

  #answered(): void {
    if (this.#state.kind === "reading" || this.#state.kind === "handling") {
      this.#become({ ...this.#state, kind: "answered" });
    }
    if (this.#abort.signal.aborted) endStalled(this.#internals.stream, this.#parts.core.clock);
  }

  #over(): void {
    const before = this.#state;
    if (before.kind === "over") return;
    this.#become({ kind: "over" });
    this.#reading.done();
    if (before.kind !== "headers") before.leave();
    if (before.kind === "reading" || before.kind === "handling") this.#abort.abort(cancelledByCaller());
    this.#closed.resolve();
    // grpc-js would go on reading and throwing away what nobody wants any more, for as long as it is sent.
    if (!this.#internals.stream.readableEnded) endUnread(this.#internals.stream, this.#parts.core.clock);
  }

  /** What a status that leaves has to be. */
  #meant(made: CallStatus): CallStatus {
    const { core, path } = this.#parts;
    // grpc-js would say "OK", and a message beside status 0 is against the protocol.
    if (made.code === status.OK) return { ...made, details: "" };
    // A write that failed because the client has gone is no failure of ours, and nobody hears its status.
    if (this.#internals.stream.destroyed || this.#ours.has(made)) return made;
    const hasRequest = this.#state.kind === "handling" || this.#state.kind === "answered";
    const facts = { hasRequest, maxRequestBytes: core.maxRequestBytes };
    const meant = libraryError((made.code ?? status.UNKNOWN) as number as Code, made.details ?? "", facts);
    if (meant === undefined) return made;
    if (meant.code === Code.Internal) core.log.error({ path, cause: made.details }, "grpc-js failed");
    this.#abort.abort(meant);
    return grpcStatus(meant);
  }
}
