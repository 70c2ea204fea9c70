/** The system prompt of a session is under the same rules as that of a turn, whenever they are made. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { SessionService } from "../../../gen/claude/runner/v1/session_pb.ts";
import { type KeptScene, keptScene, saidBy } from "./kept-scene.ts";

const { createSession } = SessionService.method;

let scene: KeptScene;
beforeAll(async () => {
  scene = await keptScene({
    profiles: { default: {}, strict: { systemPromptPolicy: "fixed", systemPrompt: "Be strict." } },
  });
});
beforeEach(() => {
  scene.newTenants();
});
afterAll(() => scene.close());

it.each([
  ["white space", " \n"],
  ["Claude Code's own billing line", "x-anthropic-billing-header: cc=1"],
  ["only a marker of Claude Code", "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__"],
])("a session cannot have a system prompt that is %s", async (_, systemPrompt) => {
  const said = await saidBy(scene.ask(createSession, { id: "s", systemPrompt }));
  expect(said).toContain("INVALID_REQUEST");
  expect(said).toContain("system_prompt");
});

it("a session under a profile whose system prompt is fixed cannot have one, and the refusal names the profile", async () => {
  const said = await saidBy(scene.ask(createSession, { id: "s", profile: "strict", systemPrompt: "Sing." }));
  expect(said).toContain('the profile \\"strict\\" has a fixed system prompt');
});

it("a session that was begun before its profile's system prompt was fixed goes on under that one", async () => {
  const { acme } = scene.newTenants();
  const session = {
    tenant: acme.tenant,
    profile: "strict",
    kind: "text",
    title: "",
    labels: {},
    idleExpiryMs: 3_600_000,
  };
  await scene.store.createSession({ ...session, kind: "text", id: "old", binding: { systemPrompt: "Sing." } });
  await scene.chat({ prompt: "words", profile: "strict", session: { id: "new", allowMissing: true } });
  await scene.chat({ prompt: "words", session: { id: "old" } });
  const [fresh, old] = scene.pool.requests.slice(-2).map(({ bindingKey }) => bindingKey);
  expect(old).toBe(fresh);
});
