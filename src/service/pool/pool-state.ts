/**
 * A view of the pool, with the turns that go with it, as the PoolState that callers get.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type PoolStateSchema, StartsState, WorkerState } from "../../../gen/claude/runner/v1/pool_pb.ts";
import type { ClaimSource } from "../../pool/claim.ts";
import type { ProfileSnapshot, WorkerSnapshot } from "../../pool/snapshot.ts";
import type { RecentTurn } from "../../turns/observers/recent-turns.ts";
import { claimSources } from "../out/proto-events.ts";
import { errorReason, outcomes, toStages, toUsage } from "../out/result.ts";
import { duration, int64, timestamp } from "../protobuf.ts";
import type { PoolView, ProfileView } from "./pool-view.ts";

export type PoolStateInit = MessageInitShape<typeof PoolStateSchema>;

/** When it is told. */
export interface Moment {
  /** The clock's `now()`. */
  readonly nowMs: number;
  /** The same in milliseconds since 1970. */
  readonly wallMs: number;
  /** When the server started, on the clock's `now()`. */
  readonly startedAtMs: number;
}

/** In the order of the enum: so are the counts told. */
const workerStates = {
  starting: WorkerState.STARTING,
  spare: WorkerState.SPARE,
  boundIdle: WorkerState.BOUND_IDLE,
  claimed: WorkerState.CLAIMED,
  resetting: WorkerState.RESETTING,
  checking: WorkerState.CHECKING,
  stopping: WorkerState.STOPPING,
} as const satisfies Record<WorkerSnapshot["kind"], WorkerState>;
const workerKinds = Object.keys(workerStates) as (keyof typeof workerStates)[];

const startsStates = {
  normal: StartsState.NORMAL,
  failing: StartsState.FAILING,
  cliUnavailable: StartsState.CLI_UNAVAILABLE,
} as const satisfies Record<ProfileSnapshot["starts"], StartsState>;

export function toPoolState(view: PoolView, turns: readonly RecentTurn[], moment: Moment): PoolStateInit {
  return {
    readTime: timestamp(moment.wallMs),
    serving: view.isServing,
    draining: view.isDraining,
    coversAllTenants: view.coversAllTenants,
    uptime: duration(moment.nowMs - moment.startedAtMs),
    memoryBytes: int64(view.memoryBytes),
    memoryBudgetBytes: int64(view.memoryBudgetBytes),
    profiles: view.profiles.map((profile) => toProfile(profile, view, moment)),
    workers: view.workers.map((worker) => toWorker(worker, moment)),
    recentTurns: turns.map((turn) => toTurn(turn, moment)),
  };
}

function toProfile(of: ProfileView, { maxWaitingCount }: PoolView, { nowMs }: Moment) {
  const sources = Object.keys(claimSources) as ClaimSource[];
  return {
    profile: of.profile,
    ready: of.isReady,
    workerCounts: workerKinds.flatMap((kind) => {
      const count = of.workerCounts.get(kind) ?? 0;
      return count === 0 ? [] : { state: workerStates[kind], count };
    }),
    maxWorkerCount: of.maxWorkers,
    minSpareCount: of.minSpares,
    waitingCount: of.waitingCount,
    maxWaitingCount,
    ...(of.oldestSinceMs !== undefined && { oldestWait: duration(nowMs - of.oldestSinceMs) }),
    claimCounts: sources.flatMap((source) => {
      const count = of.claims[source];
      return count === 0 ? [] : { source: claimSources[source], count: int64(count) };
    }),
    starts: startsStates[of.starts],
  };
}

function toWorker(worker: WorkerSnapshot, { nowMs }: Moment) {
  return {
    workerId: worker.id,
    profile: worker.profile,
    state: workerStates[worker.kind],
    stateAge: duration(nowMs - worker.sinceMs),
    age: duration(nowMs - worker.startedAtMs),
    turnCount: worker.givenTurnCount,
    turnId: worker.turnId ?? "",
    tenant: worker.tenant ?? "",
    memoryBytes: int64(worker.memoryBytes ?? 0),
  };
}

function toTurn(turn: RecentTurn, { nowMs }: Moment) {
  const times = turn.isRunning ? { ...turn.times, total: nowMs - turn.arrivedAtMs } : turn.times;
  return {
    turnId: turn.turnId,
    profile: turn.profile,
    model: turn.model,
    arrivalTime: timestamp(turn.arrivedAtWallMs),
    running: turn.isRunning,
    ...(turn.outcome !== undefined && { outcome: outcomes[turn.outcome] }),
    ...(turn.errorReason !== undefined && { errorReason: errorReason(turn.errorReason) }),
    ...(turn.claimSource !== undefined && { claimSource: claimSources[turn.claimSource] }),
    workerId: turn.workerId ?? "",
    stages: toStages(times, turn.apiMs),
    ...(turn.usage !== undefined && { usage: toUsage(turn.usage) }),
    costUsdMicros: int64(turn.costUsdMicros),
    costIsEstimate: turn.costIsEstimate,
    traceId: turn.traceId,
  };
}
