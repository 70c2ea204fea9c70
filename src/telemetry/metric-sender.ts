/**
 * Sends metrics to a collector, and takes a no for an answer.
 *
 * A backend for traces alone, such as Jaeger, says 404 to metrics. That is no failure, and not worth a line of the log
 * each time: it is told once, and asked again seldom, in case it has learned to take them.
 */
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { Clock } from "../clock.ts";

/** How long nothing is sent after a no, in milliseconds. */
const pauseMs = 10 * 60_000;

export interface MetricSenderOptions {
  readonly url: string;
  /** How long one request may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called once, at the first no. */
  readonly refused: () => void;
}

export class MetricSender extends OTLPMetricExporter {
  readonly #options: MetricSenderOptions;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #wasRefused = false;

  constructor(options: MetricSenderOptions) {
    super({ url: options.url, timeoutMillis: options.timeoutMs });
    this.#options = options;
  }

  override export(metrics: ResourceMetrics, done: (result: ExportResult) => void): void {
    const { clock, refused } = this.#options;
    if (clock.now() < this.#pausedUntilMs) {
      done({ code: ExportResultCode.SUCCESS });
      return;
    }
    super.export(metrics, (result) => {
      const isRefused = isNo(result);
      if (isRefused) {
        this.#pausedUntilMs = clock.now() + pauseMs;
        if (!this.#wasRefused) refused();
        this.#wasRefused = true;
      }
      done(isRefused ? { code: ExportResultCode.SUCCESS } : result);
    });
  }
}

function isNo({ error }: ExportResult): boolean {
  return error !== undefined && "code" in error && error.code === 404;
}
