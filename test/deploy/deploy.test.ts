/**
 * What deploy/ has for Prometheus and Grafana against what the server measures. That the expressions work on a real
 * Prometheus is seen by `npm run observability`.
 */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { aboutMetrics } from "../../src/telemetry/telemetry-document.ts";
import { labelValues } from "../telemetry/label-values.ts";
import {
  asSent,
  dashboard,
  dashboardExpressions,
  type Expression,
  readDeploy,
  ruleExpressions,
  rules,
} from "./expressions.ts";
import { namesIn } from "./promql.ts";

const about = aboutMetrics();
/** The variable with which a person chooses one. */
const chosenDatasource = ["$", "{datasource}"].join("");
/** Labels that Prometheus adds. */
const ofTheScrape = ["job", "instance"];

/** Every series that a scrape can give, by name, with its labels. */
const labelsOf = new Map<string, readonly string[]>([["up", []]]);
for (const { prometheus, kind, attributes } of about) {
  const labels = attributes.map((name) => name.replaceAll(".", "_"));
  if (kind !== "histogram") labelsOf.set(prometheus, labels);
  else {
    for (const suffix of ["_sum", "_count"]) labelsOf.set(`${prometheus}${suffix}`, labels);
    labelsOf.set(`${prometheus}_bucket`, [...labels, "le"]);
  }
}

/** What an expression names that the server does not have. */
function unknownNames({ where, expression }: Expression): string[] {
  const { metrics, groupedBy } = namesIn(expression);
  const problems: string[] = [];
  const known = new Set(ofTheScrape);
  for (const [metric, labels] of metrics) {
    const ofMetric = labelsOf.get(metric);
    if (ofMetric === undefined) problems.push(`${where}: there is no ${metric}`);
    for (const label of ofMetric ?? []) known.add(label);
    for (const label of labels) {
      if (![...ofTheScrape, ...(ofMetric ?? [])].includes(label)) problems.push(`${where}: ${metric} has no ${label}`);
    }
  }
  for (const label of groupedBy) if (!known.has(label)) problems.push(`${where}: nothing in it has ${label}`);
  return problems;
}

describe("names in PromQL", () => {
  it("are found, with and without matchers, in groups and in ranges", () => {
    const { metrics, groupedBy } = namesIn(
      'histogram_quantile(0.95, sum by (le, a_b) (rate(x_bucket{p=~"v{}", q!="w"}[5m]))) / up > 1e6 and on (job) y offset 1h unless z',
    );
    expect([...metrics].map(([name, labels]) => [name, [...labels]])).toEqual([
      ["x_bucket", ["p", "q"]],
      ["up", []],
      ["y", []],
      ["z", []],
    ]);
    expect([...groupedBy]).toEqual(["le", "a_b", "job"]);
  });
});

describe("the dashboard", () => {
  it("shows metrics that the server has, by labels that they have", () => {
    expect(dashboardExpressions.length).toBeGreaterThan(30);
    expect(dashboardExpressions.flatMap(unknownNames)).toEqual([]);
    const variables = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
    for (const definition of variables) {
      const [, selector = "", label = ""] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
      expect(unknownNames({ where: definition, expression: `sum by (${label}) (${selector})` })).toEqual([]);
    }
  });

  it("shows every metric that the server has", () => {
    const shown = new Set(dashboardExpressions.flatMap(({ expression }) => [...namesIn(expression).metrics.keys()]));
    const isShown = (name: string) => ["", "_bucket", "_sum", "_count"].some((suffix) => shown.has(name + suffix));
    expect(about.map(({ prometheus }) => prometheus).filter((name) => !isShown(name))).toEqual([]);
  });

  it("names labels in its legends that the results have", () => {
    for (const { title, targets = [] } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        const { metrics, groupedBy } = namesIn(expr);
        const isGrouped = /\b(sum|max|min|avg|count)\b/.test(expr);
        const has = isGrouped
          ? [...groupedBy]
          : [...metrics.keys()].flatMap((name) => [...labelsOf.get(name)!, "instance"]);
        const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
        expect(
          named.filter((label) => !has.includes(label!)),
          title,
        ).toEqual([]);
      }
    }
  });

  it("says of every panel what it means and in which unit, and asks the chosen Prometheus", () => {
    const shown = dashboard.panels.filter(({ type }) => type !== "row");
    for (const { title, description = "", fieldConfig, options, datasource, targets = [] } of shown) {
      expect(description.length, `${title} is described`).toBeGreaterThan(20);
      expect(fieldConfig?.defaults.unit ?? options?.yAxis?.unit, `${title} has a unit`).toBeTruthy();
      for (const asked of [datasource, ...targets.map((target) => target.datasource)]) {
        expect(asked, title).toEqual({ type: "prometheus", uid: chosenDatasource });
      }
    }
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(["datasource", "instance", "profile"]);
  });

  it("lays its panels out without holes and overlaps, each with an id of its own", () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(cells.length % 24).toBe(0);
  });

  it("is sent with every variable filled in", () => {
    for (const { where, expression } of dashboardExpressions)
      expect(asSent(expression, "5m"), where).not.toContain("$");
  });
});

describe("the alerts", () => {
  it("look at metrics that the server has, by labels that they have", () => {
    expect(ruleExpressions.flatMap(unknownNames)).toEqual([]);
  });

  it("say what is wrong, how bad it is and what to do", () => {
    expect(rules.length).toBeGreaterThan(10);
    for (const { alert, labels, annotations } of rules) {
      expect(labels.severity, alert).toMatch(/^(critical|warning|info)$/);
      expect(annotations.summary.length, alert).toBeGreaterThan(20);
      expect(annotations.runbook.length, alert).toBeGreaterThan(80);
    }
  });

  it("name values of labels that there are, and so does the dashboard", () => {
    const unknown: string[] = [];
    let namedCount = 0;
    for (const [attribute, values] of Object.entries(labelValues)) {
      const matcher = new RegExp(`${attribute.replaceAll(".", "_")}(?:=|=~|!=|!~)"([^"$]+)"`, "g");
      for (const { expression } of [...dashboardExpressions, ...ruleExpressions]) {
        const named = [...expression.matchAll(matcher)].flatMap(([, words]) => words!.split("|"));
        namedCount += named.length;
        unknown.push(...named.filter((word) => !values.some((value) => new RegExp(`^${word}$`).test(value))));
      }
    }
    expect(namedCount).toBeGreaterThan(30);
    expect(unknown).toEqual([]);
  });

  it("are each tried: promtool has a case for every one", () => {
    const { tests } = parse(readDeploy("prometheus/alerts.test.yml")) as {
      readonly tests: readonly {
        readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[];
      }[];
    };
    const labels = tests.flatMap((test) =>
      test.promql_expr_test.flatMap(({ exp_samples }) => exp_samples.map((each) => each.labels)),
    );
    const tried = new Set(labels.map((text) => /alertname="(\w+)"/.exec(text)?.[1]));
    expect(rules.map(({ alert }) => alert).filter((alert) => !tried.has(alert))).toEqual([]);
  });
});
