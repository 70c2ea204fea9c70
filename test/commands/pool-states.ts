/** A state of the pool for tests of how it is shown. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason } from "../../gen/claude/runner/v1/error_pb.ts";
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { type PoolState, PoolStateSchema, StartsState, WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { duration, timestamp } from "../../src/service/protobuf.ts";

export const readAtMs = Date.UTC(2026, 0, 1);

/** Two profiles, one of them in trouble; a turn that runs, one that ended, one that was refused. */
export function busyPool(changes: MessageInitShape<typeof PoolStateSchema> = {}): PoolState {
  return create(PoolStateSchema, {
    readTime: timestamp(readAtMs),
    serving: true,
    coversAllTenants: true,
    uptime: duration(3 * 3_600_000),
    memoryBytes: 512n * 1024n ** 2n,
    memoryBudgetBytes: 2n * 1024n ** 3n,
    profiles: [
      {
        profile: "default",
        ready: true,
        workerCounts: [
          { state: WorkerState.SPARE, count: 2 },
          { state: WorkerState.CLAIMED, count: 1 },
        ],
        maxWorkerCount: 8,
        minSpareCount: 2,
        waitingCount: 3,
        maxWaitingCount: 64,
        oldestWait: duration(1_500),
        claimCounts: [
          { source: ClaimSource.REUSED, count: 1_234n },
          { source: ClaimSource.COLD_NO_SPARE, count: 1n },
        ],
        starts: StartsState.NORMAL,
      },
      {
        profile: "tools",
        ready: false,
        maxWorkerCount: 1,
        maxWaitingCount: 64,
        starts: StartsState.CLI_UNAVAILABLE,
      },
    ],
    workers: [
      { workerId: "w1", profile: "default", state: WorkerState.SPARE, stateAge: duration(9_000), age: duration(9_500) },
      {
        workerId: "w2",
        profile: "default",
        state: WorkerState.CLAIMED,
        stateAge: duration(2_000),
        age: duration(7_200_000),
        turnCount: 12,
        turnId: "0123456789abcdef",
        tenant: "acme",
        memoryBytes: 100n * 1024n ** 2n,
      },
      { workerId: "w3", profile: "default", state: WorkerState.SPARE, stateAge: duration(1), age: duration(1) },
    ],
    recentTurns: [
      {
        turnId: "0123456789abcdef",
        profile: "default",
        model: "claude-opus-5-5",
        arrivalTime: timestamp(readAtMs - 2_000),
        running: true,
        claimSource: ClaimSource.REUSED,
        workerId: "w2",
        stages: { queueWait: duration(1_000), claim: duration(0), stdinWrite: duration(0), total: duration(2_000) },
      },
      {
        turnId: "fedcba9876543210",
        profile: "default",
        model: "claude-opus-5-5",
        arrivalTime: timestamp(readAtMs - 60_000),
        outcome: Outcome.COMPLETED,
        claimSource: ClaimSource.SPARE,
        workerId: "w1",
        stages: {
          queueWait: duration(0),
          claim: duration(0),
          stdinWrite: duration(1),
          firstText: duration(119),
          arrivalToFirstText: duration(120),
          turn: duration(399),
          total: duration(400),
        },
      },
      {
        turnId: "aaaaaaaabbbbbbbb",
        profile: "tools",
        model: "claude-opus-5-5",
        arrivalTime: timestamp(readAtMs - 3_600_000),
        errorReason: ErrorReason.QUEUE_FULL,
        stages: { total: duration(1) },
      },
    ],
    ...changes,
  });
}
