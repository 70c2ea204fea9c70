/** A turn that its session refuses takes nothing with it. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type KeptScene, keptScene, reasonOf, textOf } from "./kept-scene.ts";

let scene: KeptScene;
beforeAll(async () => {
  scene = await keptScene({ maxInFlight: 1 });
});
beforeEach(() => {
  scene.newTenants();
});
afterAll(() => scene.close());

it("a tenant whose session is full has as many turns at once as before", async () => {
  const session = { id: "s", allowMissing: true };
  await scene.chat({ prompt: "first", session });
  // More than a window of 200,000 tokens has room for.
  const large = "x".repeat(600_000);
  for (let at = 0; at < 3; at += 1) {
    expect(await reasonOf(scene.chat({ prompt: large, session }))).toBe("CONTEXT_FULL");
  }
  expect(textOf(await scene.chat({ prompt: "another" }))).toBe("another");
});
