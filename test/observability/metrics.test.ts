/**
 * Metrics as people see them: read by a real Prometheus from a real server with the real CLI, looked at by promtool, and
 * asked for as the dashboard and the alerts ask.
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aboutMetrics } from "../../src/telemetry/telemetry-document.ts";
import { asSent, dashboardExpressions, deploy, ruleExpressions } from "../deploy/expressions.ts";
import { openOtlpSink } from "../e2e/otlp-sink.ts";
import { openScene } from "../e2e/scene.ts";
import { programs } from "./programs.ts";
import { openPrometheus, type Prometheus } from "./prometheus.ts";
import { makeCalls, settingsFor } from "./turns.ts";
import { until } from "./until.ts";

// Before telemetry runs: it makes the instruments anew.
const about = aboutMetrics();
const opened = new AsyncDisposableStack();
let prometheus: Prometheus;
let scrape: string;

beforeAll(async () => {
  const workspace = await mkdtemp(join(tmpdir(), "runner-workspace-"));
  opened.defer(() => rm(workspace, { recursive: true, force: true }));
  // Somewhere for traces to go: without that Claude Code's spans are not asked for, and not counted.
  const sink = await openOtlpSink();
  opened.defer(() => sink.close());
  const scene = await openScene({
    settings: {
      ...settingsFor(workspace),
      admin: { enabled: true, port: 0 },
      telemetry: { prometheus: true, otlpEndpoint: sink.url, cliSpans: true },
    },
  });
  opened.defer(() => scene.close());
  const { port } = scene.runner.adminAddress!;
  prometheus = opened.use(await openPrometheus(programs().prometheus, port));
  await until("Prometheus has read the server once", hasRead(1));
  await makeCalls(scene);
  scrape = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  // What turns left behind is a rate after two more looks.
  const readSoFar = (await prometheus.query("count_over_time(up[1h])"))[0]!.value;
  await until("Prometheus has read it twice more", hasRead(readSoFar + 2));
});
afterAll(() => opened.disposeAsync());

/** Whether Prometheus has read the server so often. */
function hasRead(times: number): () => Promise<true | undefined> {
  return async () => {
    const [reads] = await prometheus.query("count_over_time(up[1h])");
    return (reads !== undefined && reads.value >= times) || undefined;
  };
}

/** What promtool says; nothing when all is well, or where it only confirms. */
function promtool(args: readonly string[], input = "") {
  const { status, stdout, stderr } = spawnSync(programs().promtool, args, { input, encoding: "utf8" });
  return { status, output: `${stdout}${stderr}` };
}

const pathOf = (name: string) => fileURLToPath(new URL(name, deploy));

describe("promtool", () => {
  it("finds nothing to say about the metrics", () => {
    expect(promtool(["check", "metrics"], scrape)).toEqual({ status: 0, output: "" });
  });

  it("takes the configuration and the alerts, and every alert fires when it should and not when it should not", () => {
    expect(promtool(["check", "config", pathOf("prometheus/prometheus.yml")])).toMatchObject({ status: 0 });
    expect(promtool(["test", "rules", pathOf("prometheus/alerts.test.yml")])).toMatchObject({ status: 0 });
  });
});

describe("Prometheus", () => {
  it("has every metric of the documentation, by the labels that it has there, and no other", async () => {
    const ofTheScrape = new Set(["__name__", "job", "instance", "le", "otel_scope_name"]);
    const labelsSeen = new Map<string, Set<string>>();
    for (const series of await prometheus.series()) {
      const name = series.__name__!;
      const metric = about.find(({ prometheus, kind }) =>
        kind === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") === prometheus : name === prometheus,
      );
      const key = metric?.prometheus ?? name;
      const labels = labelsSeen.get(key) ?? new Set<string>();
      labelsSeen.set(key, labels);
      for (const label of Object.keys(series)) if (!ofTheScrape.has(label)) labels.add(label);
    }
    for (const name of labelsSeen.keys())
      if (/^(up|scrape_.*|target_info|ALERTS.*)$/.test(name)) labelsSeen.delete(name);
    const sorted = (labels: Iterable<string>) => [...labels].toSorted();
    expect(Object.fromEntries([...labelsSeen].map(([name, labels]) => [name, sorted(labels)]))).toEqual(
      Object.fromEntries(
        about.map(({ prometheus, attributes }) => [
          prometheus,
          sorted(attributes.map((name) => name.replaceAll(".", "_"))),
        ]),
      ),
    );
  });

  it.each(dashboardExpressions.map(({ where, expression }) => [where, expression]))(
    "answers the panel: %s",
    async (_, expression) => {
      expect(await prometheus.query(asSent(expression, "1m"))).not.toEqual([]);
    },
  );

  it("takes every alert, and the one about a refused credential fires at the first turn that met it", async () => {
    const rules = await until("every alert was looked at", async () => {
      const seen = await prometheus.rules();
      const isComplete = seen.length === ruleExpressions.length && seen.every(({ health }) => health !== "unknown");
      return isComplete ? seen : undefined;
    });
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    const [firing] = await until("the alert fires", async () => {
      const found = await prometheus.query('ALERTS{alertname="ClaudeRunnerUpstreamRefusesUs", alertstate="firing"}');
      return found.length > 0 ? found : undefined;
    });
    expect(firing?.labels).toMatchObject({ runner_error_reason: "upstream_auth", runner_profile: "default" });
  });
});
