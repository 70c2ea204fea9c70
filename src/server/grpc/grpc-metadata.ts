/**
 * gRPC metadata and web headers, each as the other, and errors as what grpc-js sends for them.
 */
import type { ConnectError } from "@connectrpc/connect";
import { Metadata, type StatusObject, type status } from "@grpc/grpc-js";
import { detailsKey, statusDetails } from "../calls/grpc-trailers.ts";

/** Every value of every key; binary ones as base64, as they came. */
export function headersOf(metadata: Metadata): Headers {
  const headers = new Headers();
  for (const key of Object.keys(metadata.getMap())) {
    for (const value of metadata.get(key)) {
      headers.append(key, typeof value === "string" ? value : value.toString("base64"));
    }
  }
  return headers;
}

/** The way back; keys that end in `-bin` hold base64. */
export function metadataOf(headers: Headers): Metadata {
  const metadata = new UnpaddedMetadata();
  for (const [key, value] of headers) {
    if (key.endsWith("-bin")) {
      for (const part of value.split(",")) metadata.add(key, Buffer.from(part.trim(), "base64"));
    } else {
      metadata.set(key, value);
    }
  }
  return metadata;
}

/** grpc-js pads the base64 of binary values, which receivers have to take but senders should not do. */
class UnpaddedMetadata extends Metadata {
  override toHttp2Headers(): ReturnType<Metadata["toHttp2Headers"]> {
    const unpadded = (value: string) => value.replace(/=+$/, "");
    return Object.fromEntries(
      Object.entries(super.toHttp2Headers()).map(([key, value]) => {
        if (!key.endsWith("-bin") || value === undefined) return [key, value];
        return [key, Array.isArray(value) ? value.map(unpadded) : unpadded(String(value))];
      }),
    );
  }

  /** grpc-js sends a copy of a status's metadata. */
  override clone(): Metadata {
    const copy = new UnpaddedMetadata(this.getOptions());
    copy.merge(this);
    return copy;
  }
}

/** How many bytes the metadata takes in a header block, about: names, values and HPACK's 32 for each. */
export function metadataBytes(metadata: Metadata): number {
  let bytes = 0;
  for (const key of Object.keys(metadata.getMap())) {
    for (const value of metadata.get(key)) bytes += key.length + value.length + 32;
  }
  return bytes;
}

/** An error as the status that grpc-js takes from a handler; `trailer` is what the handler had to say beside it. */
export function grpcStatus(error: ConnectError, trailer = new Headers()): StatusObject {
  const metadata = metadataOf(error.metadata);
  metadata.merge(metadataOf(trailer));
  // A lone surrogate would make grpc-js throw when it encodes the message.
  const message = error.rawMessage.toWellFormed();
  const details = statusDetails(error);
  if (details !== undefined) metadata.set(detailsKey, details);
  return { code: error.code as number as status, details: message, metadata };
}

/** The same as an error, which is how a handler's stream takes it. */
export function grpcError(error: ConnectError, trailer?: Headers): Error & StatusObject {
  return Object.assign(new Error(error.rawMessage), grpcStatus(error, trailer));
}
