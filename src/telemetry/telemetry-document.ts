/**
 * The metrics and the spans as tables of documentation, made from what the code measures by.
 */
import { createNoopMeter, type Meter, type MetricOptions, metrics } from "@opentelemetry/api";
import { aboutAttributes } from "./attributes.ts";
import { type Instruments, instruments, metricAttributes, resetInstruments, spanNames } from "./instruments.ts";
import { prometheusName } from "./prometheus.ts";
import { type AboutSpan, aboutSpans, retryAttributes } from "./spans.ts";

export interface AboutMetric {
  readonly name: string;
  /** In Prometheus. A histogram has `_bucket`, `_sum` and `_count` behind it. */
  readonly prometheus: string;
  readonly kind: "histogram" | "counter" | "gauge";
  readonly unit: string;
  readonly description: string;
  readonly attributes: readonly string[];
}

const kinds: Readonly<Record<string, AboutMetric["kind"]>> = {
  createHistogram: "histogram",
  createCounter: "counter",
  createObservableGauge: "gauge",
};

/** Every metric. Not while telemetry runs: the instruments are made anew. */
export function aboutMetrics(): readonly AboutMetric[] {
  const made = new Map<unknown, Omit<AboutMetric, "attributes">>();
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: () => writingDown(made) });
  resetInstruments();
  try {
    return (Object.entries(instruments()) as [keyof Instruments, unknown][]).map(([key, instrument]) => {
      const about = made.get(instrument);
      if (about === undefined) throw new Error(`bug: the instrument ${key} was not made by the meter`);
      return { ...about, attributes: metricAttributes[key] };
    });
  } finally {
    metrics.disable();
    resetInstruments();
  }
}

/** The values that an attribute can have, where they are a closed list, by the attribute's name. */
export type LabelValues = Readonly<Record<string, readonly string[]>>;

/** Markdown: every metric, then every label with its values. */
export function metricsReference(values: LabelValues): string {
  const found = aboutMetrics();
  const rows = found.map(({ name, prometheus, kind, unit, attributes, description }) => [
    `\`${name}\`<br>\`${prometheus}\``,
    unit === "" ? kind : `${kind}, ${unit}`,
    attributes.map(code).join("<br>"),
    description,
  ]);
  const used = new Set(found.flatMap(({ attributes }) => attributes));
  return [
    ...table(["metric, and its name in Prometheus", "kind, unit", "by", "meaning"], rows),
    "",
    ...attributeTable("by", (name) => used.has(name), values),
    "",
  ].join("\n");
}

/** Markdown: every span, then every attribute. */
export function spansReference(values: LabelValues): string {
  const spans = Object.entries(aboutSpans) as [keyof typeof aboutSpans, AboutSpan][];
  const nameOf = (key: keyof typeof aboutSpans) => (key === "call" ? "the method" : code(spanNames[key]));
  const rows = spans.map(([key, { parent, meaning }]) => [
    nameOf(key),
    parent === undefined ? "the caller's span" : parent === "call" ? "the call" : nameOf(parent),
    meaning,
  ]);
  const whereOf = (name: string) => {
    const on = spans.filter(([, { attributes }]) => attributes.includes(name)).map(([key]) => key);
    const inEvents = retryAttributes.includes(name) ? ["the retry event"] : [];
    return [...on.map((key) => (key === "call" ? "the call" : nameOf(key))), ...inEvents];
  };
  return [
    ...table(["span", "below", "what it is"], rows),
    "",
    ...attributeTable("attribute", (name) => whereOf(name).length > 0, values, whereOf),
    "",
  ].join("\n");
}

function attributeTable(
  title: string,
  isWanted: (name: string) => boolean,
  values: LabelValues,
  whereOf?: (name: string) => readonly string[],
): string[] {
  const rows = Object.entries(aboutAttributes)
    .filter(([name]) => isWanted(name))
    .map(([name, { type, unit, meaning }]) => [
      code(name),
      ...(whereOf === undefined ? [] : [unit === undefined ? type : `${type}, ${unit}`, whereOf(name).join(", ")]),
      [meaning, ...(values[name] === undefined ? [] : [`Values: ${values[name].map(code).join(", ")}.`])].join(" "),
    ]);
  return table(whereOf === undefined ? [title, "meaning"] : [title, "type", "on", "meaning"], rows);
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(titles), `|${"---|".repeat(titles.length)}`, ...rows.map(line)];
}

function code(name: string): string {
  return `\`${name}\``;
}

/** A meter that measures nothing and notes what it is asked to make. */
function writingDown(made: Map<unknown, Omit<AboutMetric, "attributes">>): Meter {
  return new Proxy(createNoopMeter(), {
    get(meter, method) {
      const make: unknown = Reflect.get(meter, method);
      const kind = kinds[String(method)];
      if (kind === undefined || typeof make !== "function") return make;
      return (name: string, { unit = "", description = "" }: MetricOptions = {}) => {
        const instrument = {};
        made.set(instrument, {
          name,
          prometheus: prometheusName(name, unit, kind === "counter"),
          kind,
          unit,
          description,
        });
        return instrument;
      };
    },
  });
}
