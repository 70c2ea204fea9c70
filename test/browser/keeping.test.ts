/** Where the words of a conversation are is said plainly, and where nothing may be kept the page keeps it alone. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

describeInBrowser("a server that may keep no words", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene({ settings: { profiles: { default: { storeContent: "none" } } } });
  });
  afterAll(() => scene?.close());

  it("has a chat that goes on in the page alone, and says so", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    expect(await visit.page.getByRole("complementary").count()).toBe(0);
    const words = "The profile default keeps no words.";
    await visit.main.locator(".welcome").getByText(words).waitFor();
    await visit.ask(scenario("text", { text: "The word is **plum**." }, "Remember a word"));
    await visit.main.locator(".composer").getByText(words).waitFor();
    const second = await visit.ask(scenario("conversation"));
    expect(second).toContain("Remember a word");
    await visit.main.getByText("2 exchanges go along.").waitFor();
    expect(await visit.lastTurn.getByRole("button", { name: "Ask again" }).count()).toBe(0);
    expect(new URL(visit.page.url()).hash).toBe("");
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".text").waitFor();
    await visit.cancel.click();
    await visit.lastTurn.getByText("Cancelled.").waitFor();
    await visit.startAnew();
    expect((await visit.ask(scenario("conversation"))).match(/"role"/g)).toHaveLength(1);
    expect(visit.problems).toEqual([]);
  });
});

describeInBrowser("a server that keeps words in memory", (browser) => {
  it("says that they are gone when it restarts", async () => {
    const scene = await openScene({
      settings: { store: { kind: "memory" }, profiles: { default: { minSpares: 0 } } },
      untilWarm: false,
    });
    try {
      await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
      await visit.signIn(tenants.acme);
      await visit.main.locator(".welcome").getByText("in memory only: they are gone when it restarts.").waitFor();
      expect(visit.problems).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});
