/**
 * Who may write for a turn: whoever has the epoch under which it was given to them.
 *
 * It stands in the condition of the statement that writes; a check before it would be none. LeaseLost says what a
 * statement has found.
 */
import { LeaseLost, type TurnLease } from "../store.ts";

export function leaseLost({ turnId, epoch }: TurnLease): LeaseLost {
  return new LeaseLost(`turn ${turnId} has ended or belongs to another server; epoch ${epoch} may not write for it`);
}

/** What a statement with the lease in its condition has returned. */
export function held<Row>(lease: TurnLease, row: Row | undefined): Row {
  if (row === undefined) throw leaseLost(lease);
  return row;
}
