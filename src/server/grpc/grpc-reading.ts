/**
 * How grpc-js reads a call's messages, with our bounds in place of its own.
 *
 * grpc-js has one limit for all methods, keeps each piece of a message as it came until the last one is there (a message in
 * frames of one byte takes two hundred times its size), and unpacks without a look at what was sent. It has no option
 * for any of that, and its interceptors see messages only when they are whole and decoded. So this replaces, in the call
 * that an interceptor is given, two parts of grpc-js that are private: the reader of frames and the unpacking. The
 * version of grpc-js is pinned; with another one the first call says so (`readWithin` throws) and a test fails.
 */
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import type { RequestBounds } from "../decoding/bounds.ts";
import { EnvelopeReader, headBytes, packedFlag } from "../decoding/envelopes.ts";
import { unpack } from "../decoding/unpack.ts";

/** What grpc-js's own call has beside its interface. */
interface ReadingCall {
  decoder: { write(chunk: Buffer): Buffer[] };
  decompressMessage(frame: Buffer, encoding: string): Promise<Uint8Array> | Uint8Array;
}

export interface ReadingListener {
  /** A packed message takes so many bytes more now. */
  unpacked(byteCount: number): void;
  /** A message cannot be read: ends the call. */
  broken(error: unknown): void;
}

/** Bounds every message of the call before it is read. */
export function readWithin(
  call: ServerInterceptingCallInterface,
  { maxBytes }: RequestBounds,
  { unpacked, broken }: ReadingListener,
): void {
  const reading = call as unknown as ReadingCall;
  if (typeof reading.decoder?.write !== "function" || typeof reading.decompressMessage !== "function") {
    throw new Error("bug: this version of @grpc/grpc-js reads messages in another way");
  }
  const envelopes = new EnvelopeReader(maxBytes);
  reading.decoder = {
    write(chunk) {
      try {
        return envelopes.write(chunk).map(({ frame }) => frame);
      } catch (error) {
        broken(error);
        return [];
      }
    },
  };
  reading.decompressMessage = (frame, encoding) => {
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
  };
}
