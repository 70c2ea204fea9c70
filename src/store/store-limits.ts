/**
 * How much a store keeps and for how long. `config/settings.ts` has the same names; tests make them small.
 */

export interface StoreRetention {
  /** How long a turn without a session stays known after its end, in milliseconds. */
  readonly turnRecordMs: number;
  /** How long stored events stay after the end of their turn, in milliseconds. */
  readonly turnEventsMs: number;
  /** How long a `request_id` and its result stay after the end of their turn, in milliseconds. */
  readonly requestResultMs: number;
}

export interface StoreCaps {
  /** The words, results and events of all tenants together. The last tenth belongs to ends. */
  readonly maxBytes: number;
  readonly maxBytesPerTenant: number;
  readonly maxSessionsPerTenant: number;
  readonly maxRequestIdsPerTenant: number;
  /** Turns without a session: those that ended first make room. */
  readonly maxTurnsPerTenant: number;
}

export interface StoreLimits {
  readonly retention: StoreRetention;
  readonly caps: StoreCaps;
}

const hourMs = 3_600_000;
const gibibytes = 1024 ** 3;

export const defaultStoreLimits: StoreLimits = {
  retention: { turnRecordMs: 24 * hourMs, turnEventsMs: 600_000, requestResultMs: 24 * hourMs },
  caps: {
    maxBytes: 10 * gibibytes,
    maxBytesPerTenant: 4 * gibibytes,
    maxSessionsPerTenant: 100_000,
    maxRequestIdsPerTenant: 200_000,
    maxTurnsPerTenant: 1_000_000,
  },
};

/** What is left of the global cap for the ends of turns that were accepted before. */
export const endsShare = 0.1;
