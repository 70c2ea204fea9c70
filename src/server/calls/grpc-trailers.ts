/**
 * A status as gRPC's trailers have it, for what is answered before an RPC library sees it, on both ports.
 */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";

export const detailsKey = "grpc-status-details-bin";

/** A status message as gRPC's header wants it: everything but printable ASCII is escaped, and the percent sign. */
export function grpcMessage(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}

/** The `google.rpc.Status` of an error that has details. */
export function statusDetails(error: ConnectError): Buffer | undefined {
  if (error.details.length === 0) return undefined;
  const details = error.details.map((detail) =>
    "desc" in detail
      ? anyPack(detail.desc, create(detail.desc, detail.value as MessageInitShape<DescMessage>))
      : { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value },
  );
  const message = error.rawMessage.toWellFormed();
  return Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code: error.code, message, details })));
}

/** Everything that a status says. */
export function grpcTrailers(error: ConnectError): Record<string, string> {
  const details = statusDetails(error);
  return {
    ...Object.fromEntries(error.metadata),
    "grpc-status": String(error.code),
    "grpc-message": grpcMessage(error.rawMessage),
    // Without padding, as senders should.
    ...(details !== undefined && { [detailsKey]: details.toString("base64").replace(/=+$/, "") }),
  };
}
