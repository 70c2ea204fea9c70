/**
 * A real Jaeger with the configuration that users are given, and its traces as tests look at them, by its query API.
 */
import { join } from "node:path";
import { freePort, startProgram } from "./program.ts";
import { until } from "./until.ts";

/** A value with the type under which it was sent. */
export interface AttributeSeen {
  readonly type: "text" | "integer" | "number" | "true or false" | "list of texts";
  readonly value: string | number | boolean | readonly string[];
}

export type AttributesSeen = Readonly<Record<string, AttributeSeen>>;

export interface SpanSeen {
  readonly spanId: string;
  /** Empty for the root of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "other";
  /** The name of the service that sent it. */
  readonly service: string;
  /** Who measured it: `claude-runner`, or `claude-code` of Claude Code's own. */
  readonly scope: string;
  /** Nanoseconds since 1970. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: AttributesSeen;
  readonly events: readonly { readonly name: string; readonly attributes: AttributesSeen }[];
  readonly isError: boolean;
  /** What Jaeger finds odd about it. */
  readonly warnings: readonly string[];
}

export interface Jaeger extends AsyncDisposable {
  /** For OTLP over HTTP. */
  readonly otlpUrl: string;
  /** The page and the query API. */
  readonly url: string;
  /**
   * The spans of a trace, in the order in which they began; an outer one before what is in it. Waits until there are any,
   * and no more come: Jaeger shows what it has while it still takes in what it was sent.
   */
  trace(traceId: string): Promise<readonly SpanSeen[]>;
  /** The ids of a service's traces. */
  traceIdsOf(service: string): Promise<readonly string[]>;
}

/** So many further looks have to show the same. */
const looksAtRest = 5;

const config = join(import.meta.dirname, "../../deploy/jaeger/jaeger.yaml");

export async function openJaeger(program: string): Promise<Jaeger> {
  const [otlpPort, queryPort, queryGrpcPort, healthPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const running = await startProgram({
    command: program,
    args: ["--config", `file:${config}`],
    env: {
      JAEGER_OTLP_HTTP_PORT: `${otlpPort}`,
      JAEGER_QUERY_PORT: `${queryPort}`,
      JAEGER_QUERY_GRPC_PORT: `${queryGrpcPort}`,
      JAEGER_HEALTH_PORT: `${healthPort}`,
    },
    readyUrl: `http://127.0.0.1:${healthPort}/status`,
  });
  const url = `http://127.0.0.1:${queryPort}`;
  return {
    otlpUrl: `http://127.0.0.1:${otlpPort}`,
    url,
    trace: (traceId) => {
      let [seenCount, sameCount] = [0, 0];
      return until(`Jaeger has the trace ${traceId}`, async () => {
        const response = await fetch(`${url}/api/v3/traces/${traceId}`);
        if (!response.ok) return undefined;
        const spans = spansOf((await response.json()) as TraceAnswer);
        sameCount = spans.length === seenCount ? sameCount + 1 : 0;
        seenCount = spans.length;
        return sameCount === looksAtRest ? spans : undefined;
      });
    },
    traceIdsOf: async (service) => {
      const response = await fetch(`${url}/api/traces?service=${encodeURIComponent(service)}&limit=1000`);
      const { data } = (await response.json()) as { readonly data: readonly { readonly traceID: string }[] };
      return data.map(({ traceID }) => traceID);
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** OTLP in JSON, as far as it is looked at. */
interface TraceAnswer {
  readonly result: {
    readonly resourceSpans: readonly {
      readonly resource: { readonly attributes?: readonly KeyValue[] };
      readonly scopeSpans: readonly {
        readonly scope?: { readonly name?: string };
        readonly spans: readonly OtlpSpan[];
      }[];
    }[];
  };
}

interface OtlpSpan {
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly KeyValue[];
  readonly events?: readonly { readonly name: string; readonly attributes?: readonly KeyValue[] }[];
  readonly status?: { readonly code?: number };
}

interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
    readonly arrayValue?: { readonly values: readonly { readonly stringValue: string }[] };
  };
}

const kinds: Readonly<Record<number, SpanSeen["kind"]>> = { 1: "internal", 2: "server", 3: "client" };

/** Where Jaeger puts its remarks about a span. */
const warningsKey = "@jaeger@warnings";

function spansOf({ result }: TraceAnswer): readonly SpanSeen[] {
  const spans = result.resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => {
        const { [warningsKey]: warnings, ...attributes } = attributesOf(span.attributes);
        return {
          spanId: span.spanId,
          parentSpanId: span.parentSpanId ?? "",
          name: span.name,
          kind: kinds[span.kind] ?? "other",
          service: String(attributesOf(resource.attributes)["service.name"]?.value ?? ""),
          scope: scope.scope?.name ?? "",
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
          attributes,
          events: (span.events ?? []).map(({ name, attributes }) => ({ name, attributes: attributesOf(attributes) })),
          isError: span.status?.code === 2,
          warnings: (warnings?.value ?? []) as readonly string[],
        };
      }),
    ),
  );
  return spans.toSorted((a, b) => Number(a.startNs - b.startNs || b.endNs - a.endNs));
}

function attributesOf(pairs: readonly KeyValue[] = []): AttributesSeen {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, attributeOf(value)]));
}

function attributeOf(value: KeyValue["value"]): AttributeSeen {
  if (value.intValue !== undefined) return { type: "integer", value: Number(value.intValue) };
  if (value.doubleValue !== undefined) return { type: "number", value: value.doubleValue };
  if (value.boolValue !== undefined) return { type: "true or false", value: value.boolValue };
  if (value.arrayValue !== undefined) {
    return { type: "list of texts", value: value.arrayValue.values.map(({ stringValue }) => stringValue) };
  }
  return { type: "text", value: value.stringValue ?? "" };
}
