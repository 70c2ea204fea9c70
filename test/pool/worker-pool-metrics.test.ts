import { afterEach, beforeEach, expect, test } from "vitest";
import { openScrape, type Scrape } from "../telemetry/scrape.ts";
import { PoolUnderTest } from "./pool-under-test.ts";

let scrape: Scrape;
beforeEach(() => {
  scrape = openScrape();
});
afterEach(() => scrape.close());

test("resets are counted by what came of them: clean, or why the worker was ended", async () => {
  const t = await PoolUnderTest.warm();
  for (const outcome of [{ clean: true }, { clean: false, why: "rewind_refused" }] as const) {
    const claim = await t.claim();
    t.workers.find(({ id }) => id === claim.worker.id)!.resetOutcome = outcome;
    claim.release({ kind: "finished" });
    await t.clock.advance(100);
  }
  const counts = await scrape.series("runner_worker_reset_duration_seconds_count");
  expect(counts.map(({ labels, value }) => [labels.runner_reset_outcome, value])).toEqual([
    ["clean", 1],
    ["rewind_refused", 1],
  ]);
});
