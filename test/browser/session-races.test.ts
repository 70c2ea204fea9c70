/** Somebody who is faster than the server: another conversation is opened, left or changed while one is being read or copied. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

const says = (text: string, words: string) => scenario("text", { text }, words);

describeInBrowser("conversations, while the server takes its time,", (browser) => {
  let scene: Scene;
  let visit: Visit;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());
  beforeEach(async () => {
    const expected = [/status of 503/];
    visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, { expected });
    await visit.signIn(tenants.acme);
    return async () => {
      expect(visit.problems).toEqual([]);
      await visit[Symbol.asyncDispose]();
    };
  });

  const list = () => visit.page.getByRole("complementary", { name: "Conversations", exact: true });
  const link = (title: string) => list().getByRole("link", { name: new RegExp(`^${title}`) });
  const answer = (text: string) => visit.main.locator(".text").getByText(text, { exact: true });

  /** Calls of this method wait until the returned function is called. */
  async function hold(method: string): Promise<() => void> {
    const held = Promise.withResolvers<void>();
    await visit.page.route(new RegExp(`/${method}$`), async (route) => {
      await held.promise;
      // A call that the page has ended by now is gone.
      await route.continue().catch(() => {});
    });
    return held.resolve;
  }

  it("stay apart when another one is opened while a copy is made, and is written to at once", async () => {
    await visit.ask(says("The other answer.", "Another one"));
    await visit.startAnew();
    await visit.ask(says("A first answer.", "To be copied"));
    await visit.ask(says("A second answer.", "More of it"));
    const letCopy = await hold("ForkSession");
    await visit.turn(2).getByRole("button", { name: "Ask again", exact: true }).click();
    const letRead = await hold("GetSession");
    await link("Another one").click();
    await visit.main.locator(".conversation").getByText("Loading …").waitFor();
    letCopy();
    await visit.prompt.fill(scenario("conversation", {}, "What is next"));
    await visit.prompt.press("Enter");
    letRead();
    await answer("The other answer.").waitFor();
    await visit.turn(2).locator(".turn-foot").waitFor();
    const next = await visit.turn(2).locator(".items").first().innerText();
    expect(next).toContain("Another one");
    expect(next).not.toContain("To be copied");
    expect(await visit.main.locator(".failure").count()).toBe(0);
  });

  it("are shown as the address names them, when the way back is taken before the next one is there", async () => {
    await visit.ask(says("The answer of one.", "Number one"));
    await visit.startAnew();
    await visit.ask(says("The answer of two.", "Number two"));
    const letGo = await hold("ListTurns");
    await link("Number one").click();
    await visit.main.locator(".conversation").getByText("Loading …").waitFor();
    await visit.page.goBack();
    letGo();
    await answer("The answer of two.").waitFor();
    expect(await answer("The answer of one.").count()).toBe(0);
  });

  it("give a changed prompt back when no copy could be made", async () => {
    await visit.ask("A prompt with a mistake");
    await visit.ask("The one after it");
    await visit.page.route(/\/ForkSession$/, (route) => route.fulfill({ status: 503 }));
    await visit.turn(1).getByRole("button", { name: "Edit prompt", exact: true }).click();
    await visit.say("A prompt without one");
    await visit.main.locator(".failure").waitFor();
    expect(await visit.prompt.inputValue()).toBe("A prompt without one");
    await visit.main.getByText("Editing the prompt of turn 1.").waitFor();
    await visit.page.unroute(/\/ForkSession$/);
    await visit.send.click();
    await expect.poll(() => visit.main.getByRole("article").count()).toBe(1);
    await visit.over();
    expect(await visit.turn(1).locator(".items").first().innerText()).toContain("A prompt without one");
  });

  it("keep what their turns have shown when they get another title", async () => {
    await visit.ask(scenario("thinking", {}, "Think of a name"));
    const thinking = visit.turn(1).locator("details").first();
    await thinking.waitFor();
    await visit.page.getByRole("button", { name: "Rename Think of a name", exact: false }).first().click();
    await visit.page.getByRole("dialog").getByLabel("Title").fill("A name");
    await visit.page.keyboard.press("Enter");
    await link("A name").waitFor();
    await visit.page.getByRole("link", { name: "Pool", exact: true }).click();
    let readCount = 0;
    visit.page.on("request", (request) => {
      if (/ListTurns/.test(request.url())) readCount += 1;
    });
    const looked = visit.page.waitForResponse(/GetSession/);
    const listed = visit.page.waitForResponse(/ListSessions/);
    await visit.page.getByRole("link", { name: "Chat", exact: true }).click();
    await Promise.all([looked, listed]);
    // Whatever was to be read anew has been asked for by now.
    await visit.page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
    expect(readCount).toBe(0);
    expect(await thinking.count()).toBe(1);
  });

  it("go on when Escape is pressed in the field for a search", async () => {
    await visit.say(scenario("text", { text: "abcdefghij", deltas: 1, betweenDeltasMs: 300 }, "Slowly"));
    await visit.lastTurn.locator(".text").waitFor();
    await list().getByLabel("Search titles").fill("words");
    await visit.page.keyboard.press("Escape");
    await visit.over();
    expect(await visit.lastTurn.locator(".text").innerText()).toBe("abcdefghij");
  });

  it("keep the focus in the list when one is deleted by the keyboard", async () => {
    await visit.ask("To be deleted by keys");
    await visit.startAnew();
    await visit.ask("To be kept");
    await visit.page.getByRole("button", { name: /^Delete To be deleted by keys/ }).focus();
    await visit.page.keyboard.press("Enter");
    await visit.page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await expect.poll(() => link("To be deleted by keys").count()).toBe(0);
    await expect.poll(() => visit.page.evaluate(() => document.activeElement?.id)).toBe("session-search");
  });
});
