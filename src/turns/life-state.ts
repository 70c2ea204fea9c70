/**
 * How far a turn has come: a union, and the moves that there are between its members.
 *
 * ```
 * admitted ──▶ waiting ──a worker──▶ preparing ──the prompt is written──▶ running ──its end──▶ ended
 *     │           │ ▲                  │   │                                                    ▲
 *     │           │ └──────────────────┘   │    the worker died before it had the prompt        │
 *     └───────────┴────────────────────────┴──refused, cancelled, failed────────────────────────┘
 * ```
 */
import type { Claim } from "../pool/claim.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { RunningTurn } from "../worker-process.ts";

export type LifeState =
  /** It is checked, and nobody has asked yet whether it may begin. */
  | { readonly kind: "admitted" }
  /** For its tenant's admission, then for a worker. */
  | { readonly kind: "waiting" }
  /** A worker is its own: it is bound, configured and seeded, and takes the prompt. */
  | { readonly kind: "preparing"; readonly claim: Claim }
  /** The prompt is with the worker. From here on the turn may have cost money, and nobody repeats it. */
  | { readonly kind: "running"; readonly claim: Claim; readonly running: RunningTurn }
  /** Over, with the worker's account of it. Its last events may still be read. */
  | { readonly kind: "ended"; readonly running: RunningTurn; readonly end: TurnEnd }
  /** Over before any worker had the prompt. */
  | { readonly kind: "notStarted"; readonly error: unknown };

const moves: Readonly<Record<LifeState["kind"], readonly LifeState["kind"][]>> = {
  admitted: ["waiting"],
  waiting: ["preparing", "notStarted"],
  preparing: ["running", "waiting", "notStarted"],
  running: ["ended"],
  ended: [],
  notStarted: [],
};

export function canMove(from: LifeState, to: LifeState): boolean {
  return moves[from.kind].includes(to.kind);
}

/** Whether a worker got the whole prompt. */
export function hasPrompt({ kind }: LifeState): boolean {
  return kind === "running" || kind === "ended";
}
