/**
 * What Prometheus would read of this process, without a server: the instruments, measured by the real SDK.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { metrics } from "@opentelemetry/api";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { resetInstruments } from "../../src/telemetry/instruments.ts";
import { PrometheusReader } from "../../src/telemetry/prometheus.ts";

/** One series of a scrape. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  text(): Promise<string>;
  /** The series of a name; constant labels are left out. */
  series(name: string): Promise<readonly Series[]>;
  close(): Promise<void>;
}

/** Begins to measure anew. Until `close`, what anybody measures in this process is seen. */
export function openScrape(): Scrape {
  const reader = new PrometheusReader();
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  resetInstruments();
  const text = () =>
    new Promise<string>((resolve) => {
      const response = { writeHead: () => response, end: (body: string) => resolve(body) };
      reader.answer({} as IncomingMessage, response as unknown as ServerResponse);
    });
  return {
    text,
    series: async (name) => readSeries(await text()).filter((series) => series.name === name),
    async close() {
      await provider.shutdown();
      metrics.disable();
      resetInstruments();
    },
  };
}

/** The series of a text in Prometheus' format. Label values without quotes in them, which is all that is measured here. */
export function readSeries(text: string): readonly Series[] {
  return text.split("\n").flatMap((line) => {
    const parts = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (parts === null) return [];
    const [, name = "", labelText = "", value = ""] = parts;
    const labels = Object.fromEntries(
      [...labelText.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", of = ""]) => [label, of]),
    );
    delete labels.otel_scope_name;
    return [{ name, labels, value: Number(value) }];
  });
}
