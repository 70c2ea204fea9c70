/**
 * A pool at work, for tests and pictures: two profiles, workers in every state, turns of every kind.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import {
  type PoolState,
  PoolStateSchema,
  type PoolWorkerSchema,
  type RecentTurn,
  RecentTurnSchema,
  StartsState,
  WorkerState,
} from "../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";

type WorkerInit = MessageInitShape<typeof PoolWorkerSchema>;

const ms = (milliseconds: number) => ({
  seconds: BigInt(Math.floor(milliseconds / 1000)),
  nanos: Math.round((milliseconds % 1000) * 1e6),
});
const nowSeconds = 1_795_800_000;
const ago = (milliseconds: number) => ms(nowSeconds * 1000 - milliseconds);

const states = [
  WorkerState.CLAIMED,
  WorkerState.CLAIMED,
  WorkerState.CLAIMED,
  WorkerState.BOUND_IDLE,
  WorkerState.BOUND_IDLE,
  WorkerState.SPARE,
  WorkerState.SPARE,
  WorkerState.RESETTING,
  WorkerState.STARTING,
] as const;

function worker(state: WorkerState, index: number): WorkerInit {
  const isNew = state === WorkerState.STARTING || state === WorkerState.SPARE;
  return {
    workerId: `w${(index * 7919 + 40_503).toString(36)}`,
    profile: index === 8 ? "coder" : "default",
    state,
    stateAge: ms(400 + index * 1_350),
    age: ms(isNew ? 9_000 + index * 700 : 1_400_000 - index * 90_000),
    turnCount: isNew ? 0 : 240 - index * 31,
    tenant: isNew ? "" : index % 2 === 0 ? "acme" : "umbrella",
    memoryBytes: state === WorkerState.STARTING ? 0n : BigInt(118_000_000 + index * 7_300_000),
  };
}

interface Timing {
  readonly queue?: number;
  readonly bind?: number;
  readonly history?: number;
  readonly first: number;
  readonly total: number;
}

function ended(
  index: number,
  { queue, bind, history, first, total }: Timing,
  change: { readonly claimSource?: ClaimSource; readonly outcome?: Outcome } = {},
): RecentTurn {
  const before = (queue ?? 0) + (bind ?? 0) + (history ?? 0) + 2;
  return create(RecentTurnSchema, {
    turnId: `0f1c6f5e-2d4a-4c1b-9d52-00000000000${index}`,
    traceId: `4bf92f3577b34da6a3ce929d0e0e473${index}`,
    profile: "default",
    model: "claude-opus-5-5",
    arrivalTime: ago(3_000 + index * 11_000),
    outcome: Outcome.COMPLETED,
    claimSource: ClaimSource.REUSED,
    workerId: `w${((index % 5) * 7919 + 40_503).toString(36)}`,
    stages: {
      ...(queue !== undefined && { queueWait: ms(queue) }),
      claim: ms(1),
      ...(bind !== undefined && { bind: ms(bind) }),
      ...(history !== undefined && { seedHistory: ms(history) }),
      stdinWrite: ms(1),
      firstEvent: ms(first * 0.3),
      firstText: ms(first),
      arrivalToFirstText: ms(before + first),
      turn: ms(total - before),
      total: ms(total),
    },
    usage: { outputTokenCount: BigInt(90 + index * 37) },
    costUsdMicros: BigInt(3_000 + index * 1_700),
    ...change,
  });
}

/** The same turn while it was still running. */
function running(turn: RecentTurn): RecentTurn {
  const stages = { claim: ms(0.4), stdinWrite: ms(0.3), firstEvent: ms(280), firstText: ms(900), total: ms(1_900) };
  const { turnId, traceId, profile, model, claimSource, workerId, arrivalTime } = turn;
  return create(RecentTurnSchema, {
    ...{ turnId, traceId, profile, model, claimSource, workerId, arrivalTime, stages },
    running: true,
  });
}

export function busyPool(): PoolState {
  return create(PoolStateSchema, {
    readTime: { seconds: BigInt(nowSeconds), nanos: 0 },
    serving: true,
    coversAllTenants: true,
    uptime: ms(5_025_000),
    memoryBytes: 1_240_000_000n,
    memoryBudgetBytes: 4_000_000_000n,
    profiles: [
      {
        profile: "coder",
        ready: true,
        workerCounts: [{ state: WorkerState.STARTING, count: 1 }],
        maxWorkerCount: 2,
        minSpareCount: 1,
        maxWaitingCount: 64,
        claimCounts: [
          { source: ClaimSource.SPARE, count: 14n },
          { source: ClaimSource.COLD_NO_SPARE, count: 3n },
        ],
        starts: StartsState.NORMAL,
      },
      {
        profile: "default",
        ready: true,
        workerCounts: [
          { state: WorkerState.SPARE, count: 2 },
          { state: WorkerState.BOUND_IDLE, count: 2 },
          { state: WorkerState.CLAIMED, count: 3 },
          { state: WorkerState.RESETTING, count: 1 },
        ],
        maxWorkerCount: 16,
        minSpareCount: 2,
        waitingCount: 5,
        maxWaitingCount: 64,
        oldestWait: ms(1_240),
        claimCounts: [
          { source: ClaimSource.REUSED, count: 1_204n },
          { source: ClaimSource.SPARE, count: 178n },
          { source: ClaimSource.COLD_NO_SPARE, count: 21n },
        ],
        starts: StartsState.NORMAL,
      },
    ],
    workers: states.map(worker),
    recentTurns: [
      running(ended(0, { first: 900, total: 1_900 })),
      ended(1, { first: 640, total: 3_120 }),
      ended(2, { queue: 820, bind: 110, first: 590, total: 2_480 }, { claimSource: ClaimSource.SPARE }),
      ended(3, { history: 160, first: 710, total: 4_020 }),
      create(RecentTurnSchema, {
        turnId: "0f1c6f5e-2d4a-4c1b-9d52-000000000009",
        profile: "default",
        model: "claude-opus-5-5",
        arrivalTime: ago(40_000),
        errorReason: ErrorReason.QUEUE_TIMEOUT,
        stages: { queueWait: ms(30_000), total: ms(30_000) },
      }),
      ended(5, { first: 560, total: 1_310 }, { outcome: Outcome.CANCELLED }),
    ],
  });
}
