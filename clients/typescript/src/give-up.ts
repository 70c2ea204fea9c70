/**
 * The end of a turn that goes on without its caller, when its caller leaves it.
 */
import type { Client } from "@connectrpc/connect";
import type { TurnService } from "./gen/claude/runner/v1/turn_pb.ts";

/** How long the server may take to end it, in milliseconds. */
const interruptTimeoutMs = 5_000;

export interface LeftTurn {
  /** Empty while the server has not said it. */
  readonly turnId: string;
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Interrupts the turn, as well as it can: what goes wrong is of no use to anybody any more. */
export async function giveUp(
  turns: Client<typeof TurnService>,
  { turnId, requestId, headers }: LeftTurn,
): Promise<void> {
  const endsAtMs = performance.now() + interruptTimeoutMs;
  const options = () => ({ headers, timeoutMs: Math.max(1, Math.ceil(endsAtMs - performance.now())) });
  try {
    const which = { turn: { case: "requestId" as const, value: requestId } };
    const id = turnId === "" ? (await turns.getTurn(which, options())).turn?.id : turnId;
    if (id !== undefined) await turns.interruptTurn({ turnId: id }, options());
  } catch {
    // The turn ends by its own limits then.
  }
}
