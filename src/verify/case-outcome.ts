/**
 * What a case of the suite can come to, and which of that is a failure. Words and rules only.
 */
import type { Difference } from "./compare.ts";

export type CaseOutcome =
  /** The reset was clean, and the next request was byte for byte a fresh worker's. */
  | { readonly kind: "identical"; readonly note?: string }
  /** Nothing was where it does not belong; for what is no comparison of requests. */
  | { readonly kind: "clean" }
  /** The worker was ended instead of being used again. Safe, whether it had to be or only may. */
  | { readonly kind: "ended"; readonly expected: boolean; readonly why: string }
  /** Something crossed over. */
  | { readonly kind: "leak"; readonly what: string; readonly difference?: Difference }
  /** The worker had to end and was given out again. */
  | { readonly kind: "notEnded" }
  /** This CLI, or this machine, cannot show it. */
  | { readonly kind: "notApplicable"; readonly reason: string }
  /** It could not be carried out, so that nothing is proven. */
  | { readonly kind: "broken"; readonly error: string };

/** What a case came to, with what the table shows of it. */
export interface CaseResult {
  readonly group: string;
  readonly name: string;
  readonly outcome: CaseOutcome;
  /** How often it was played; 0 for what is looked at only. */
  readonly leaseCount: number;
  readonly durationMs: number;
}

/** Whether the suite fails by it. A case that cannot be carried out is one: there is no proof then. */
export function isFailure({ kind }: CaseOutcome): boolean {
  switch (kind) {
    case "leak":
    case "notEnded":
    case "broken":
      return true;
    case "identical":
    case "clean":
    case "ended":
    case "notApplicable":
      return false;
    default:
      return kind satisfies never;
  }
}

/** The outcome that says most, of the leases of one case: the first failure, else the first that is not the usual one. */
export function gravest(outcomes: readonly CaseOutcome[]): CaseOutcome {
  return (
    outcomes.find(isFailure) ??
    outcomes.find(({ kind }) => kind === "notApplicable") ??
    outcomes.find((outcome) => outcome.kind === "ended" && !outcome.expected) ??
    outcomes.find(({ kind }) => kind === "ended") ??
    outcomes.find((outcome) => outcome.kind === "identical" && outcome.note !== undefined) ??
    outcomes[0] ?? { kind: "broken", error: "nothing was played" }
  );
}

/** An error in one line, for a table. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.split("\n", 1)[0] ?? "";
}
