/**
 * The metrics as a table of documentation, made from the instruments themselves.
 */
import { createNoopMeter, type Meter, type MetricOptions, metrics } from "@opentelemetry/api";
import { instruments, resetInstruments } from "./instruments.ts";

interface Documented {
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  readonly description: string;
}

const kinds: Readonly<Record<string, string>> = {
  createHistogram: "histogram",
  createCounter: "counter",
  createUpDownCounter: "up-down counter",
  createGauge: "gauge",
  createObservableGauge: "gauge",
  createObservableCounter: "counter",
};

/** Markdown. Not while telemetry runs: the instruments are made anew. */
export function metricsReference(): string {
  const found: Documented[] = [];
  metrics.disable();
  metrics.setGlobalMeterProvider({ getMeter: () => writingDown(found) });
  resetInstruments();
  try {
    instruments();
  } finally {
    metrics.disable();
    resetInstruments();
  }
  const rows = found.map(({ name, kind, unit, description }) => `| \`${name}\` | ${kind} | ${unit} | ${description} |`);
  return ["| metric | kind | unit | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

/** A meter that measures nothing and notes what it is asked to make. */
function writingDown(found: Documented[]): Meter {
  return new Proxy(createNoopMeter(), {
    get(meter, method) {
      const make: unknown = Reflect.get(meter, method);
      const kind = kinds[String(method)];
      if (kind === undefined || typeof make !== "function") return make;
      return (name: string, options: MetricOptions = {}) => {
        found.push({ name, kind, unit: options.unit ?? "", description: options.description ?? "" });
        return make.call(meter, name, options);
      };
    },
  });
}
