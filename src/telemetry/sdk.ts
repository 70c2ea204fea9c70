/**
 * Starts and stops OpenTelemetry: traces and metrics to an OTLP collector, and metrics for Prometheus.
 *
 * What is measured is in `instruments.ts`. Nothing about the machine is published: no host name, no arguments, no
 * process id. A collector that does not answer costs lines in the log, never a turn and never more than two seconds at
 * the end.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { context, metrics, propagation, trace } from "@opentelemetry/api";
import { setGlobalErrorHandler, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type TracerProviderOptions,
} from "@opentelemetry/sdk-trace";
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import { type Clock, systemClock, within } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import { AsyncContextManager } from "./context.ts";
import { resetInstruments } from "./instruments.ts";
import type { Log } from "./log.ts";
import { MetricSender } from "./metric-sender.ts";
import { PrometheusReader } from "./prometheus.ts";

export interface TelemetryOptions {
  readonly settings: Settings["telemetry"];
  /** The version of claude-runner. */
  readonly version: string;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface Telemetry {
  /** Answers a request for /metrics. Absent when `telemetry.prometheus` is off. */
  readonly metricsHandler: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Sends what is left, for two seconds at most. Does not reject; twice is fine. */
  stop(): Promise<void>;
}

/** How long sending the rest may take, in milliseconds. */
const stopTimeoutMs = 2_000;
/** How long one request to the collector may take, in milliseconds. */
const exportTimeoutMs = 5_000;
/** A collector that is gone is mentioned once in this time, in milliseconds. */
const complaintIntervalMs = 60_000;

export function startTelemetry(options: TelemetryOptions): Telemetry {
  const { settings, log } = options;
  const clock = options.clock ?? systemClock;
  setGlobalErrorHandler(
    seldom(clock, (error, suppressedCount) => log.warn({ err: error, suppressedCount }, "telemetry could not be sent")),
  );
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: settings.serviceName,
    [ATTR_SERVICE_VERSION]: options.version,
    [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
  });

  const tracerProvider = new TracerProvider({ resource, ...tracing(settings) });

  const readers: IMetricReader[] = [];
  if (settings.otlpEndpoint !== undefined) {
    readers.push(
      new PeriodicExportingMetricReader({
        exporter: new MetricSender({
          url: signalUrl(settings.otlpEndpoint, "metrics"),
          timeoutMs: exportTimeoutMs,
          clock,
          refused: () => log.info({}, "the collector does not accept metrics (404): only traces are sent"),
        }),
        exportIntervalMillis: settings.metricsIntervalMs,
        exportTimeoutMillis: Math.min(exportTimeoutMs, settings.metricsIntervalMs),
      }),
    );
  }
  const prometheus = settings.prometheus ? new PrometheusReader() : undefined;
  if (prometheus !== undefined) readers.push(prometheus);
  const meterProvider = new MeterProvider({ resource, readers });

  const contexts = new AsyncContextManager();
  context.setGlobalContextManager(contexts);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(tracerProvider);
  metrics.setGlobalMeterProvider(meterProvider);
  resetInstruments();

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const rest = Promise.allSettled([tracerProvider.shutdown(), meterProvider.shutdown()]);
    await within(clock, stopTimeoutMs, rest, () => new Error("late")).catch(() => {}); // what is not sent by now is lost
    trace.disable();
    metrics.disable();
    propagation.disable();
    context.disable();
    contexts.disable();
    resetInstruments();
  };
  return {
    metricsHandler: prometheus?.answer,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function tracing(settings: Settings["telemetry"]): Pick<TracerProviderOptions, "sampler" | "spanProcessors"> {
  // Nothing is recorded for nobody, but there are ids: they join log lines with the caller's trace.
  if (settings.otlpEndpoint === undefined) return { sampler: new AlwaysOffSampler() };
  const exporter = new OTLPTraceExporter({
    url: signalUrl(settings.otlpEndpoint, "traces"),
    timeoutMillis: exportTimeoutMs,
  });
  return {
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.traceSampleRatio) }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        exportTimeoutMillis: exportTimeoutMs,
        scheduledDelayMillis: settings.tracesIntervalMs,
      }),
    ],
  };
}

/** The endpoint is a collector's base address, as `OTEL_EXPORTER_OTLP_ENDPOINT` is; a path in front is kept. */
function signalUrl(endpoint: string, signal: "traces" | "metrics"): string {
  return `${endpoint.replace(/\/+$/, "")}/v1/${signal}`;
}

/** Passes on one error per interval, with the number of those in between. */
function seldom(clock: Clock, tell: (error: unknown, suppressedCount: number) => void): (error: unknown) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  let suppressedCount = 0;
  return (error) => {
    if (clock.now() - toldAtMs < complaintIntervalMs) {
      suppressedCount += 1;
      return;
    }
    tell(error, suppressedCount);
    toldAtMs = clock.now();
    suppressedCount = 0;
  };
}
