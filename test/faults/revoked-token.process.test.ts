/**
 * A token that is taken away by a reload while calls with it run: what reads a turn ends, what began one has it to its end.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { sha256Of } from "../../src/policy/auth.ts";
import { testSettings } from "../e2e/scene.ts";
import { all, clients, reasonOf } from "../e2e/session-clients.ts";
import { until } from "../until.ts";
import { type FakeScene, openFakeScene } from "./fake-scene.ts";

const kept = "another-token-of-the-tenant";
const tokensOf = (...tokens: readonly string[]) => ({
  tokens: tokens.map((token) => ({ tenant: "acme", sha256: sha256Of(token) })),
});

let scene: FakeScene;
beforeAll(async () => {
  scene = await openFakeScene({ store: { kind: "memory" }, auth: tokensOf("leaked", kept) });
});
afterAll(() => scene?.close());

it("a token that is revoked reads no turn on that another call began, and its own turns to their end", async () => {
  const leaked = clients(scene, "leaked");
  const other = clients(scene, kept);
  // It says nothing for a while, then something.
  const request = { prompt: '[[fake answer {"flood":{"deltas":400,"chars":10},"perSecond":100}]]' };
  const named = { ...request, requestId: "r", onDisconnect: OnDisconnect.CONTINUE };
  const of = (count: () => number) => until(() => count() > 0);
  const seen = { began: 0, attached: 0, again: 0 };
  const counted = async <T>(events: AsyncIterable<T>, key: keyof typeof seen) => {
    const found: T[] = [];
    for await (const event of events) {
      found.push(event);
      seen[key] += 1;
    }
    return found;
  };
  const theirs = all(other.runner.streamChat(named));
  await of(() => scene.claimCount());
  const own = counted(leaked.runner.streamChat(request), "began");
  const attached = reasonOf(counted(leaked.turns.attachTurn({ turn: { case: "requestId", value: "r" } }), "attached"));
  const again = reasonOf(counted(leaked.runner.streamChat(named), "again"));
  for (const key of ["began", "attached", "again"] as const) await of(() => seen[key]);

  await scene.runner.reload(testSettings(scene.standin.url, scene.workFolder, { auth: tokensOf(kept) }));
  expect(await attached).toBe("UNAUTHENTICATED");
  expect(await again).toBe("UNAUTHENTICATED");
  expect(await reasonOf(leaked.runner.chat({ prompt: "anything" }))).toBe("UNAUTHENTICATED");
  for (const events of [await own, await theirs]) {
    const last = events.at(-1)?.event;
    expect(last?.case === "result" && last.value.outcome).toBe(Outcome.COMPLETED);
  }
  // Each has one end, and no worker is left with one of them.
  const { turns } = await other.turns.listTurns({});
  expect(turns.map(({ outcome }) => outcome)).toEqual([Outcome.COMPLETED, Outcome.COMPLETED]);
  await until(() => scene.workers().claimed === 0);
});
