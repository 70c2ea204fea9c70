/**
 * What is counted of a turn, and when: its account when the worker is done, its times as they pass.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Holding } from "../../../src/pool/claim.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { TurnMetrics } from "../../../src/turns/observers/turn-metrics.ts";
import { answered, said } from "../../said.ts";
import { openScrape, type Scrape } from "../../telemetry/scrape.ts";
import { aTurn, goodEnd, ScriptedPool, ScriptedWorker } from "../scripted.ts";

let scrape: Scrape;
beforeEach(() => {
  scrape = openScrape();
});
afterEach(() => scrape.close());

/** The values of a metric by one of its labels. */
async function counts(metric: string, label: string): Promise<Record<string, number>> {
  const series = await scrape.series(metric);
  return Object.fromEntries(series.map(({ labels, value }) => [labels[label] ?? "", value]));
}

const failed = { ...goodEnd, outcome: "upstreamError", error: new RunnerError("UPSTREAM_5XX", "words") } as const;

test("a turn is counted with its tokens and cost when its worker is done, before anybody has read its end", async () => {
  const metrics = new TurnMetrics(aTurn());
  metrics.finished({ ...goodEnd, costUsdMicros: 30 });
  expect(await counts("runner_turns_total", "runner_turn_outcome")).toEqual({ completed: 1 });
  expect(await counts("runner_cost_usd_micros_total", "runner_tenant")).toEqual({ t: 30 });
  expect(await counts("gen_ai_client_token_usage_sum", "gen_ai_token_type")).toEqual({
    input: 3,
    output: 4,
    cache_read: 0,
    cache_creation: 0,
  });
  metrics.closed({ end: goodEnd, error: undefined, reason: undefined });
  expect(await counts("runner_turns_total", "runner_turn_outcome"), "closing it counts nothing again").toEqual({
    completed: 1,
  });
});

test("a turn that failed has its reason beside its outcome; one that no worker had is not started, for a reason", async () => {
  new TurnMetrics(aTurn()).finished(failed);
  const refused = new RunnerError("QUEUE_FULL", "full");
  new TurnMetrics(aTurn()).closed({ end: undefined, error: refused, reason: "QUEUE_FULL" });
  const series = await scrape.series("runner_turns_total");
  expect(series.map(({ labels }) => [labels.runner_turn_outcome, labels.runner_error_reason])).toEqual([
    ["upstream_error", "upstream_5xx"],
    ["not_started", "queue_full"],
  ]);
  expect(await scrape.series("runner_cost_usd_micros_total")).toHaveLength(1);
});

test("stages and milestones are measured by their names, and the first text is the time to the first token as well", async () => {
  const metrics = new TurnMetrics(aTurn());
  metrics.stageLeft({ name: "queueWait", sinceMs: 100, atMs: 350 });
  metrics.milestoneReached({ name: "firstEvent", sinceMs: 400, atMs: 410 });
  metrics.milestoneReached({ name: "firstText", sinceMs: 400, atMs: 900 });
  expect(await counts("runner_stage_duration_seconds_sum", "runner_stage")).toEqual({
    queue_wait: 0.25,
    first_event: 0.01,
    first_text: 0.5,
  });
  const [first] = await scrape.series("gen_ai_server_time_to_first_token_seconds_sum");
  expect(first?.value).toBe(0.5);
});

test("each worker that a turn gets is counted, by where it came from and how it got the conversation", async () => {
  const history = [said("a"), answered("b")];
  const pool = new ScriptedPool(new ScriptedWorker("w1"), new ScriptedWorker("w2"), new ScriptedWorker("w3"));
  const { signal } = new AbortController();
  const claimOf = (holds: Holding) => {
    pool.holds = holds;
    return pool.claim({ turnId: "t", tenant: "t", profile: "p", bindingKey: "b", signal, deadlineMs: 1 });
  };
  new TurnMetrics(aTurn()).claimed(await claimOf({ kind: "nothing" }));
  const metrics = new TurnMetrics(aTurn({ history }));
  metrics.claimed(await claimOf({ kind: "conversation", id: "c" }));
  metrics.claimed(await claimOf({ kind: "nothing" }));
  expect(await counts("runner_claims_total", "runner_conversation_source")).toEqual({ new: 1, kept: 1, seeded: 1 });
  expect(await counts("runner_claims_total", "runner_claim_source")).toEqual({ spare: 1 });
});
