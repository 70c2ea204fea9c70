/**
 * What a turn has cost whose call is over for its caller, because that has cancelled it: the pool's view knows.
 */
import { createClient, type Transport } from "@connectrpc/connect";
import { PoolService } from "../../gen/claude/runner/v1/pool_pb.ts";
import type { Usage } from "../../gen/claude/runner/v1/result_pb.ts";

/** What is asked for about a turn; an ended turn and its result have it alike. */
export interface TurnCost {
  readonly usage?: Usage | undefined;
  readonly costUsdMicros: bigint;
  readonly costIsEstimate: boolean;
}

/** As long as an interrupted turn needs to end, and a person to wait. In milliseconds. */
const patienceMs = 2_000;
/** Other turns of the tenant may have begun since. */
const often = { recentTurnCount: 100, minInterval: { nanos: 100_000_000 } };

/** Waits until the turn has ended. `undefined`: it did not begin, did not end soon, or the server does not tell. */
export async function costAfterAll(transport: Transport, turnId: string): Promise<TurnCost | undefined> {
  if (turnId === "") return undefined;
  try {
    const states = createClient(PoolService, transport).watchPool(often, { timeoutMs: patienceMs });
    for await (const { pool } of states) {
      const turn = pool?.recentTurns.find((recent) => recent.turnId === turnId);
      if (turn !== undefined && !turn.running) return turn;
    }
  } catch {
    // What is not told is left out; the turn was interrupted all the same.
  }
  return undefined;
}
