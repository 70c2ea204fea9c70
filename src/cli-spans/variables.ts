/**
 * What makes a Claude Code process send its spans, and nothing else: the metrics and logs that it knows too stay off, and so
 * do all switches (`OTEL_LOG_*`) that would put prompts, answers, or tools' inputs into spans.
 */

/** How often a process sends, in milliseconds: the spans of a turn are here a few milliseconds behind its result. */
const exportIntervalMs = 10;
/** How long a process may wait for us when it ends, in milliseconds. Without it a receiver that hangs costs two seconds. */
const shutdownTimeoutMs = 300;

/** `endpoint` is where to; `/v1/traces` is added to it. */
export function spanVariables(endpoint: string): Readonly<Record<string, string>> {
  return {
    CLAUDE_CODE_ENABLE_TELEMETRY: "1",
    CLAUDE_CODE_ENHANCED_TELEMETRY_BETA: "1",
    CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS: String(shutdownTimeoutMs),
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_TRACES_EXPORT_INTERVAL: String(exportIntervalMs),
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  };
}
