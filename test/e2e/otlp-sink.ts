/**
 * A collector on loopback: takes OTLP over HTTP as protobuf, and decodes of it what tests look at.
 *
 * The decoder knows the fields of spans and of attributes by their numbers in the OTLP protocol, and skips the rest.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { until } from "../until.ts";

export type AttributeValue = string | boolean | number | readonly AttributeValue[];

export interface SinkEvent {
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface SinkSpan {
  /** Whose instrumentation made it. */
  readonly scope: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 2 is a server's. */
  readonly kind: number;
  /** Nanoseconds since 1970. */
  readonly startTime: bigint;
  readonly endTime: bigint;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SinkEvent[];
  /** 2 is an error. */
  readonly statusCode: number;
  readonly statusText: string;
}

export interface OtlpSink {
  readonly url: string;
  readonly spans: readonly SinkSpan[];
  /** Every body, for a look at all that leaves the server. */
  readonly bodies: readonly { readonly path: string; readonly bytes: Buffer }[];
  /** Waits until something holds of what was sent. */
  until(holds: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openOtlpSink(): Promise<OtlpSink> {
  const spans: SinkSpan[] = [];
  const bodies: { path: string; bytes: Buffer }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent;
    const path = request.url ?? "";
    bodies.push({ path, bytes });
    if (path.endsWith("/v1/traces")) spans.push(...readSpans(bytes));
    response.setHeader("content-type", "application/x-protobuf");
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    until: (holds) =>
      until(holds, { see: () => `${spans.length} spans in ${bodies.length} bodies`, giveUpAfterMs: 120_000 }),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

/** The fields of a message by number: what has a length as bytes, numbers as they are. */
function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (Buffer | bigint)[]>();
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const value = readValue(reader, type, number);
    if (value === undefined) continue;
    const known = fields.get(number);
    if (known === undefined) fields.set(number, [value]);
    else known.push(value);
  }
  return fields;
}

function readValue(reader: BinaryReader, type: WireType, number: number): Buffer | bigint | undefined {
  switch (type) {
    case WireType.LengthDelimited:
      return Buffer.from(reader.bytes());
    case WireType.Varint:
      return BigInt(reader.int64());
    case WireType.Bit64:
      return BigInt(reader.fixed64());
    default:
      reader.skip(type, number);
      return undefined;
  }
}

const all = (fields: Fields, number: number) => (fields.get(number) ?? []).filter((value) => Buffer.isBuffer(value));
const bytesAt = (fields: Fields, number: number) => all(fields, number).at(-1) ?? Buffer.alloc(0);
const numberAt = (fields: Fields, number: number) => {
  const value = fields.get(number)?.at(-1);
  return typeof value === "bigint" ? value : 0n;
};

function readSpans(request: Buffer): SinkSpan[] {
  return all(fieldsOf(request), 1)
    .flatMap((resource) => all(fieldsOf(resource), 2))
    .flatMap((scope) => all(fieldsOf(scope), 2).map((bytes) => ({ scope: scopeName(scope), bytes })))
    .map(({ scope, bytes }) => {
      const span = fieldsOf(bytes);
      const status = fieldsOf(bytesAt(span, 15));
      return {
        scope,
        traceId: bytesAt(span, 1).toString("hex"),
        spanId: bytesAt(span, 2).toString("hex"),
        parentSpanId: bytesAt(span, 4).toString("hex"),
        name: bytesAt(span, 5).toString(),
        kind: Number(numberAt(span, 6)),
        startTime: numberAt(span, 7),
        endTime: numberAt(span, 8),
        attributes: attributesOf(all(span, 9)),
        events: all(span, 11).map((event) => {
          const fields = fieldsOf(event);
          return { name: bytesAt(fields, 2).toString(), attributes: attributesOf(all(fields, 3)) };
        }),
        statusCode: Number(numberAt(status, 3)),
        statusText: bytesAt(status, 2).toString(),
      };
    });
}

function scopeName(scope: Buffer): string {
  return bytesAt(fieldsOf(bytesAt(fieldsOf(scope), 1)), 1).toString();
}

function attributesOf(pairs: readonly Buffer[]): Readonly<Record<string, AttributeValue>> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const fields = fieldsOf(pair);
      return [bytesAt(fields, 1).toString(), attributeValue(bytesAt(fields, 2))];
    }),
  );
}

function attributeValue(bytes: Buffer): AttributeValue {
  const fields = fieldsOf(bytes);
  if (fields.has(1)) return bytesAt(fields, 1).toString();
  if (fields.has(2)) return numberAt(fields, 2) === 1n;
  if (fields.has(3)) return Number(numberAt(fields, 3));
  if (fields.has(4)) return Buffer.from(new BigUint64Array([numberAt(fields, 4)]).buffer).readDoubleLE();
  return all(fieldsOf(bytesAt(fields, 5)), 1).map(attributeValue);
}
