/**
 * How a call's messages are read on the gRPC port, within the method's bounds and in the place of grpc-js's own way.
 *
 * grpc-js has one limit for all methods, keeps each piece of a message as it came until the last one is there (a message in
 * frames of one byte takes two hundred times its size), and unpacks without a look at what was sent.
 */
import type { RequestBounds } from "../decoding/bounds.ts";
import { EnvelopeReader, headBytes, packedFlag } from "../decoding/envelopes.ts";
import { unpack } from "../decoding/unpack.ts";
import type { CallReader } from "./grpc-internals.ts";

export interface ReadingListener {
  /** A packed message takes so many bytes more now. */
  unpacked(byteCount: number): void;
  /** A message cannot be read: ends the call. */
  broken(error: unknown): void;
}

/** Bounds every message of a call before it is read. */
export function readerWithin({ maxBytes }: RequestBounds, { unpacked, broken }: ReadingListener): CallReader {
  const envelopes = new EnvelopeReader(maxBytes);
  return {
    write(chunk) {
      try {
        return envelopes.write(chunk).map(({ frame }) => frame);
      } catch (error) {
        broken(error);
        return [];
      }
    },
    content(frame, encoding) {
      const message = frame.subarray(headBytes);
      if ((frame[0]! & packedFlag) === 0) return message;
      return unpack(message, encoding, maxBytes).then(
        (bytes) => {
          unpacked(bytes.length);
          return bytes;
        },
        (error: unknown) => {
          broken(error);
          return new Promise<never>(() => {}); // grpc-js would send a status of its own as well
        },
      );
    },
  };
}
