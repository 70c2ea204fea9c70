/**
 * How what is kept fares, for those who ask: where it is, and what is wrong with it.
 */
import type { OpenedStore } from "./open-store.ts";

export interface StorageReport {
  readonly kind: "memory" | "sqlite";
  /** In a sentence each. `undefined`: nothing is wrong. */
  readonly problem: { readonly forOperators: string; readonly forTenants: string } | undefined;
}

/** What is wrong now, else what was wrong with the place when the store was opened. */
export function storageReport({ store, warning }: Pick<OpenedStore, "store" | "warning">): StorageReport {
  const { problem } = store.health();
  if (problem !== undefined) return { kind: store.kind, problem: { forOperators: problem, forTenants: problem } };
  if (warning === undefined) return { kind: store.kind, problem: undefined };
  const { summary, cause } = warning;
  return { kind: store.kind, problem: { forOperators: `${summary}: ${cause}`, forTenants: summary } };
}
