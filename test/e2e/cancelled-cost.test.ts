/** What a turn cost whose caller never saw its result, asked for afterwards, on the real Claude Code. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecentTurn } from "../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { untilPool } from "../contract/pool.ts";
import { readTurn } from "../contract/turn.ts";
import { openScene, type Scene } from "./scene.ts";

/** Text that stops in the middle. */
const prompt = "[[scenario stall]]";

describe("the cost of a turn whose caller never saw its result", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  /** The turn as its tenant sees it when it is over. */
  async function ended(turnId: string): Promise<RecentTurn> {
    const of = (turns: readonly RecentTurn[]) => turns.find((turn) => turn.turnId === turnId && !turn.running);
    const watch = new AbortController();
    const states = scene.client.watchPool({ recentTurnCount: 10 }, { signal: watch.signal })[Symbol.asyncIterator]();
    const state = await untilPool(states, ({ recentTurns }) => of(recentTurns) !== undefined);
    watch.abort();
    return of(state.recentTurns)!;
  }

  it.each([
    ["was cancelled", Outcome.CANCELLED, (stop: AbortController) => stop.abort()],
    ["passed its deadline", Outcome.DEADLINE_EXCEEDED, () => {}],
  ])("is in the view of its tenant when it %s, and said to be an estimate", async (_, outcome, onText) => {
    const stop = new AbortController();
    const isDeadline = outcome === Outcome.DEADLINE_EXCEEDED;
    let turnId = "";
    const options = { signal: stop.signal, ...(isDeadline && { timeoutMs: 3_000 }) };
    await readTurn(scene.client.streamChat({ prompt }, options), ({ turnId: id, event }) => {
      turnId = id;
      if (event.case === "textDelta") onText(stop);
    });
    const turn = await ended(turnId);
    // A client whose deadline passes cancels as well: what reaches the server first names the end.
    expect(isDeadline ? [outcome, Outcome.CANCELLED] : [outcome]).toContain(turn.outcome);
    expect(turn.costIsEstimate).toBe(true);
    expect(turn.usage!.inputTokenCount).toBeGreaterThan(0n);
    expect(turn.costUsdMicros).toBeGreaterThan(0n);
  });

  it("is no estimate when it was seen through", async () => {
    const { started, responses } = await readTurn(scene.client.streamChat({ prompt: "Hello" }));
    expect(started.capabilities).toEqual([]);
    expect(await ended(responses[0]!.turnId)).toMatchObject({ outcome: Outcome.COMPLETED, costIsEstimate: false });
  });
});
