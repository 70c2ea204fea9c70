/** GetPool and WatchPool over a scripted pool and a fake clock. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ErrorReason } from "../../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../../gen/claude/runner/v1/event_pb.ts";
import {
  GetPoolRequestSchema,
  type PoolState,
  PoolStateSchema,
  StartsState,
  WatchPoolRequestSchema,
  WorkerState,
} from "../../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { settingsSchema } from "../../../src/config/settings.ts";
import { Authenticator, sha256Of } from "../../../src/policy/auth.ts";
import type { CallContext } from "../../../src/service/calls.ts";
import { maxWatchesPerTenant, poolService } from "../../../src/service/pool/pool-service.ts";
import { RecentTurns } from "../../../src/turns/observers/recent-turns.ts";
import { FakeClock } from "../../fake-clock.ts";
import { goodEnd, ScriptedWorker } from "../../turns/scripted.ts";
import { poolSnapshot, profileSnapshot, ScriptedWatchedPool, workerSnapshot } from "./watched-pool.ts";

type Answer = { readonly pool: MessageInitShape<typeof PoolStateSchema> };

const tokens = [
  { tenant: "acme", sha256: sha256Of("acme-token"), profiles: ["*"], operator: false },
  { tenant: "ops", sha256: sha256Of("ops-token"), profiles: ["*"], operator: true },
];

function scene(pool = new ScriptedWatchedPool()) {
  const clock = new FakeClock();
  const recentTurns = new RecentTurns();
  const authenticator = new Authenticator({ tokens, insecureNoAuth: false });
  const { profiles } = settingsSchema.parse({ profiles: { default: {}, fast: {}, theirs: { tenant: "zeta" } } });
  const { handlers, isOpen, isEndedAtDrain } = poolService({
    pool,
    recentTurns,
    clock,
    profiles,
    authenticate: (authorization) => authenticator.authenticate(authorization),
  });
  const call = (tenant: string, signal = new AbortController().signal): CallContext => ({
    signal,
    requestHeader: new Headers({ authorization: `Bearer ${tenant}-token` }),
    responseHeader: new Headers(),
    responseTrailer: new Headers(),
    begin: () => {},
    protocolName: "grpc",
    takes: "messages",
    timeoutMs: () => undefined,
    endCall: () => {},
    caller: authenticator.authenticate(`Bearer ${tenant}-token`),
  });
  const get = async (init: MessageInitShape<typeof GetPoolRequestSchema> = {}, tenant = "acme"): Promise<PoolState> => {
    const handler = handlers.getPool as unknown as (request: unknown, call: CallContext) => Promise<Answer>;
    return create(PoolStateSchema, (await handler(create(GetPoolRequestSchema, init), call(tenant))).pool);
  };
  const watch = (
    init: MessageInitShape<typeof WatchPoolRequestSchema> = {},
    { tenant = "acme", signal }: { tenant?: string; signal?: AbortSignal } = {},
  ) => {
    const handler = handlers.watchPool as unknown as (request: unknown, call: CallContext) => AsyncGenerator<Answer>;
    return handler(create(WatchPoolRequestSchema, init), call(tenant, signal));
  };
  const beginTurn = (id: string, tenant = "acme") => {
    const turn = recentTurns.follow(
      { id, tenant, profile: "default", settings: { model: "m", effort: "low" } },
      { arrivedAtMs: clock.now(), arrivedAtWallMs: clock.wallNow(), traceId: "" },
    );
    turn.began({ queueWait: 2 });
    return turn;
  };
  return { clock, pool, recentTurns, authenticator, get, watch, beginTurn, isOpen, isEndedAtDrain };
}

/** Reads a watch on and on. */
function follow(states: AsyncIterable<Answer>) {
  const seen = { states: [] as PoolState[], error: undefined as unknown };
  void (async () => {
    try {
      for await (const { pool } of states) seen.states.push(create(PoolStateSchema, pool));
    } catch (error) {
      seen.error = error;
    }
  })();
  return seen;
}

const seconds = (of: { seconds: bigint; nanos: number } | undefined) => of && Number(of.seconds) + of.nanos / 1e9;

test("needs a token, and does not hold up a drain", () => {
  expect(scene()).toMatchObject({ isOpen: false, isEndedAtDrain: true });
});

describe("GetPool", () => {
  test("tells the state of now with the ages of things, by the server's clock", async () => {
    const pool = new ScriptedWatchedPool(
      poolSnapshot({
        isDraining: true,
        maxWaitingCount: 7,
        profiles: [
          profileSnapshot({
            waiting: [{ tenant: "acme", count: 3, oldestSinceMs: 4_500 }],
            claims: {
              all: { REUSED: 9, SPARE: 9, COLD_NO_SPARE: 9, COLD_POOL_OFF: 9 },
              byTenant: new Map([["acme", { REUSED: 5, SPARE: 0, COLD_NO_SPARE: 1, COLD_POOL_OFF: 0 }]]),
            },
            starts: "failing",
          }),
        ],
        workers: [
          workerSnapshot({
            id: "w7",
            kind: "claimed",
            tenant: "acme",
            turnId: "t1",
            givenTurnCount: 4,
            sinceMs: 4_000,
            startedAtMs: 1_000,
            memoryBytes: 123,
          }),
        ],
      }),
    );
    const { clock, get } = scene(pool);
    await clock.advance(5_000);
    const state = await get();
    expect(state).toMatchObject({
      serving: true,
      draining: true,
      coversAllTenants: false,
      memoryBytes: 0n,
      memoryBudgetBytes: 0n,
      profiles: [
        {
          profile: "default",
          ready: true,
          workerCounts: [{ state: WorkerState.CLAIMED, count: 1 }],
          maxWorkerCount: 8,
          minSpareCount: 2,
          waitingCount: 3,
          maxWaitingCount: 7,
          claimCounts: [
            { source: ClaimSource.REUSED, count: 5n },
            { source: ClaimSource.COLD_NO_SPARE, count: 1n },
          ],
          starts: StartsState.FAILING,
        },
      ],
      workers: [
        {
          workerId: "w7",
          profile: "default",
          state: WorkerState.CLAIMED,
          turnCount: 4,
          turnId: "t1",
          tenant: "acme",
          memoryBytes: 123n,
        },
      ],
    });
    expect(seconds(state.readTime)).toBe(clock.wallNow() / 1_000);
    expect(seconds(state.uptime)).toBe(5);
    expect(seconds(state.profiles[0]?.oldestWait)).toBe(0.5);
    expect(seconds(state.workers[0]?.stateAge)).toBe(1);
    expect(seconds(state.workers[0]?.age)).toBe(4);
  });

  test("tells the turns of the caller's tenant: those that run with their time so far, the others as they ended", async () => {
    const { clock, get, beginTurn } = scene();
    const arrivedAtMs = clock.wallNow();
    const first = beginTurn("first");
    first.claimed({ source: "SPARE", worker: new ScriptedWorker("w1") });
    await clock.advance(100);
    beginTurn("other", "zeta");
    const refused = beginTurn("refused");
    refused.closed({ end: undefined, reason: "QUEUE_FULL" });
    await clock.advance(150);
    const running = await get();
    expect(running.recentTurns).toMatchObject([
      { turnId: "refused", running: false, outcome: Outcome.UNSPECIFIED, errorReason: ErrorReason.QUEUE_FULL },
      {
        turnId: "first",
        profile: "default",
        model: "m",
        running: true,
        outcome: Outcome.UNSPECIFIED,
        errorReason: ErrorReason.UNSPECIFIED,
        claimSource: ClaimSource.SPARE,
        workerId: "w1",
        traceId: "",
      },
    ]);
    const [, turn] = running.recentTurns;
    expect(seconds(turn?.arrivalTime)).toBe(arrivedAtMs / 1_000);
    expect(seconds(turn?.stages?.queueWait)).toBe(0.002);
    expect(seconds(turn?.stages?.total)).toBe(0.25);
    expect(turn?.usage).toBeUndefined();
    first.closed({ end: goodEnd, reason: undefined });
    expect((await get()).recentTurns[1]).toMatchObject({
      running: false,
      outcome: Outcome.COMPLETED,
      usage: { inputTokenCount: 3n, outputTokenCount: 4n },
      costUsdMicros: 12n,
    });
    expect((await get({}, "ops")).recentTurns, "an operator's turns are those of its own tenant").toEqual([]);
  });

  test("tells 20 turns unless it is asked for more or fewer, none included", async () => {
    const { get, beginTurn } = scene();
    for (let n = 0; n < 50; n += 1) beginTurn(`t${n}`).closed({ end: goodEnd, reason: undefined });
    expect((await get()).recentTurns).toHaveLength(20);
    expect((await get({ recentTurnCount: 45 })).recentTurns).toHaveLength(45);
    expect((await get({ recentTurnCount: 0 })).recentTurns).toEqual([]);
  });

  test("covers all tenants for an operator, and no profile that the caller may not use for anybody else", async () => {
    const pool = new ScriptedWatchedPool(
      poolSnapshot({
        profiles: ["theirs", "fast", "default"].map((profile) => profileSnapshot({ profile })),
        workers: [workerSnapshot({ id: "w1", profile: "theirs", tenant: "zeta" })],
      }),
    );
    const { get } = scene(pool);
    const mine = await get();
    expect(mine.profiles.map(({ profile }) => profile)).toEqual(["default", "fast"]);
    expect(mine.workers).toEqual([]);
    const all = await get({}, "ops");
    expect(all).toMatchObject({ coversAllTenants: true, memoryBytes: 300n, memoryBudgetBytes: 1_000n });
    expect(all.profiles.map(({ profile }) => profile)).toEqual(["default", "fast", "theirs"]);
    expect(all.workers).toMatchObject([{ workerId: "w1", tenant: "zeta" }]);
  });

  test.each([-1, 101])("refuses to tell %i turns", async (recentTurnCount) => {
    const { get } = scene();
    const error = (await get({ recentTurnCount }).catch((thrown: unknown) => thrown)) as ConnectError;
    expect(error).toMatchObject({ code: Code.InvalidArgument });
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("INVALID_REQUEST");
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject([{ field: "recent_turn_count" }]);
  });
});

describe("WatchPool", () => {
  test("tells every violation at once, before anything else", async () => {
    const { watch, pool } = scene();
    const states = watch({ recentTurnCount: 101, minInterval: { seconds: 0n, nanos: 99_999_999 } });
    const error = (await states.next().catch((thrown: unknown) => thrown)) as ConnectError;
    expect(error.code).toBe(Code.InvalidArgument);
    const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
    expect(fields).toEqual(["recent_turn_count", "min_interval"]);
    expect(pool.readCount).toBe(0);
  });

  test("tells the state at once, then what changed in the pool and among the turns, once a second at most", async () => {
    const { clock, watch, pool, beginTurn } = scene();
    const seen = follow(watch());
    await clock.settle();
    expect(seen.states).toHaveLength(1);
    await clock.advance(5_000);
    pool.change({ workers: [workerSnapshot({ id: "w1" })] });
    await clock.settle();
    expect(seen.states.map(({ workers }) => workers.map(({ workerId }) => workerId))).toEqual([[], ["w1"]]);
    const turn = beginTurn("t1");
    turn.claimed({ source: "SPARE", worker: new ScriptedWorker("w1") });
    await clock.advance(999);
    expect(seen.states).toHaveLength(2);
    await clock.advance(1);
    expect(seen.states[2]?.recentTurns).toMatchObject([{ turnId: "t1", workerId: "w1", running: true }]);
    turn.closed({ end: goodEnd, reason: undefined });
    await clock.advance(1_000);
    expect(seen.states[3]?.recentTurns).toMatchObject([{ turnId: "t1", running: false }]);
    await clock.advance(9_999);
    expect(seen.states).toHaveLength(4);
  });

  test("keeps to the interval that was asked for", async () => {
    const { clock, watch, pool } = scene();
    const seen = follow(watch({ minInterval: { nanos: 100_000_000 } }));
    await clock.settle();
    for (let n = 1; n <= 20; n += 1) {
      pool.change({ maxWaitingCount: 100 + n, workers: [workerSnapshot({ givenTurnCount: n })] });
      await clock.advance(50);
    }
    expect(seen.states).toHaveLength(11);
    expect(seen.states.at(-1)?.workers[0]?.turnCount).toBe(20);
  });

  test("tells the state every 10 seconds while nothing changes, with the time of then", async () => {
    const { clock, watch } = scene();
    const seen = follow(watch());
    await clock.settle();
    await clock.advance(31_000);
    expect(seen.states.map(({ uptime }) => seconds(uptime))).toEqual([0, 10, 20, 30]);
  });

  test("is not woken by what happens to other tenants, but an operator's is", async () => {
    const { clock, watch, pool, beginTurn } = scene();
    const [mine, all] = [follow(watch()), follow(watch({}, { tenant: "ops" }))];
    await clock.settle();
    const before = pool.readCount;
    pool.change({ workers: [workerSnapshot({ id: "w1", kind: "boundIdle", tenant: "zeta" })] }, "zeta");
    beginTurn("of-zeta", "zeta");
    await clock.advance(2_000);
    expect(mine.states).toHaveLength(1);
    expect(all.states.at(-1)?.workers).toMatchObject([{ workerId: "w1" }]);
    expect(pool.readCount - before, "read for the operator only").toBe(1);
  });

  test("tells a tenant nothing when what it may see is as it was", async () => {
    const { clock, watch, pool } = scene();
    const seen = follow(watch());
    await clock.settle();
    pool.change({ memoryBytes: 999, workers: [workerSnapshot({ kind: "claimed", tenant: "zeta", turnId: "t" })] });
    await clock.advance(5_000);
    expect(seen.states).toHaveLength(1);
  });

  test("ends with the reason of its call, and leaves no listener and no timer", async () => {
    for (const reason of [
      new ConnectError("the server is shutting down", Code.Unavailable),
      new ConnectError("cancelled by the caller", Code.Canceled),
    ]) {
      const { clock, watch, pool } = scene();
      const abort = new AbortController();
      const seen = follow(watch({}, { signal: abort.signal }));
      await clock.settle();
      expect([pool.listenerCount, clock.pendingTimerCount]).toEqual([1, 1]);
      abort.abort(reason);
      await clock.settle();
      expect(seen.error).toBe(reason);
      expect([pool.listenerCount, clock.pendingTimerCount]).toEqual([0, 0]);
    }
  });

  test("leaves nothing behind when its reader goes", async () => {
    const { clock, watch, pool } = scene();
    const states = watch();
    await states.next();
    await states.return(undefined);
    expect([pool.listenerCount, clock.pendingTimerCount]).toEqual([0, 0]);
  });

  test("ends when its token has been taken away, and shows no more than the token may see by then", async () => {
    const { clock, watch, pool, authenticator } = scene();
    const [mine, ops] = [follow(watch()), follow(watch({}, { tenant: "ops" }))];
    await clock.settle();
    expect(ops.states[0]?.coversAllTenants).toBe(true);
    const [, operator] = tokens;
    authenticator.reload({ tokens: [{ ...operator!, operator: false }], insecureNoAuth: false });
    pool.change({ workers: [workerSnapshot()] });
    await clock.advance(1_000);
    expect(mine.states).toHaveLength(1);
    expect(mine.error).toMatchObject({ code: Code.Unauthenticated });
    expect(ops.states.map(({ coversAllTenants }) => coversAllTenants)).toEqual([true, false]);
  });

  test("is bounded in number for each tenant, and gives its place back", async () => {
    const { clock, watch } = scene();
    const abort = new AbortController();
    const open = Array.from({ length: maxWatchesPerTenant }, () => watch({}, { signal: abort.signal }));
    for (const states of open) await states.next();
    const oneMore = await watch()
      .next()
      .catch((thrown: unknown) => thrown);
    expect(oneMore).toMatchObject({ code: Code.ResourceExhausted });
    expect((oneMore as ConnectError).findDetails(ErrorInfoSchema)[0]).toMatchObject({
      reason: "QUOTA_EXCEEDED",
      metadata: { limit: String(maxWatchesPerTenant) },
    });
    expect((await watch({}, { tenant: "ops" }).next()).done).toBe(false);
    await open[0]?.return(undefined);
    expect((await watch().next()).done).toBe(false);
    // Nobody reads the others any more: the end of their calls is enough.
    abort.abort(new ConnectError("gone", Code.Canceled));
    await clock.settle();
    for (let n = 1; n < maxWatchesPerTenant; n += 1) expect((await watch().next()).done).toBe(false);
  });
});
