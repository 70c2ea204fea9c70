/**
 * The view of the pool on a whole server with the real CLI: the contract over every transport; operators and tenants;
 * what ends a watch and what does not.
 */

import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PoolState, WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { poolContract, untilPool } from "../contract/pool.ts";
import { type ContractClient, failureOf, grpcJsClient, transportKinds } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import { openOtlpSink } from "./otlp-sink.ts";
import { openScene, type Scene, type SettingsInput, tenants, testSettings } from "./scene.ts";

const operatorToken = "test-token-of-the-operator";

const auth: SettingsInput["auth"] = {
  tokens: [
    ...Object.entries(tenants).map(([tenant, token]) => ({ tenant, sha256: sha256Of(token) })),
    { tenant: "ops", sha256: sha256Of(operatorToken), operator: true },
  ],
};

const often = { minInterval: { nanos: 100_000_000 } } as const;

const clientWith = (scene: Scene, token: string): ContractClient =>
  grpcJsClient(`ipv4:127.0.0.1:${scene.target.grpcPort}`, token);

describe("over every transport", () => {
  let scene: Scene;
  beforeAll(async () => {
    const profiles: SettingsInput["profiles"] = { default: { maxWorkers: 4 }, narrow: { minSpares: 0, maxWorkers: 1 } };
    scene = await openScene({ settings: { profiles } });
  });
  afterAll(() => scene.close());

  for (const kind of transportKinds.filter(({ tls }) => !tls)) poolContract(kind, () => scene);
});

describe("operators and tenants", () => {
  let scene: Scene;
  let clients: { readonly acme: ContractClient; readonly umbrella: ContractClient; readonly ops: ContractClient };
  beforeAll(async () => {
    scene = await openScene({
      settings: { auth, profiles: { default: {}, secret: { tenant: "umbrella", minSpares: 1 } } },
    });
    clients = {
      acme: clientWith(scene, tenants.acme),
      umbrella: clientWith(scene, tenants.umbrella),
      ops: clientWith(scene, operatorToken),
    };
  });
  afterAll(async () => {
    for (const client of Object.values(clients)) client.close();
    await scene.close();
  });

  const poolOf = async (client: ContractClient): Promise<PoolState> => (await client.getPool()).pool!;
  const claimsOf = ({ profiles }: PoolState) =>
    profiles.flatMap(({ claimCounts }) => claimCounts).reduce((sum, { count }) => sum + Number(count), 0);
  const text = (pool: PoolState) =>
    JSON.stringify(pool, (_, value) => (typeof value === "bigint" ? `${value}` : value));

  it("tell each tenant what is its own or nobody's, and an operator the counts and workers of all", async () => {
    const mine = await readTurn(clients.acme.streamChat({ prompt: "my secret words" }));
    const theirs = await readTurn(clients.umbrella.streamChat({ prompt: "their secret words" }));
    const secret = await readTurn(clients.umbrella.streamChat({ prompt: "in secret", profile: "secret" }));
    const [acme, umbrella, ops] = await Promise.all([clients.acme, clients.umbrella, clients.ops].map(poolOf));

    expect(acme!.profiles.map(({ profile }) => profile)).toEqual(["default"]);
    expect(acme!.recentTurns.map(({ turnId }) => turnId)).toEqual([mine.turnId]);
    expect(claimsOf(acme!)).toBe(1);
    expect(umbrella!.recentTurns.map(({ turnId }) => turnId)).toEqual([secret.turnId, theirs.turnId]);
    expect(claimsOf(umbrella!)).toBe(2);
    for (const word of ["umbrella", "secret", theirs.turnId, secret.turnId]) expect(text(acme!)).not.toContain(word);
    const workersOf = (pool: PoolState) => pool.workers.map(({ workerId }) => workerId);
    expect(workersOf(acme!)).toContain(mine.started.workerId);
    expect(workersOf(acme!)).not.toContain(theirs.started.workerId);
    expect(workersOf(acme!)).not.toContain(secret.started.workerId);
    expect(acme!.workers.map(({ tenant }) => tenant)).toContain("");

    expect(ops).toMatchObject({ coversAllTenants: true, recentTurns: [] });
    expect(ops!.memoryBudgetBytes).toBeGreaterThan(0n);
    expect(ops!.profiles.map(({ profile }) => profile)).toEqual(["default", "secret"]);
    expect(claimsOf(ops!)).toBe(3);
    expect(workersOf(ops!)).toEqual(
      expect.arrayContaining([mine, theirs, secret].map(({ started }) => started.workerId)),
    );
    for (const turn of [mine, theirs, secret]) expect(text(ops!)).not.toContain(turn.turnId);
    for (const pool of [acme, umbrella, ops]) expect(text(pool!)).not.toContain("words");
  });

  it("let nobody but the tenant see which turn a worker runs", async () => {
    const abort = new AbortController();
    const reading = readTurn(clients.acme.streamChat({ prompt: "[[scenario stall]]" }, { signal: abort.signal }));
    const states = clients.acme.watchPool(often)[Symbol.asyncIterator]();
    const { workers } = await untilPool(states, (now) => now.workers.some(({ turnId }) => turnId !== ""));
    const { workerId, turnId } = workers.find((worker) => worker.turnId !== "")!;
    const seen = (pool: PoolState) => pool.workers.find((worker) => worker.workerId === workerId);
    expect(seen(await poolOf(clients.ops))).toMatchObject({
      state: WorkerState.CLAIMED,
      tenant: "acme",
      turnId: "",
    });
    const theirs = await poolOf(clients.umbrella);
    expect(seen(theirs)).toBeUndefined();
    expect(text(theirs)).not.toContain(turnId);
    await states.return?.();
    abort.abort();
    await reading;
  });
});

describe("a turn that is traced", () => {
  it("is told with the id of its trace, as the collector has it", async () => {
    const sink = await openOtlpSink();
    const scene = await openScene({ settings: { telemetry: { otlpEndpoint: sink.url, traceSampleRatio: 1 } } });
    try {
      const traceId = "0123456789abcdef0123456789abcdef";
      const told = async (flags: string) => {
        const headers = { traceparent: `00-${traceId}-0123456789abcdef-${flags}` };
        const { turnId } = await readTurn(scene.client.streamChat({ prompt: "hi" }, { headers }));
        const { pool } = await scene.client.getPool();
        return pool?.recentTurns.find((turn) => turn.turnId === turnId)?.traceId;
      };
      expect(await told("01")).toBe(traceId);
      expect(await told("00"), "the caller wants none, and no collector gets one").toBe("");
    } finally {
      await scene.close();
      await sink.close();
    }
  });
});

describe("a watch", () => {
  it("is not bound by the longest deadline of a turn, and is over when the server shuts down", async () => {
    const scene = await openScene({
      settings: { auth, calls: { maxTimeoutMs: 2_000, defaultTimeoutMs: 1_000 } },
    });
    try {
      const kinds = transportKinds.filter(({ tls }) => !tls);
      const clients = kinds.map((kind) => kind.connect(scene.target));
      const watches = clients.map((client) => client.watchPool(often)[Symbol.asyncIterator]());
      await Promise.all(watches.map((states) => states.next()));
      // Longer than any turn may last, by the server's clock: one that ends at its deadline has been there and is over.
      const late = await failureOf(scene.client.streamChat({ prompt: "[[scenario silence]]" }, { timeoutMs: 60_000 }));
      expect(late.code).toBe(Code.DeadlineExceeded);
      await Promise.all(watches.map((states) => untilPool(states, (pool) => pool.recentTurns[0]?.running === false)));

      const endings = watches.map((states) => failureOf(untilPool(states, () => false)));
      await scene.runner.stop({ drainTimeoutMs: 60_000 });
      for (const ending of await Promise.all(endings)) {
        expect(ending).toMatchObject({ code: Code.Unavailable, reason: "POOL_DRAINING" });
      }
      for (const client of clients) client.close();
    } finally {
      await scene.close();
    }
  });

  it("sees no more than its token may see by now, and is over when the token is taken away", async () => {
    const scene = await openScene({ settings: { auth } });
    try {
      const [tenant, operator] = [clientWith(scene, tenants.acme), clientWith(scene, operatorToken)];
      const [mine, all] = [tenant, operator].map((client) => client.watchPool(often)[Symbol.asyncIterator]());
      await mine!.next();
      expect((await all!.next()).value.pool).toMatchObject({ coversAllTenants: true });
      const tokens = [
        { tenant: "ops", sha256: sha256Of(operatorToken) },
        { tenant: "umbrella", sha256: sha256Of(tenants.umbrella) },
      ];
      await scene.runner.reload(testSettings(scene.standin.url, scene.workFolder, { auth: { tokens } }));
      const ended = failureOf(untilPool(mine!, () => false));
      const reduced = untilPool(all!, ({ coversAllTenants }) => !coversAllTenants);
      const theirs = clientWith(scene, tenants.umbrella);
      await readTurn(theirs.streamChat({ prompt: "hi" }));
      expect(await ended).toMatchObject({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED" });
      expect(await reduced).toMatchObject({ memoryBytes: 0n });
      await all!.return?.();
      for (const client of [tenant, operator, theirs]) client.close();
    } finally {
      await scene.close();
    }
  });
});
