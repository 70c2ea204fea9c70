/**
 * Calls about one session that come at the same moment, some of them with a `request_id`: it takes a while to look up, and
 * what a large request asks for takes longer to compare.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { BusyPolicy } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { TurnService, TurnView } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { type KeptScene, keptScene, reasonOf, textOf } from "./kept-scene.ts";

let scene: KeptScene;
beforeAll(async () => {
  scene = await keptScene({
    profiles: { default: { contextNoticeTokens: 10_000_000, contextFullTokens: 10_000_000 } },
  });
});
beforeEach(() => {
  scene.newTenants();
});
afterAll(() => scene.close());

const inSession = (prompt: string) => ({ prompt, session: { id: "s", allowMissing: true } });
/** As large as a prompt may be: its digest is made in several steps. */
const large = (beginning: string) => `${beginning} `.padEnd(1024 * 1024, "x");

it("a large message with a request_id keeps its place before a small one that comes at once after it", async () => {
  await Promise.all([
    scene.chat({ ...inSession(large("first")), busyPolicy: BusyPolicy.QUEUE, requestId: "r" }),
    scene.chat({ ...inSession("second"), busyPolicy: BusyPolicy.QUEUE }),
  ]);
  const { turns } = await scene.ask(TurnService.method.listTurns, { sessionId: "s", view: TurnView.FULL });
  expect(turns.map(({ prompt }) => prompt[0]?.text.split(" ")[0])).toEqual(["first", "second"]);
});

it("a request that is repeated makes its session busy for nobody", async () => {
  const [first] = await scene.chat({ ...inSession("one"), requestId: "r" });
  const [again, next] = await Promise.all([
    scene.chat({ ...inSession("one"), requestId: "r" }),
    scene.chat(inSession("two")),
  ]);
  expect(again[0]?.turnId).toBe(first?.turnId);
  expect(textOf(next)).toBe("two");
});

it("a turn is interrupted also by one that comes while it is taken in", async () => {
  const interrupted = reasonOf(scene.chat({ ...inSession(large("hold")), requestId: "r" }));
  const next = scene.chat({ ...inSession("next"), busyPolicy: BusyPolicy.INTERRUPT });
  expect(await interrupted).toBe("TURN_INTERRUPTED");
  expect(textOf(await next)).toBe("next");
});

it("a turn that comes before the session is there has what the one that creates it fixes", async () => {
  const systemPrompt = "Answer in one word.";
  await Promise.all([
    scene.chat({ ...inSession("first"), systemPrompt, busyPolicy: BusyPolicy.QUEUE }),
    scene.chat({ ...inSession("second"), busyPolicy: BusyPolicy.QUEUE }),
  ]);
  const [first, second] = scene.pool.requests.slice(-2).map(({ bindingKey }) => bindingKey);
  expect(second).toBe(first);
});
