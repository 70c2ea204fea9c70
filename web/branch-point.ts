/**
 * Where a conversation is copied to when an earlier prompt is asked again. Pure.
 */
import type { Turn as TurnRecord } from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";

/** `here`: nothing came after it, so the conversation itself goes on. */
export type BranchPoint = { readonly kind: "here" } | { readonly kind: "before"; readonly turnId: string };

/**
 * A turn that failed or was stopped is no part of the conversation, so the copy ends before the next one that is. One that
 * the server never took in is not there at all.
 */
export function branchPointOf(
  turns: readonly Pick<TurnRecord, "id" | "inConversation">[],
  turnId: string,
): BranchPoint {
  const index = turns.findIndex(({ id }) => id === turnId);
  const next = index < 0 ? undefined : turns.slice(index).find(({ inConversation }) => inConversation);
  return next === undefined ? { kind: "here" } : { kind: "before", turnId: next.id };
}
