import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { PoolService } from "../../gen/claude/runner/v1/pool_pb.ts";
import { costAfterAll } from "../../src/commands/chat-cost.ts";

const turn = { turnId: "a", running: true };
const over = { ...turn, running: false, costUsdMicros: 2_000n, costIsEstimate: true, usage: { outputTokenCount: 53n } };
const other = { turnId: "b", running: false, costUsdMicros: 9n };

/** A server whose pool goes through these states. */
const serverWith = (...states: readonly (readonly object[])[]) =>
  createRouterTransport(({ service }) => {
    service(PoolService, {
      async *watchPool() {
        for (const recentTurns of states) yield { pool: { recentTurns: [...recentTurns] } };
        throw new ConnectError("the deadline passed", Code.DeadlineExceeded);
      },
    });
  });

describe("what an interrupted turn has cost", () => {
  it("is told once it has ended, whatever other turns do", async () => {
    const cost = await costAfterAll(serverWith([other], [turn, other], [other, over], []), "a");
    expect(cost).toMatchObject({ costUsdMicros: 2_000n, costIsEstimate: true, usage: { outputTokenCount: 53n } });
  });

  it("is left out when it does not end soon, when it had not begun, and when the server does not tell", async () => {
    expect(await costAfterAll(serverWith([turn, other]), "a")).toBeUndefined();
    expect(await costAfterAll(serverWith([other, over]), "")).toBeUndefined();
    expect(
      await costAfterAll(
        createRouterTransport(() => {}),
        "a",
      ),
    ).toBeUndefined();
  });
});
