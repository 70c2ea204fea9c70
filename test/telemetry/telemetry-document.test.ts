import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { aboutAttributes } from "../../src/telemetry/attributes.ts";
import { aboutSpans, retryAttributes } from "../../src/telemetry/spans.ts";
import { aboutMetrics, metricsReference, spansReference } from "../../src/telemetry/telemetry-document.ts";
import { labelValues } from "./label-values.ts";

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");

describe("what is measured", () => {
  it("is described: each metric, and each attribute of metrics and spans", () => {
    expect(aboutMetrics().filter(({ description }) => description === "")).toEqual([]);
    const used = [
      ...aboutMetrics().flatMap(({ attributes }) => attributes),
      ...Object.values(aboutSpans).flatMap(({ attributes }) => attributes),
      ...retryAttributes,
    ];
    expect([...new Set(used)].filter((name) => aboutAttributes[name] === undefined)).toEqual([]);
  });

  it("has a metric for each name once", () => {
    const names = aboutMetrics().map(({ prometheus }) => prometheus);
    expect(new Set(names).size).toBe(names.length);
  });

  it("is in the documentation as it is (else: npm run docs)", () => {
    expect(page("metrics.md")).toContain(metricsReference(labelValues));
    expect(page("tracing.md")).toContain(spansReference(labelValues));
  });
});
