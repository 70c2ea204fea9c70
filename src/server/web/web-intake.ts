/**
 * The requests of a call on the web port, decoded by us; what Connect is given is an empty message in the place of each.
 *
 * Connect decodes on the event loop, whole, without a bound but the size. So it never sees a request's bytes: this reads
 * the body within the method's bounds, takes messages out of their frames, unpacks and decodes them, and yields an empty
 * message in the same framing for each. Connect counts, checks and routes those; the handler gets what `take` gives.
 */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { isRunnerError, RunnerError } from "../../runner-error.ts";
import { streamsRequests } from "../calls/core.ts";
import type { RequestReading } from "../calls/request-bytes.ts";
import type { RequestBounds } from "../decoding/bounds.ts";
import { EnvelopeReader, enveloped, GrowingBuffer, packedFlag, requestTooLarge } from "../decoding/envelopes.ts";
import type { RequestDecoder } from "../decoding/request-decoder.ts";
import { unpack } from "../decoding/unpack.ts";

export interface WebIntakeOptions {
  readonly method: DescMethod;
  readonly header: Headers;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly decoder: RequestDecoder;
  readonly signal: AbortSignal;
  readonly reading: RequestReading;
  /** What Connect is to say when a request cannot be read. */
  readonly statusOf: (error: unknown) => ConnectError;
}

/** How the bodies of a content type are framed. */
interface Framing {
  readonly isJson: boolean;
  /** The header that names how messages are packed. */
  readonly encodingHeader: string;
  /** For messages in envelopes: the flag of the last one, which is no message; 0 where there is none. */
  readonly endFlag: number | undefined;
}

export class WebIntake {
  /** What Connect reads. */
  readonly body: AsyncIterable<Uint8Array>;
  readonly #options: WebIntakeOptions;
  readonly #bounds: RequestBounds;
  readonly #framing: Framing;
  readonly #decoded: Message[] = [];
  #wasTooLarge = false;

  constructor(options: WebIntakeOptions) {
    this.#options = options;
    this.#bounds = options.decoder.boundsOf(options.method);
    this.#framing = framingOf(options.header.get("content-type") ?? "");
    this.body = this.#body();
  }

  /** Whether a request was refused for its size. */
  get wasTooLarge(): boolean {
    return this.#wasTooLarge;
  }

  /** The next request that Connect has passed on. */
  take(): Message {
    const message = this.#decoded.shift();
    if (message === undefined) throw new Error("bug: Connect passed on a request that was not read");
    return message;
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    const { endFlag } = this.#framing;
    const { method, reading } = this.#options;
    try {
      yield* endFlag === undefined ? this.#one() : this.#enveloped(endFlag);
    } catch (error) {
      this.#wasTooLarge = isRunnerError(error, "REQUEST_TOO_LARGE");
      throw this.#options.statusOf(error);
    } finally {
      if (!streamsRequests(method)) reading.done();
    }
  }

  /** The whole body is the message. */
  async *#one(): AsyncGenerator<Uint8Array> {
    const { header, chunks } = this.#options;
    const { maxBytes } = this.#bounds;
    if (Number(header.get("content-length")) > maxBytes) throw requestTooLarge(maxBytes);
    const body = new GrowingBuffer(maxBytes);
    for await (const chunk of chunks) {
      if (chunk.length > body.missingBytes) throw requestTooLarge(maxBytes);
      body.append(chunk);
    }
    await this.#decode(body.taken(), this.#encoding !== "identity");
    yield this.#placeholder;
  }

  async *#enveloped(endFlag: number): AsyncGenerator<Uint8Array> {
    const envelopes = new EnvelopeReader(this.#bounds.maxBytes);
    for await (const chunk of this.#options.chunks) {
      for (const { flags, data } of envelopes.write(chunk)) {
        if ((flags & endFlag) === 0) await this.#decode(data, (flags & packedFlag) !== 0);
        yield enveloped(flags & ~packedFlag, (flags & endFlag) === 0 ? this.#placeholder : new Uint8Array());
      }
    }
    if (envelopes.isPartial) throw new RunnerError("INVALID_REQUEST", "protocol error: incomplete envelope");
  }

  async #decode(sent: Uint8Array, isPacked: boolean): Promise<void> {
    const { method, decoder, signal, reading } = this.#options;
    let bytes = sent;
    if (isPacked) {
      bytes = await unpack(sent, this.#encoding, this.#bounds.maxBytes);
      reading.add(bytes.length);
      signal.throwIfAborted();
    }
    this.#decoded.push(
      this.#framing.isJson
        ? await decoder.json(method, bytes, this.#bounds, signal)
        : decoder.binary(method, bytes, this.#bounds),
    );
    reading.consumed();
  }

  get #encoding(): string {
    return this.#options.header.get(this.#framing.encodingHeader) ?? "identity";
  }

  get #placeholder(): Uint8Array {
    return this.#framing.isJson ? emptyJson : new Uint8Array();
  }
}

const emptyJson = Buffer.from("{}");

/** Types that nobody here serves are Connect's to refuse, before it reads the body. */
function framingOf(contentType: string): Framing {
  const isJson = /[+/]json/i.test(contentType);
  const base = /^application\/(grpc-web|grpc|connect)/i.exec(contentType)?.[1]?.toLowerCase();
  switch (base) {
    case "connect":
      return { isJson, encodingHeader: "connect-content-encoding", endFlag: 2 };
    case "grpc-web":
      return { isJson, encodingHeader: "grpc-encoding", endFlag: 128 };
    case "grpc":
      return { isJson, encodingHeader: "grpc-encoding", endFlag: 0 };
    default:
      return { isJson, encodingHeader: "content-encoding", endFlag: undefined };
  }
}
