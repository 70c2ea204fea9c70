/**
 * What a case is: something that is done with a worker before it is reset, and what the reset has to come to.
 */
import type { CliCapabilities } from "../cli/program/capabilities.ts";
import type { LaneName } from "./lanes.ts";
import type { Lease } from "./lease.ts";

export interface ResetCase {
  /** What is done, in a few words; also what `--only` is compared with. */
  readonly name: string;
  readonly lane: LaneName;
  /**
   * `clean`: the reset has to succeed, and nothing may be left. `mayEnd`: it may also refuse. `mustEnd`: it has to refuse,
   * since something is left that no reset removes.
   */
  readonly reset: "clean" | "mayEnd" | "mustEnd";
  /** What the CLI has to be able to for it. */
  readonly needs?: keyof Pick<CliCapabilities, "seeding" | "literalPrompts">;
  /** How many leases in a row on the same worker. Default 2. */
  readonly leaseCount?: number;
  /** Whether it may come up in a random walk. Default: those that end clean without waiting for retries. */
  readonly inWalk?: boolean;
  play(lease: Lease): Promise<unknown>;
}

/** The cases of one file: the same heading in the table, mostly on the same lane. */
export interface CaseGroup {
  readonly name: string;
  readonly cases: readonly ResetCase[];
}
