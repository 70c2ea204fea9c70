/**
 * What PoolService promises its callers, as one suite for every way to call it: `poolContract(kind, scene)`.
 *
 * Runs against a whole server with the real CLI. When a watcher is told is in test/service, with a clock of its own.
 */
import { Code } from "@connectrpc/connect";
import { afterAll, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { type PoolState, type WatchPoolResponse, WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome, type Stages } from "../../gen/claude/runner/v1/result_pb.ts";
import { milliseconds } from "../../src/service/protobuf.ts";
import { model, type Scene } from "../e2e/scene.ts";
import { type ContractClient, failureOf, type TransportKind } from "./transports.ts";
import { readTurn } from "./turn.ts";

/** As often as may be asked for. */
const often = { minInterval: { nanos: 100_000_000 } } as const;

/** The stages that are over, in milliseconds. */
export function stagesOf(stages: Stages | undefined): Partial<Record<Exclude<keyof Stages, `$${string}`>, number>> {
  const { $typeName, ...of } = stages ?? ({} as Stages);
  return Object.fromEntries(
    Object.entries(of).flatMap(([name, took]) =>
      typeof took === "object" && took !== null && "seconds" in took ? [[name, milliseconds(took)]] : [],
    ),
  );
}

/** Reads on until a state fits. */
export async function untilPool(
  states: AsyncIterator<{ readonly pool?: PoolState | undefined }>,
  fits: (pool: PoolState) => boolean,
): Promise<PoolState> {
  for (;;) {
    const { value, done } = await states.next();
    if (done) throw new Error("the watch ended");
    if (value.pool !== undefined && fits(value.pool)) return value.pool;
  }
}

export function poolContract(kind: TransportKind, theScene: () => Scene): void {
  describe(kind.name, () => {
    let connected: ContractClient | undefined;
    const client = () => {
      connected ??= kind.connect(theScene().target);
      return connected;
    };
    afterAll(() => connected?.close());

    /** A watch that is left when `use` is done with it. */
    const watching = async (use: (states: AsyncIterator<WatchPoolResponse>) => Promise<void>) => {
      const abort = new AbortController();
      const states = client().watchPool(often, { signal: abort.signal })[Symbol.asyncIterator]();
      await use(states);
      const rest = states.next().catch((error: unknown) => error);
      abort.abort();
      expect(await rest).toMatchObject({ code: Code.Canceled });
    };

    it("shows a turn while it runs, on its worker, with the stages so far, and that it was cancelled", () =>
      watching(async (states) => {
        const abort = new AbortController();
        let turnId = "";
        // Two pieces of text, and then nothing more.
        const reading = readTurn(
          client().streamChat({ prompt: "[[scenario stall]]" }, { signal: abort.signal }),
          (response) => {
            turnId = response.turnId;
          },
        );
        const mine = ({ recentTurns }: PoolState) =>
          recentTurns.find((turn) => turnId !== "" && turn.turnId === turnId);
        const pool = await untilPool(states, (now) => stagesOf(mine(now)?.stages).firstText !== undefined);
        const running = mine(pool);
        expect(running).toMatchObject({ running: true, profile: "default", model, outcome: Outcome.UNSPECIFIED });
        expect(pool.workers.filter((worker) => worker.turnId === turnId)).toMatchObject([
          { workerId: running?.workerId, state: WorkerState.CLAIMED, tenant: "acme", profile: "default" },
        ]);
        expect(stagesOf(running?.stages).turn).toBeUndefined();

        abort.abort();
        await reading;
        const ended = mine(await untilPool(states, (now) => mine(now)?.running === false));
        expect(ended).toMatchObject({ outcome: Outcome.CANCELLED, workerId: running?.workerId });
        expect(stagesOf(ended?.stages)).toMatchObject({ firstText: stagesOf(running?.stages).firstText });
        expect(stagesOf(ended?.stages).total).toBeGreaterThan(stagesOf(running?.stages).total!);
      }));

    it("shows a turn that has ended with the worker, the stages, the tokens and the cost of its result", async () => {
      const { result, started, turnId } = await readTurn(client().streamChat({ prompt: "hi" }));
      const { pool } = await client().getPool();
      expect(pool?.recentTurns[0]).toMatchObject({
        turnId,
        running: false,
        outcome: Outcome.COMPLETED,
        workerId: started.workerId,
        claimSource: started.claimSource,
        stages: result.stages,
        usage: result.usage,
        costUsdMicros: result.costUsdMicros,
      });
    });

    it("counts how turns got their workers, and tells the workers that are the caller's or nobody's", async () => {
      const countOf = ({ pool }: { pool?: PoolState | undefined }) =>
        pool?.profiles
          .find(({ profile }) => profile === "default")
          ?.claimCounts.reduce((sum, { count }) => sum + Number(count), 0) ?? 0;
      const before = countOf(await client().getPool());
      const { started } = await readTurn(client().streamChat({ prompt: "hi" }));
      expect([ClaimSource.REUSED, ClaimSource.SPARE, ClaimSource.COLD_NO_SPARE]).toContain(started.claimSource);
      const { pool } = await client().getPool();
      expect(countOf({ pool })).toBe(before + 1);
      expect(pool).toMatchObject({ serving: true, draining: false, coversAllTenants: false, memoryBudgetBytes: 0n });
      for (const { tenant } of pool?.workers ?? []) expect(["", "acme"]).toContain(tenant);
    });

    it("shows who waits for a worker and since when, and why a turn got none", () =>
      watching(async (states) => {
        const profile = "narrow";
        const [busy, late] = [new AbortController(), new AbortController()];
        // The profile's one worker is busy until it is told otherwise.
        const occupying = failureOf(
          client().streamChat({ prompt: "[[scenario silence]]", profile }, { signal: busy.signal }),
        );
        const claimed = ({ workers }: PoolState) =>
          workers.some((worker) => worker.profile === profile && worker.state === WorkerState.CLAIMED);
        await untilPool(states, claimed);
        const waiting = failureOf(client().chat({ prompt: "hi", profile }, { signal: late.signal }));
        const queued = ({ profiles }: PoolState) => profiles.find((of) => of.profile === profile);
        const pool = await untilPool(states, (now) => queued(now)?.waitingCount === 1);
        expect(queued(pool)?.oldestWait).toBeDefined();
        const [turn] = pool.recentTurns;
        expect(turn).toMatchObject({ running: true, profile, workerId: "", claimSource: ClaimSource.UNSPECIFIED });

        late.abort();
        await waiting;
        const same = ({ recentTurns }: PoolState) => recentTurns.find(({ turnId }) => turnId === turn?.turnId);
        // It leaves the queue a moment before its end is known.
        const after = await untilPool(states, (now) => queued(now)?.waitingCount === 0 && same(now)?.running === false);
        expect(queued(after)?.oldestWait).toBeUndefined();
        expect(same(after)).toMatchObject({
          running: false,
          outcome: Outcome.UNSPECIFIED,
          errorReason: ErrorReason.CANCELLED,
          workerId: "",
        });
        busy.abort();
        await occupying;
        await untilPool(states, (now) => !claimed(now));
      }));
  });
}
