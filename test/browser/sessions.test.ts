/** Conversations that the server keeps: found again, gone on with, given a title, copied, deleted. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

/** A prompt whose answer comes in so many pieces that something can be done meanwhile. */
const slow = (text: string, words: string) => scenario("text", { text, deltas: 1, betweenDeltasMs: 500 }, words);

describeInBrowser("conversations", (browser) => {
  let scene: Scene;
  let visit: Visit;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());
  beforeEach(async () => {
    // What was deleted is asked for.
    visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, { expected: [/status of 404/] });
    await visit.signIn(tenants.acme);
    return async () => {
      expect(visit.problems).toEqual([]);
      await visit[Symbol.asyncDispose]();
    };
  });

  const list = () => visit.page.getByRole("complementary", { name: "Conversations", exact: true });
  const titles = () => list().locator(".session-title").allInnerTexts();
  const row = (title: string) => list().getByRole("listitem").filter({ hasText: title });
  const answerOf = (number: number) => visit.turn(number).locator(".text").innerText();
  const messageCount = (text: string) => text.match(/"role"/g)?.length;

  it("have the first words of their first prompt as their title, the newest first", async () => {
    await visit.ask("Tell me about plums");
    await visit.startAnew();
    await visit.ask("Tell me about pears,\n   and then about every other fruit that has a stone in it");
    await expect
      .poll(titles)
      .toEqual(["Tell me about pears, and then about every other fruit that…", "Tell me about plums"]);
  });

  it("go on where they were after a reload, without a word that was sent again by the page", async () => {
    await visit.ask(scenario("text", { text: "The word is **plum**." }, "Remember a word"));
    await visit.page.reload();
    await visit.turn(1).locator(".text strong").waitFor();
    expect(await answerOf(1)).toBe("The word is plum.");
    expect(await visit.turn(1).locator(".figures").innerText()).toMatch(/tokens? in\s.* out\s\$0\.\d{4}/s);
    const second = await visit.ask(scenario("conversation"));
    expect(second).toContain("Remember a word");
    expect(messageCount(second)).toBe(3);
  });

  it("are found by words of their title", async () => {
    await visit.ask("Something about a rare aardvark");
    await visit.startAnew();
    await visit.ask("Something about nothing");
    await list().getByLabel("Search titles").fill("AARDVARK");
    await expect.poll(titles).toEqual(["Something about a rare aardvark"]);
    await list().getByLabel("Search titles").fill("no such words");
    await list().getByText("No title has these words.").waitFor();
  });

  it("get another title, which stays", async () => {
    await visit.ask("A title to be changed");
    await visit.page.getByRole("button", { name: "Rename A title to be changed", exact: true }).click();
    const dialog = visit.page.getByRole("dialog", { name: "Rename the conversation" });
    await dialog.getByLabel("Title").fill("  ");
    await visit.page.keyboard.press("Enter");
    await dialog.getByText("Write a title.").waitFor();
    await dialog.getByLabel("Title").fill("<b>Another</b> title");
    await visit.page.keyboard.press("Enter");
    await expect.poll(titles).toContain("<b>Another</b> title");
    await visit.page.reload();
    await expect.poll(titles).toContain("<b>Another</b> title");
    expect(await titles()).not.toContain("A title to be changed");
  });

  it("are deleted when the person says so twice, and are gone then", async () => {
    await visit.ask("To be deleted");
    const address = visit.page.url();
    const remove = visit.page.getByRole("button", { name: "Delete To be deleted", exact: true });
    await remove.click();
    await visit.page.keyboard.press("Escape");
    expect(await row("To be deleted").count()).toBe(1);
    await remove.click();
    await visit.page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await visit.main.getByText("The conversation was deleted.").waitFor();
    expect(await row("To be deleted").count()).toBe(0);
    await visit.page.goto(address);
    await visit.page.reload();
    await visit.main.getByText("SESSION_NOT_FOUND").waitFor();
  });

  it("are opened from the list, and the browser's way back leads to the one before", async () => {
    await visit.ask(scenario("text", { text: "The first answer." }, "The first one"));
    await visit.startAnew();
    await visit.ask(scenario("text", { text: "The second answer." }, "The second one"));
    await list()
      .getByRole("link", { name: /^The first one/ })
      .click();
    await visit.turn(1).locator(".text").getByText("The first answer.").waitFor();
    expect(await visit.main.locator(".text").getByText("The second answer.").count()).toBe(0);
    await visit.page.goBack();
    await visit.turn(1).locator(".text").getByText("The second answer.").waitFor();
  });

  it("are not taken for one another when an answer still runs: it goes on, and is joined again", async () => {
    await visit.say(slow("abcdefghij".repeat(3), "A slow one"));
    await visit.turn(1).locator(".text").waitFor();
    await visit.startAnew();
    expect(await visit.ask(scenario("text", { text: "A quick answer." }, "A quick one"))).toBe("A quick answer.");
    await list()
      .getByRole("link", { name: /^A slow one/ })
      .click();
    await visit.over();
    expect(await answerOf(1)).toBe("abcdefghij".repeat(3));
  });

  /** Reloads the page, whose conversation is not read before the returned function is called. */
  async function reloadHeld(): Promise<() => void> {
    const held = Promise.withResolvers<void>();
    await visit.page.route(/GetSession|ListTurns/, async (route) => {
      await held.promise;
      await route.continue();
    });
    await visit.page.reload();
    await visit.main.locator(".conversation").getByText("Loading …").waitFor();
    return held.resolve;
  }

  it("take a prompt while they are read, and send it when they are there", async () => {
    await visit.ask("A first prompt");
    const letGo = await reloadHeld();
    await visit.prompt.fill(scenario("conversation"));
    await visit.prompt.press("Enter");
    expect(await visit.prompt.inputValue()).not.toBe("");
    letGo();
    await visit.turn(2).locator(".turn-foot").waitFor();
    expect(await visit.prompt.inputValue()).toBe("");
    expect(await visit.turn(2).locator(".items").first().innerText()).toContain("A first prompt");
  });

  it("keep a prompt that was written while another one was read: it is sent when Enter is pressed again", async () => {
    await visit.ask("A prompt of the other one");
    const letGo = await reloadHeld();
    await visit.prompt.fill("Not for the other one");
    await visit.prompt.press("Enter");
    await visit.startAnew();
    letGo();
    await visit.main.locator(".conversation").getByText("Loading …").waitFor({ state: "detached" });
    expect(await visit.prompt.inputValue()).toBe("Not for the other one");
    await visit.prompt.press("Enter");
    await visit.over();
    expect(await visit.turn(1).locator(".items").first().innerText()).toContain("Not for the other one");
  });

  it("go on in mid-answer after a reload", async () => {
    await visit.say(slow("0123456789".repeat(3), "A long one"));
    await visit.turn(1).locator(".text").waitFor();
    await visit.page.reload();
    await visit.turn(1).locator(".text").waitFor();
    expect(await visit.cancel.isVisible()).toBe(true);
    await visit.over();
    expect(await answerOf(1)).toBe("0123456789".repeat(3));
    expect(await visit.main.getByRole("article").count()).toBe(1);
  });

  it("let an answer be copied, as the markdown that it is", async () => {
    await visit.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await visit.ask(scenario("text", { text: "Some **markdown**." }));
    await visit.lastTurn.getByRole("button", { name: "Copy answer", exact: true }).click();
    await expect.poll(() => visit.page.evaluate(() => navigator.clipboard.readText())).toBe("Some **markdown**.");
  });

  it("branch where an earlier prompt is asked again: what came later stays in the old one", async () => {
    await visit.ask(scenario("text", { text: "An apple." }, "Name a fruit"));
    await visit.ask(scenario("text", { text: "A carrot." }, "Name a vegetable"));
    await visit.ask(scenario("conversation", {}, "And now"));
    const before = await titles();
    await visit.turn(2).getByRole("button", { name: "Ask again", exact: true }).click();
    await expect.poll(() => visit.main.getByRole("article").count()).toBe(2);
    await visit.turn(2).locator(".turn-foot").waitFor();
    expect(await answerOf(1)).toBe("An apple.");
    const third = await visit.ask(scenario("conversation"));
    expect(messageCount(third)).toBe(5);
    expect(third).not.toContain("And now");
    await expect.poll(titles).toHaveLength(before.length + 1);
    const isCopy = visit.page.locator(".chip:visible", { hasText: "copy" });
    const old = row("Name a fruit").filter({ hasNot: isCopy });
    await old.getByRole("link").click();
    await expect.poll(() => visit.main.getByRole("article").count()).toBe(3);
  });

  it("branch where an earlier prompt is changed, and the old prompt stays in the old one", async () => {
    await visit.ask("Name a tree");
    await visit.ask("Name a bird");
    await visit.turn(1).getByRole("button", { name: "Edit prompt", exact: true }).click();
    expect(await visit.prompt.inputValue()).toBe("Name a tree");
    await visit.main.getByText("Editing the prompt of turn 1.").waitFor();
    // Until the copy is there, the last turn is that of the old one.
    await visit.say(scenario("conversation", {}, "Name a bush"));
    await expect.poll(() => visit.main.getByRole("article").count()).toBe(1);
    await visit.over();
    expect(messageCount(await visit.turn(1).locator(".text").innerText())).toBe(1);
    expect(await visit.main.getByText("Editing the prompt").isVisible()).toBe(false);
  });
});
