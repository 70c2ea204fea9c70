/**
 * What a pool is made of: its profiles, its settings, and the outside world that it reaches through them.
 */
import type { Clock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { SessionLaunch } from "../session-launch.ts";
import type { Log } from "../telemetry/log.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { ParkingLimits } from "./parking.ts";
import type { KeepingLimits } from "./reset-timing.ts";

/** What the pool has to know of a profile. */
export interface PoolProfile extends KeepingLimits, ParkingLimits {
  readonly minSpares: number;
  readonly maxWorkers: number;
  /** Whether a worker serves many turns; see `reusesWorkers` of the settings. */
  readonly reuse: boolean;
  /** Places of `maxWorkers` that a tenant with a running turn leaves to others, where several tenants share the profile. */
  readonly keptPlaces: number;
}

/** What the pool has to know of the tenants; the answers may change when tokens do. */
export interface PoolTenants {
  /** How much of the workers a tenant is to have in comparison with others: 1 unless said otherwise. */
  weightOf(tenant: string): number;
  /** Whether more than one tenant may use the profile. */
  areSeveral(profile: string): boolean;
}

/** The parts of the settings that the pool looks at; the settings as a whole fit. */
export type PoolSettings = Pick<Settings, "pool" | "queue"> & {
  readonly cli: Pick<Settings["cli"], "recheckIntervalMs">;
};

export interface PoolOptions {
  readonly profiles: Readonly<Record<string, PoolProfile>>;
  readonly settings: PoolSettings;
  readonly tenants: PoolTenants;
  /**
   * Starts the process of a worker, perhaps for one session; the pool then waits for its `ready`. Rejects with
   * CLI_UNAVAILABLE when there is nothing to start, and with SESSION_SUSPENDED when the session cannot go on. The signal
   * aborts when the start is not wanted any more.
   */
  readonly startWorker: (profile: string, signal: AbortSignal, session?: SessionLaunch) => Promise<WorkerProcess>;
  readonly clock: Clock;
  /** Like Math.random. */
  readonly random: () => number;
  readonly log: Log;
}
