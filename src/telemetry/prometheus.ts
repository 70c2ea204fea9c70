/**
 * The metrics as Prometheus reads them, under the names that its conventions ask for.
 *
 * The exporter's own serializer leaves the unit out of the name; OpenTelemetry's collector and every dashboard put it
 * in: `runner.stage.duration`, in seconds, is `runner_stage_duration_seconds`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { globalErrorHandler } from "@opentelemetry/core";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MetricReader, type ResourceMetrics } from "@opentelemetry/sdk-metrics";

/** What stands for a unit in a name. Units in braces say what is counted, and a number of them needs no unit. */
const unitNames: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" };

/** The name in Prometheus of a metric, without the `_bucket`, `_sum` and `_count` of a histogram. */
export function prometheusName(name: string, unit: string, isCounter: boolean): string {
  const plain = withUnit(name, unit).replaceAll(/[^a-zA-Z0-9]+/g, "_");
  return isCounter ? `${plain}_total` : plain;
}

function withUnit(name: string, unit: string): string {
  const inName = unitNames[unit];
  return inName === undefined ? name : `${name}_${inName}`;
}

/** Collects when it is asked, and answers the request for it. */
export class PrometheusReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer();

  readonly answer = (_request: IncomingMessage, response: ServerResponse): void => {
    this.collect().then(
      ({ resourceMetrics, errors }) => {
        for (const error of errors) globalErrorHandler(error as Error);
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
        response.end(this.#serializer.serialize(renamed(resourceMetrics)));
      },
      (error: Error) => {
        globalErrorHandler(error);
        response
          .writeHead(500, { "content-type": "text/plain; charset=utf-8" })
          .end("metrics could not be collected\n");
      },
    );
  };

  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

function renamed(found: ResourceMetrics): ResourceMetrics {
  return {
    ...found,
    scopeMetrics: found.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map((metric) => {
        const { name, unit } = metric.descriptor;
        // The unit is in the name now; this text format has no other place for it.
        return { ...metric, descriptor: { ...metric.descriptor, name: withUnit(name, unit), unit: "" } };
      }),
    })),
  };
}
