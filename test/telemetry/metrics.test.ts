import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorTypeOf } from "../../src/telemetry/error-type.ts";
import { observePool } from "../../src/telemetry/gauges.ts";
import { instruments } from "../../src/telemetry/instruments.ts";
import { type ObservedKept, observeKept } from "../../src/telemetry/kept-gauges.ts";
import { aboutMetrics } from "../../src/telemetry/telemetry-document.ts";
import { beginAtZero } from "../../src/telemetry/zeros.ts";
import { openScrape, readSeries, type Scrape } from "./scrape.ts";

const about = aboutMetrics();
let scrape: Scrape;
beforeEach(() => {
  scrape = openScrape();
});
afterEach(() => scrape.close());

/** A pool of one profile that never changes. */
const pool = {
  snapshot: () => ({
    memoryBytes: 7_000,
    profiles: [{ profile: "p", isReady: true, waitingCount: 2, workers: { spare: 3 } }],
  }),
};

/** Four sessions, one of which has a turn that nobody reads, and one of which is suspended. */
function kept(
  census = { sessionCount: 4, runningSessionCount: 1, suspendedSessionCount: 1, contentBytes: 500 },
): ObservedKept {
  return {
    store: { kind: "sqlite", health: () => ({ takesTurns: true, usedBytes: 4_096, owedEndCount: 0, census }) },
    live: { eventBytes: 700, open: () => [{ log: { readerCount: 0 } }, { log: { readerCount: 2 } }] },
    readers: { count: 3 },
    maxContentBytes: 1_000,
  };
}

describe("metrics for Prometheus", () => {
  it("have the names, kinds and words of the documentation, whatever is measured", async () => {
    for (const instrument of Object.values(instruments()) as { record?(n: number): void; add?(n: number): void }[]) {
      instrument.record?.(1);
      instrument.add?.(1);
    }
    observePool(pool, { count: 1 }, 9_000);
    observeKept(kept());
    const text = await scrape.text();
    const kinds = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, kind]) => [name, kind]));
    kinds.delete("target_info");
    expect(Object.fromEntries(kinds)).toEqual(
      Object.fromEntries(about.map(({ prometheus, kind }) => [prometheus, kind])),
    );
    for (const { prometheus, description } of about) expect(text).toContain(`# HELP ${prometheus} ${description}\n`);
  });

  it("have the unit in their names where it is one, and not in a line of its own", async () => {
    instruments().resetDuration.record(2);
    observePool(pool, { count: 1 }, 9_000);
    const text = await scrape.text();
    expect(await scrape.series("runner_worker_reset_duration_seconds_sum")).toMatchObject([{ value: 2 }]);
    expect(await scrape.series("runner_workers_memory_limit_bytes")).toMatchObject([{ value: 9_000 }]);
    expect(text).not.toContain("# UNIT");
  });

  it("say of the pool what it is doing, as it is when they are read, until that ends", async () => {
    const inFlight = { count: 1 };
    const end = observePool(pool, inFlight, 9_000);
    expect(await scrape.series("runner_turns_in_flight")).toMatchObject([{ value: 1 }]);
    inFlight.count = 2;
    expect(await scrape.series("runner_turns_in_flight")).toMatchObject([{ value: 2 }]);
    expect(await scrape.series("runner_workers")).toEqual([
      { name: "runner_workers", labels: { runner_profile: "p", runner_worker_state: "spare" }, value: 3 },
    ]);
    expect(await scrape.series("runner_ready")).toMatchObject([{ labels: { runner_profile: "p" }, value: 1 }]);
    end();
    inFlight.count = 3;
    expect(await scrape.series("runner_turns_in_flight")).toMatchObject([{ value: 2 }]);
  });

  it("say of sessions and turns how many there are, who reads them, and how full their store is", async () => {
    const end = observeKept(kept());
    const valuesOf = async (name: string) => (await scrape.series(name)).map(({ value }) => value);
    expect(await scrape.series("runner_sessions")).toMatchObject([
      { labels: { runner_session_state: "running" }, value: 1 },
      { labels: { runner_session_state: "suspended" }, value: 1 },
      { labels: { runner_session_state: "idle" }, value: 2 },
    ]);
    expect(await valuesOf("runner_turns_unread")).toEqual([1]);
    expect(await valuesOf("runner_turn_readers")).toEqual([3]);
    expect(await valuesOf("runner_turn_events_memory_bytes")).toEqual([700]);
    expect(await scrape.series("runner_store_ready")).toMatchObject([
      { labels: { runner_store_kind: "sqlite" }, value: 1 },
    ]);
    expect(await valuesOf("runner_store_content_bytes")).toEqual([500]);
    expect(await valuesOf("runner_store_content_limit_bytes")).toEqual([1_000]);
    end();
  });

  it("begin at zero for each profile, where an alert waits for the first one", async () => {
    beginAtZero(["a", "b"], ["queue_full", "draining"]);
    const sheds = await scrape.series("runner_sheds_total");
    expect(sheds).toHaveLength(4);
    expect(new Set(sheds.map(({ value }) => value))).toEqual(new Set([0]));
    expect(new Set(sheds.map(({ labels }) => labels.runner_profile))).toEqual(new Set(["a", "b"]));
    expect(await scrape.series("runner_turns_total")).toContainEqual({
      name: "runner_turns_total",
      labels: { runner_profile: "b", runner_turn_outcome: "upstream_error", runner_error_reason: "upstream_auth" },
      value: 0,
    });
  });
});

describe("the kind of an upstream error", () => {
  it("is the status, else Claude Code's word where it is a known one, else other", () => {
    expect(errorTypeOf(503, "server_error")).toBe("503");
    expect(errorTypeOf(undefined, "connection_failed")).toBe("connection_failed");
    expect(errorTypeOf(undefined, "")).toBe("unknown");
    for (const [status, word] of [
      [undefined, "made_up"],
      [200, ""],
      [4e9, ""],
      [Number.NaN, ""],
    ] as const) {
      expect(errorTypeOf(status, word)).toBe("other");
    }
  });
});

it("reads series with and without labels", () => {
  expect(readSeries('# HELP a b\na{x="1",le="+Inf"} 3\nb 4\n')).toEqual([
    { name: "a", labels: { x: "1", le: "+Inf" }, value: 3 },
    { name: "b", labels: {}, value: 4 },
  ]);
});
