import { expect, test } from "vitest";
import { UnknownLines } from "../../../src/cli/turn/unknown-lines.ts";
import type { Log, LogFields } from "../../../src/telemetry/log.ts";
import { openScrape } from "../../telemetry/scrape.ts";

test("lines of an unknown kind are counted without their name, which the log has once, and cut", async () => {
  const scrape = openScrape();
  const logged: LogFields[] = [];
  const none = () => {};
  const log: Log = { debug: none, info: (fields) => logged.push(fields), warn: none, error: none, child: () => log };
  const lines = new UnknownLines({ turnId: "t1", profile: "p" }, log);
  for (const name of ["system/new", "system/new", "x".repeat(1_000)]) lines.saw(name);
  expect(await scrape.series("runner_unknown_events_total")).toEqual([
    { name: "runner_unknown_events_total", labels: { runner_profile: "p" }, value: 3 },
  ]);
  expect(logged).toEqual([
    { turnId: "t1", profile: "p", eventName: "system/new" },
    { turnId: "t1", profile: "p", eventName: "x".repeat(80) },
  ]);
  for (let kind = 0; kind < 100; kind++) lines.saw(`kind-${kind}`);
  expect(logged).toHaveLength(20);
  await scrape.close();
});
