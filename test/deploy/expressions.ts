/**
 * Every PromQL expression below deploy/, with where it stands.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

export const deploy = new URL("../../deploy/", import.meta.url);

export interface Expression {
  /** The panel's title, or the alert's name. */
  readonly where: string;
  readonly expression: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string; readonly datasource: unknown }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly options?: { readonly yAxis?: { readonly unit?: string } };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

export function readDeploy(path: string): string {
  return readFileSync(new URL(path, deploy), "utf8");
}

export const dashboard = JSON.parse(readDeploy("grafana/claude-runner.json")) as Dashboard;

export const rules = (
  parse(readDeploy("prometheus/alerts.yml")) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
).groups.flatMap((group) => group.rules);

export const dashboardExpressions: readonly Expression[] = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ where: title, expression: expr })),
);

export const ruleExpressions: readonly Expression[] = rules.map(({ alert, expr }) => ({
  where: alert,
  expression: expr,
}));

/** An expression of the dashboard as Grafana sends it with everything selected. */
export function asSent(expression: string, interval: string): string {
  return expression
    .replaceAll("$__rate_interval", interval)
    .replaceAll("$__range", interval)
    .replaceAll('"$instance"', '".*"')
    .replaceAll('"$profile"', '".+"');
}
