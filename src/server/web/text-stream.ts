/**
 * A stream for whoever has no library: a JSON request by POST, answered with server-sent events or lines of JSON.
 *
 * To Connect such a call is one of its own streams in JSON, so that the token, places, bounds, deadlines and errors are
 * those of every other call. This only puts the request into an envelope, and takes the answer out of its envelopes.
 */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { createAsyncIterable, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeFromString,
  codeToHttpStatus,
  contentTypeStreamJson,
  contentTypeUnaryJson,
  contentTypeUnaryRegExp,
  endStreamFlag,
} from "@connectrpc/connect/protocol-connect";
import type { WebRequest } from "../calls/http-exchange.ts";
import { type Envelope, EnvelopeReader, enveloped } from "../decoding/envelopes.ts";
import { maxResponseBytes } from "../limits.ts";
import { acceptedTextForm } from "./accept.ts";
import { type TextLines, textLines } from "./text-stream-lines.ts";
import { type Label, sequenceOf, type TextStreamRules, textStreamRules } from "./text-stream-methods.ts";

/** The stream that a request asks for; `undefined` when it asks for something else. */
export function textStreamOf(request: WebRequest, method: DescMethod): TextStream | undefined {
  const rules = textStreamRules.get(method);
  if (rules === undefined || request.method !== "POST" || !isJson(request)) return undefined;
  const form = acceptedTextForm(request.headers.accept ?? "");
  return form && new TextStream(request, rules, textLines[form]);
}

/** A request that is being read. */
interface ReadRequest {
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

interface ErrorJson {
  readonly code: string;
}

/** How Connect ends a stream in JSON. */
interface EndOfStream {
  readonly error?: ErrorJson;
  readonly metadata?: Readonly<Record<string, readonly string[]>>;
}

export class TextStream {
  readonly #request: WebRequest;
  readonly #rules: TextStreamRules;
  readonly #lines: TextLines;
  /** Of the responses that Connect has been given and has not written yet. */
  readonly #labels: Label[] = [];

  constructor(request: WebRequest, rules: TextStreamRules, lines: TextLines) {
    this.#request = request;
    this.#rules = rules;
    this.#lines = lines;
  }

  /** The request as Connect is to see it; its body yields the message as one chunk. */
  asConnects({ header, body }: ReadRequest): ReadRequest {
    const changed = new Headers(header);
    changed.set("content-type", contentTypeStreamJson);
    // Nothing is packed: what a proxy or a browser cannot look into cannot be passed on event by event.
    changed.delete("connect-accept-encoding");
    // How the request is packed is for Connect to know, or to refuse; it is not for it to unpack.
    const encoding = header.get("content-encoding");
    changed.delete("connect-content-encoding");
    if (encoding !== null) changed.set("connect-content-encoding", encoding);
    return { header: changed, body: inEnvelopes(body) };
  }

  /** Looks at a request before its handler gets it: a reader that comes back says how far it had come. */
  opens(request: unknown): void {
    const lastEventId = this.#request.headers["last-event-id"];
    if (typeof lastEventId === "string" && lastEventId !== "") {
      this.#rules.goOnAfter(request, sequenceOf(lastEventId));
    }
  }

  /** Looks at a response before Connect gets it. */
  passes(response: unknown): void {
    this.#labels.push(this.#rules.labelOf(response));
  }

  /** Connect's answer as text. A failure before the first message is an answer of its own, with its HTTP status. */
  async answer(answer: UniversalServerResponse): Promise<UniversalServerResponse> {
    if (answer.body === undefined) throw new Error("bug: Connect answers a stream without a body");
    const envelopes = readEnvelopes(answer.body);
    const first = await envelopes.next();
    const header = withoutConnects(answer.header);
    header.set("cache-control", "no-store");
    header.set("x-content-type-options", "nosniff");
    const end = first.done ? undefined : endOf(first.value);
    if (end?.error !== undefined) return refusal(end.error, end, header);
    header.set("content-type", this.#lines.contentType);
    const trailer = takesTrailers(this.#request) ? new Headers() : undefined;
    return { ...answer, header, body: this.#body(first, envelopes, trailer), ...(trailer && { trailer }) };
  }

  /** An iterator and no generator: one that has not begun would end without ending the call. */
  #body(
    first: IteratorResult<Envelope, undefined>,
    rest: AsyncGenerator<Envelope, undefined>,
    trailer: Headers | undefined,
  ): AsyncIterable<Uint8Array> {
    let ahead: IteratorResult<Envelope, undefined> | undefined = first;
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const envelope = ahead ?? (await rest.next());
      ahead = undefined;
      if (envelope.done) return envelope;
      const end = endOf(envelope.value);
      if (end === undefined) return { done: false, value: this.#message(envelope.value) };
      if (trailer !== undefined) addMetadata(trailer, end);
      return end.error === undefined ? next() : { done: false, value: this.#lines.failure(end.error) };
    };
    return {
      [Symbol.asyncIterator]: () => ({
        next,
        return: () => rest.return(undefined) as Promise<{ done: true; value: undefined }>,
      }),
    };
  }

  #message({ data }: Envelope): Buffer {
    const label = this.#labels.shift();
    if (label === undefined) throw new Error("bug: Connect wrote a message that it was not given");
    return this.#lines.message(label, data);
  }
}

function isJson({ headers }: WebRequest): boolean {
  const type = headers["content-type"] ?? "";
  return contentTypeUnaryRegExp.test(type) && !/proto$/i.test(type);
}

/** Whether the client says that it reads what comes behind a body. */
function takesTrailers({ headers }: WebRequest): boolean {
  return /(^|,)\s*trailers\s*(,|;|$)/i.test(String(headers.te));
}

async function* inEnvelopes(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const message of body) yield enveloped(0, message);
}

async function* readEnvelopes(body: AsyncIterable<Uint8Array>): AsyncGenerator<Envelope, undefined> {
  const reader = new EnvelopeReader(maxResponseBytes);
  for await (const chunk of body) yield* reader.write(chunk);
}

function endOf({ flags, data }: Envelope): EndOfStream | undefined {
  return (flags & endStreamFlag) === 0 ? undefined : (JSON.parse(data.toString()) as EndOfStream);
}

/** A failure as a call that is not streamed gets it. */
function refusal(error: ErrorJson, end: EndOfStream, header: Headers): UniversalServerResponse {
  addMetadata(header, end);
  header.set("content-type", contentTypeUnaryJson);
  const status = codeToHttpStatus(codeFromString(error.code) ?? Code.Internal);
  return { status, header, body: createAsyncIterable([Buffer.from(JSON.stringify(error))]) };
}

function addMetadata(to: Headers, { metadata = {} }: EndOfStream): void {
  for (const [name, values] of Object.entries(metadata)) for (const value of values) to.append(name, value);
}

/** The headers that handlers have set. */
function withoutConnects(header: Headers | undefined): Headers {
  const kept = new Headers(header ?? []);
  for (const name of [...kept.keys()]) if (name.startsWith("connect-")) kept.delete(name);
  return kept;
}
