/**
 * How large a request may be, by method: in bytes, and in what those bytes unfold to.
 *
 * Bytes alone bound little: two of them can be a field, and a field is an object of a hundred bytes once it is decoded.
 * So what is made of a request is bounded as well, before anything is made. Together these bounds hold the promise that
 * a request costs the server's own thread at most a fixed amount and a share for each byte that was sent.
 */
import type { DescMethod } from "@bufbuild/protobuf";

export interface RequestBounds {
  /** The largest message, in bytes, as sent and unpacked. */
  readonly maxBytes: number;
  /** The most fields, elements of lists and entries of maps, in all of the message together. */
  readonly maxFieldCount: number;
  /** The most text in all fields together, in bytes of UTF-8. Data such as pictures does not count. */
  readonly maxTextBytes: number;
  /** How deep messages may stand in messages. */
  readonly maxDepth: number;
}

/** For methods that ask a question: health, reflection, GetInfo, the pool. */
export const smallRequest: RequestBounds = {
  maxBytes: 8 * 1024,
  maxFieldCount: 1_000,
  maxTextBytes: 8 * 1024,
  maxDepth: 32,
};

/**
 * For methods whose requests carry content. The largest legal turn has about 2,000 fields, and 5.6 MiB of text: 4 of
 * history, 1 of prompt, system prompt, schema, labels and titles.
 */
export const contentRequest = (maxRequestBytes: number): RequestBounds => ({
  maxBytes: maxRequestBytes,
  maxFieldCount: 10_000,
  maxTextBytes: 6 * 1024 * 1024,
  maxDepth: 32,
});

/** What a packed (gzip, deflate) message may unpack to, whatever its method allows: a few bytes may not cost like many. */
export const maxUnpackedBytes = (packedBytes: number): number => 1024 * 1024 + 100 * packedBytes;

/** The bounds of every method of some services, by the method. */
export function boundsOf(
  services: readonly {
    readonly service: { readonly methods: readonly DescMethod[] };
    readonly contentMethods: readonly string[];
  }[],
  maxRequestBytes: number,
): ReadonlyMap<DescMethod, RequestBounds> {
  const content = contentRequest(maxRequestBytes);
  const small = { ...smallRequest, maxBytes: Math.min(smallRequest.maxBytes, maxRequestBytes) };
  return new Map(
    services.flatMap(({ service, contentMethods }) =>
      service.methods.map((method) => [method, contentMethods.includes(method.localName) ? content : small] as const),
    ),
  );
}
