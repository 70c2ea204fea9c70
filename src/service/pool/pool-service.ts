/**
 * The handlers of PoolService: GetPool and WatchPool.
 *
 * What a caller may see is `pool-view.ts`, how it looks as a message `pool-state.ts`, when a watcher is told `watch.ts`.
 */
import {
  GetPoolRequestSchema,
  PoolService,
  type WatchPoolRequest,
  WatchPoolRequestSchema,
} from "../../../gen/claude/runner/v1/pool_pb.ts";
import type { Clock } from "../../clock.ts";
import type { ProfileSettings } from "../../config/profile-settings.ts";
import type { Caller } from "../../policy/auth.ts";
import { OpenWatches } from "../../policy/quota.ts";
import type { PoolSnapshot } from "../../pool/snapshot.ts";
import type { ActivityListener } from "../../pool/worker-pool.ts";
import { isRunnerError, RunnerError } from "../../runner-error.ts";
import type { RecentTurns } from "../../turns/observers/recent-turns.ts";
import { type Authenticate, type CallContext, callerOf, type ServedService, served } from "../calls.ts";
import { toConnectError } from "../errors.ts";
import { profilesOf } from "../in/requests.ts";
import { checkRules, invalidRequest, prepareRules } from "../in/rules.ts";
import { milliseconds } from "../protobuf.ts";
import { CallSpan, traced } from "../traced.ts";
import { type PoolStateInit, toPoolState } from "./pool-state.ts";
import { isVisible, poolView } from "./pool-view.ts";
import { watch } from "./watch.ts";

/** The pool as this service sees it. */
export interface WatchedPool {
  snapshot(): PoolSnapshot;
  onActivity(listener: ActivityListener): () => void;
}

export interface PoolParts {
  readonly pool: WatchedPool;
  readonly recentTurns: RecentTurns;
  readonly clock: Clock;
  readonly profiles: Readonly<Record<string, ProfileSettings>>;
  readonly authenticate: Authenticate;
}

const defaultRecentTurnCount = 20;
const defaultMinIntervalMs = 1_000;
const heartbeatMs = 10_000;
/** Watches of one tenant at once. Each costs a reading of the pool whenever something has changed. */
export const maxWatchesPerTenant = 32;

const methodName = (name: string) => `${PoolService.typeName}/${name}`;

/** PoolService as the listeners take it. */
export function poolService(parts: PoolParts): ServedService {
  prepareRules(GetPoolRequestSchema, WatchPoolRequestSchema);
  const reader = new PoolReader(parts);
  const openWatches = new OpenWatches(maxWatchesPerTenant);
  return served(
    PoolService,
    {
      getPool: (request, call) =>
        traced(methodName("GetPool"), call, parts.clock, async () => {
          try {
            const { violations } = checkRules(GetPoolRequestSchema, request);
            if (violations.length > 0) throw invalidRequest(violations);
            return { pool: reader.read(callerOf(call), request.recentTurnCount).state };
          } catch (error) {
            throw asStatus(error);
          }
        }),
      watchPool: (request, call) => watchPool(request, call, { ...parts, reader, openWatches }),
    },
    { isEndedAtDrain: true },
  );
}

interface WatchParts extends PoolParts {
  readonly reader: PoolReader;
  readonly openWatches: OpenWatches;
}

async function* watchPool(request: WatchPoolRequest, call: CallContext, parts: WatchParts) {
  const span = new CallSpan(methodName("WatchPool"), call, parts.clock);
  let leave = () => {};
  let failure: unknown;
  try {
    const { violations } = checkRules(WatchPoolRequestSchema, request);
    if (violations.length > 0) throw invalidRequest(violations);
    let caller = callerOf(call);
    leave = parts.openWatches.enter(caller.tenant);
    call.signal.addEventListener("abort", leave, { once: true });
    const states = watch({
      clock: parts.clock,
      signal: call.signal,
      minIntervalMs: request.minInterval === undefined ? defaultMinIntervalMs : milliseconds(request.minInterval),
      heartbeatMs,
      subscribe(changed) {
        // What happens to others does not even wake a watcher, so that not even its pace tells of them.
        const unsubscribePool = parts.pool.onActivity((tenant) => {
          if (isVisible(tenant, caller)) changed();
        });
        const unsubscribeTurns = parts.recentTurns.onChange((tenant) => {
          if (tenant === caller.tenant) changed();
        });
        return () => {
          unsubscribePool();
          unsubscribeTurns();
        };
      },
      read() {
        // A watch outlives the tokens that it was let in by: one that was taken away sees nothing more.
        caller = parts.authenticate(call.requestHeader.get("authorization") ?? undefined);
        return parts.reader.read(caller, request.recentTurnCount);
      },
    });
    for await (const pool of states) yield { pool };
  } catch (error) {
    failure = asStatus(error);
    throw failure;
  } finally {
    call.signal.removeEventListener("abort", leave);
    leave();
    span.end(failure ?? call.signal.reason ?? toConnectError(new RunnerError("CANCELLED", "cancelled")));
  }
}

/** Reads what a caller may see. */
class PoolReader {
  readonly #parts: PoolParts;
  readonly #startedAtMs: number;

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.now();
  }

  /** `mark` is the same for two states between which nothing but time has passed. */
  read(caller: Caller, recentTurnCount = defaultRecentTurnCount): { state: PoolStateInit; mark: string } {
    const { pool, recentTurns, clock, profiles } = this.#parts;
    const view = poolView(pool.snapshot(), { ...caller, profiles: profilesOf(caller, profiles) });
    const turns = recentTurns.of(caller.tenant, recentTurnCount);
    const moment = { nowMs: clock.now(), wallMs: clock.wallNow(), startedAtMs: this.#startedAtMs };
    const mark = JSON.stringify([view, turns], (_key, value) => (value instanceof Map ? [...value] : value));
    return { state: toPoolState(view, turns, moment), mark };
  }
}

/** What the caller gets. Mistakes of ours are the listener's to log. */
function asStatus(error: unknown): unknown {
  return isRunnerError(error) ? toConnectError(error) : error;
}
