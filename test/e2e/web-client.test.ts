/**
 * The TypeScript client as a browser has it, over Connect to the web port: the behaviour suite has it over gRPC. A way that
 * breaks is seen by `fetch` in other ways than by HTTP/2 in Node.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openCuttingProxy } from "../../clients/suite/cutting-proxy.ts";
import { type ClaudeRunnerClient, connect, Outcome } from "../../clients/typescript/src/web.ts";
import { openScene, type Scene, tenants } from "./scene.ts";

const alphabet = "abcdefghijklmnopqrstuvwxyz".repeat(3);
const slow = `[[scenario text ${JSON.stringify({ text: alphabet, deltas: [...alphabet], betweenDeltasMs: 20 })}]]`;
/** Goes on until somebody ends it. */
const endless = `[[scenario long-text ${JSON.stringify({ deltaCount: 100_000, betweenDeltasMs: 5 })}]]`;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene?.close());

function clientOf(address: string): ClaudeRunnerClient {
  return connect({ baseUrl: `http://${address}`, token: tenants.acme });
}

it("rejoins a stream that is cut again and again, without a seam", async () => {
  await using proxy = await openCuttingProxy(scene.target.webPort, [700, 900, 1_411, 803, 2_003]);
  using client = clientOf(proxy.address);
  const turn = client.stream(slow, { rejoin: true });
  const sequences: number[] = [];
  for await (const { sequence, event } of turn) if (event.case !== "heartbeat") sequences.push(sequence);
  expect(turn.collectedText).toBe(alphabet);
  expect(sequences).toEqual(sequences.map((_, at) => at + 1));
  // Events that are there at the same moment come together, so the last cuts may have nothing left to cut.
  expect(proxy.cutCount).toBeGreaterThanOrEqual(3);
});

it("sends a collected turn again when its call is cut, and interrupts a turn of a session that it leaves", async () => {
  await using proxy = await openCuttingProxy(scene.target.webPort, [60]);
  using client = clientOf(proxy.address);
  const session = client.session("web", { title: "From a browser" });
  expect((await session.chat(slow, { idempotent: true })).text).toBe(alphabet);
  expect(proxy.cutCount).toBe(1);
  const turn = session.stream(endless, { rejoin: true });
  for await (const _ of turn.text()) break;
  expect((await client.getTurn(turn.turnId)).turn?.outcome).toBe(Outcome.INTERRUPTED);
  expect(await session.get()).toMatchObject({ title: "From a browser", turnCount: 1 });
  expect((await Array.fromAsync(session.turns())).map(({ id }) => id).at(-1)).toBe(turn.turnId);
});
