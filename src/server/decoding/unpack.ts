/**
 * Unpacks a message that was sent packed, off the event loop, and stops as soon as it is more than it may be.
 */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { RunnerError } from "../../runner-error.ts";
import { maxUnpackedBytes } from "./bounds.ts";
import { requestTooLarge } from "./envelopes.ts";

const unpackers: Readonly<
  Record<string, ((bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>) | undefined>
> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
};

/** The bytes of a packed message. Throws REQUEST_TOO_LARGE or INVALID_REQUEST. */
export async function unpack(packed: Uint8Array, encoding: string, maxBytes: number): Promise<Uint8Array> {
  const unpacker = unpackers[encoding];
  if (unpacker === undefined) {
    throw new RunnerError("INVALID_REQUEST", "a message is marked as compressed, but the call names no compression");
  }
  if (packed.length === 0) return packed;
  const ratioBytes = maxUnpackedBytes(packed.length);
  try {
    return await unpacker(packed, { maxOutputLength: Math.min(maxBytes, ratioBytes) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_BUFFER_TOO_LARGE") {
      throw new RunnerError("INVALID_REQUEST", `a message cannot be decompressed: it is not ${encoding} data`, {
        cause: error,
      });
    }
    if (maxBytes <= ratioBytes) throw requestTooLarge(maxBytes);
    const message = `the request decompresses to more than ${ratioBytes} bytes: 1 MiB plus 100 times its ${packed.length} bytes`;
    throw new RunnerError("REQUEST_TOO_LARGE", message, {
      facts: { limitBytes: ratioBytes, packedBytes: packed.length },
    });
  }
}
