/** What a turn's first event and its result say about the conversation that it goes on with. */
import { expect, test } from "vitest";
import { ConversationSource } from "../../../gen/claude/runner/v1/event_pb.ts";
import { WorkerFate } from "../../../gen/claude/runner/v1/result_pb.ts";
import type { Claim, Holding } from "../../../src/pool/claim.ts";
import { toStarted } from "../../../src/service/out/proto-events.ts";
import { toResult } from "../../../src/service/out/result.ts";
import type { Turn } from "../../../src/turn.ts";
import { answered, said } from "../../said.ts";
import { aTurn, goodEnd, init, ScriptedPool, ScriptedWorker } from "../../turns/scripted.ts";

async function claimOf(holds: Holding): Promise<Claim> {
  const pool = new ScriptedPool(new ScriptedWorker());
  pool.holds = holds;
  const { signal } = new AbortController();
  return pool.claim({ turnId: "t", tenant: "t", profile: "p", bindingKey: "b", signal, deadlineMs: 1 });
}

async function startedOf(turn: Partial<Turn>, holds: Holding) {
  if (init.kind !== "init") throw new Error("the fixture is an init");
  return toStarted(init, aTurn(turn), await claimOf(holds), { nowMs: 0, queueWaitMs: 0 }).value;
}

const history = [said("a"), answered("b", "c")];

test.each<[string, Partial<Turn>, Holding, ConversationSource, number]>([
  ["new", {}, { kind: "nothing" }, ConversationSource.NEW, 0],
  ["handed over", { history }, { kind: "binding" }, ConversationSource.SEEDED, 2],
  ["kept", { history }, { kind: "conversation", id: "c" }, ConversationSource.KEPT, 0],
])("a conversation that is %s, and how many messages of it were handed over", async (_, turn, holds, source, count) => {
  expect(await startedOf(turn, holds)).toMatchObject({ conversationSource: source, seededMessageCount: count });
});

test("the session of a turn is named, and of one without a session there is none", async () => {
  expect(await startedOf({ sessionId: "s1" }, { kind: "nothing" })).toMatchObject({ sessionId: "s1" });
  expect(await startedOf({}, { kind: "nothing" })).toMatchObject({ sessionId: "" });
});

test("a result says how full the model's context window is", () => {
  const end = { ...goodEnd, contextTokens: 1_550, contextWindowTokens: 200_000 };
  expect(toResult(end, { times: {}, lastSequence: 1, fate: "reset" })).toMatchObject({
    contextTokenCount: 1_550n,
    contextWindowTokenCount: 200_000n,
  });
});

test.each([
  ["kept", WorkerFate.KEPT],
  ["reset", WorkerFate.RESET],
  ["ended", WorkerFate.RECYCLED],
] as const)("a worker that will be %s is said to be", (fate, workerFate) => {
  expect(toResult(goodEnd, { times: {}, lastSequence: 1, fate }).workerFate).toBe(workerFate);
});
