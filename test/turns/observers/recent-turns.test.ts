import { expect, test } from "vitest";
import { type FollowedTurn, RecentTurns } from "../../../src/turns/observers/recent-turns.ts";
import type { StageTimes } from "../../../src/turns/stages.ts";
import { goodEnd, ScriptedWorker } from "../scripted.ts";

const limits = { maxEndedPerTenant: 3, maxTenants: 2 };

function begin(turns: RecentTurns, id: string, at: { tenant?: string; atMs?: number; times?: StageTimes } = {}) {
  const { tenant = "acme", atMs = Number(id.replace(/\D/g, "")), times = {} } = at;
  const turn = { id, tenant, profile: "default", settings: { model: "m", effort: "low" } } as const;
  const followed = turns.follow(turn, { arrivedAtMs: atMs, arrivedAtWallMs: 1_000 + atMs, traceId: "" });
  followed.began(times);
  return followed;
}

const end = (turn: FollowedTurn) => turn.closed({ end: goodEnd, reason: undefined });
const ids = (turns: RecentTurns, count = 100, tenant = "acme") => turns.of(tenant, count).map(({ turnId }) => turnId);

test("a turn is there from its arrival, with what is known of it so far", () => {
  const turns = new RecentTurns();
  const times: StageTimes = {};
  const turn = begin(turns, "t7", { times });
  expect(turns.of("acme", 20)).toEqual([
    {
      turnId: "t7",
      profile: "default",
      model: "m",
      traceId: "",
      arrivedAtMs: 7,
      arrivedAtWallMs: 1_007,
      isRunning: true,
      outcome: undefined,
      errorReason: undefined,
      claimSource: undefined,
      workerId: undefined,
      times: {},
      apiMs: undefined,
      usage: undefined,
      costUsdMicros: 0,
      costIsEstimate: false,
    },
  ]);
  turn.claimed({ source: "SPARE", worker: new ScriptedWorker("w1") });
  times.queueWait = 3;
  const [before] = turns.of("acme", 20);
  expect(before).toMatchObject({ claimSource: "SPARE", workerId: "w1", times: { queueWait: 3 } });
  // The first worker died before it had the prompt.
  turn.claimed({ source: "COLD_NO_SPARE", worker: new ScriptedWorker("w2") });
  times.bind = 5;
  end(turn);
  expect(turns.of("acme", 20)).toMatchObject([
    {
      isRunning: false,
      outcome: "completed",
      claimSource: "COLD_NO_SPARE",
      workerId: "w2",
      times: { queueWait: 3, bind: 5 },
      apiMs: 5,
      usage: goodEnd.usage,
      costUsdMicros: 12,
    },
  ]);
  expect(before?.times, "what was told before stays as it was").toEqual({ queueWait: 3 });
});

test("a turn that was refused has a reason and no outcome", () => {
  const turns = new RecentTurns();
  begin(turns, "t1").closed({ end: undefined, reason: "QUEUE_FULL" });
  expect(turns.of("acme", 1)).toMatchObject([{ isRunning: false, outcome: undefined, errorReason: "QUEUE_FULL" }]);
});

test("turns come the newest first, and so many ended ones are kept as ended last", () => {
  const turns = new RecentTurns(limits);
  const [one, two, three, four] = ["t1", "t2", "t3", "t4"].map((id) => begin(turns, id));
  expect(ids(turns)).toEqual(["t4", "t3", "t2", "t1"]);
  for (const turn of [three, one, four, two]) end(turn!);
  expect(ids(turns)).toEqual(["t4", "t2", "t1"]);
  expect(ids(turns, 2)).toEqual(["t4", "t2"]);
  expect(ids(turns, 0)).toEqual([]);
});

test("a turn that runs for long is not pushed out by those that came and went meanwhile", () => {
  const turns = new RecentTurns(limits);
  begin(turns, "t1");
  for (let n = 2; n <= 20; n += 1) end(begin(turns, `t${n}`));
  expect(ids(turns, 3)).toEqual(["t20", "t19", "t1"]);
  expect(ids(turns)).toEqual(["t20", "t19", "t18", "t1"]);
});

test("tenants see each nothing of the other", () => {
  const turns = new RecentTurns();
  end(begin(turns, "a1", { tenant: "acme" }));
  begin(turns, "z1", { tenant: "zeta" });
  expect(ids(turns, 100, "acme")).toEqual(["a1"]);
  expect(ids(turns, 100, "zeta")).toEqual(["z1"]);
  expect(ids(turns, 100, "other")).toEqual([]);
});

test("of the tenants those that called least recently are forgotten, unless they run something", () => {
  const turns = new RecentTurns(limits);
  const running = begin(turns, "a1", { tenant: "a" });
  end(begin(turns, "b1", { tenant: "b" }));
  end(begin(turns, "c1", { tenant: "c" }));
  expect([ids(turns, 9, "a"), ids(turns, 9, "b"), ids(turns, 9, "c")]).toEqual([["a1"], [], ["c1"]]);
  begin(turns, "d1", { tenant: "d" });
  begin(turns, "e1", { tenant: "e" });
  expect(turns.tenantCount, "a tenant that runs something is never the one").toBe(3);
  expect(ids(turns, 9, "e")).toEqual(["e1"]);
  end(running);
  expect(ids(turns, 9, "a")).toEqual(["a1"]);
  end(begin(turns, "f1", { tenant: "f" }));
  expect(ids(turns, 9, "a")).toEqual([]);
});

test("every change of a turn is told with its tenant, until that is ended", () => {
  const turns = new RecentTurns();
  const told: string[] = [];
  const stop = turns.onChange((tenant) => told.push(tenant));
  const turn = begin(turns, "t1");
  turn.claimed({ source: "SPARE", worker: new ScriptedWorker() });
  turn.stageLeft();
  end(turn);
  end(turn); // once is enough
  expect(told).toEqual(["acme", "acme", "acme", "acme"]);
  stop();
  begin(turns, "t2");
  expect(told).toHaveLength(4);
});
