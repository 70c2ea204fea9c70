/**
 * The gate of the gRPC port: a grpc-js interceptor that makes a `GateCall` of each call, and shows the handlers theirs.
 *
 * What a stream must keep to before grpc-js sees it is in `grpc-front.ts`.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Metadata, ServerInterceptor } from "@grpc/grpc-js";
import type { ServedService } from "../../service/calls.ts";
import type { ServerCore } from "../calls/core.ts";
import type { Connections } from "../connections/connections.ts";
import { type AdmittedCall, GateCall } from "./gate-call.ts";

export interface GrpcGate {
  readonly interceptor: ServerInterceptor;
  /** The call with this metadata: the same object that its handler sees. */
  admitted(metadata: Metadata): AdmittedCall;
}

export function grpcGate(core: ServerCore, connections: Connections): GrpcGate {
  const methods = new Map<string, { readonly served: ServedService; readonly desc: DescMethod }>();
  for (const served of core.services) {
    for (const desc of served.service.methods)
      methods.set(`/${served.service.typeName}/${desc.name}`, { served, desc });
  }
  const calls = new WeakMap<Metadata, AdmittedCall>();
  return {
    interceptor(method, call) {
      const known = methods.get(method.path)!; // grpc-js has refused all others
      const onAdmitted = (metadata: Metadata, admitted: AdmittedCall) => void calls.set(metadata, admitted);
      return new GateCall({ ...known, path: method.path, call, core, connections, onAdmitted }).intercepted();
    },
    admitted(metadata) {
      const call = calls.get(metadata);
      if (call === undefined) throw new Error("bug: a call got past the gate");
      return call;
    },
  };
}
