/**
 * Which turn: by its id, or by the `request_id` of the call that began it.
 */

/** A turn's id, or an object with one of the two. */
export type TurnName = string | { readonly turnId: string } | { readonly requestId: string };

/** As requests have it. */
export function named(turn: TurnName) {
  if (typeof turn === "string") return { case: "turnId", value: turn } as const;
  return "turnId" in turn
    ? ({ case: "turnId", value: turn.turnId } as const)
    : ({ case: "requestId", value: turn.requestId } as const);
}
