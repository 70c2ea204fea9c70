/** How an answer looks, on the whole server with the real Claude Code: distances, and what is said how often. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

describeInBrowser("an answer", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  const arrive = async () => {
    const visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    return visit;
  };

  it("keeps quotes, lists, code, tables and rules apart from what stands above them, also inside of a quote", async () => {
    await using visit = await arrive();
    const blocks = ["text", "> quote", "more", "- item", "```\ncode\n```", "| a |\n|---|\n| b |", "---", "end"];
    await visit.ask(scenario("text", { text: blocks.join("\n\n") }));
    await visit.ask(scenario("text", { text: ["> text", "> > quote", "> - item", "> end"].join("\n>\n") }));
    const distances = (parent: string) =>
      visit.main
        .locator(`.text ${parent} > :not(:first-child, .tail)`)
        .evaluateAll((all) => all.map((element) => [element.tagName, getComputedStyle(element).marginBlockStart]));
    const ordinary = "12px";
    expect(await distances(".markdown")).toEqual(
      ["BLOCKQUOTE", "P", "UL", "DIV", "DIV", "HR", "P"].map((name) => [name, ordinary]),
    );
    expect(await distances(".markdown > blockquote")).toEqual(
      ["BLOCKQUOTE", "UL", "P"].map((name) => [name, ordinary]),
    );
    expect(visit.problems).toEqual([]);
  });

  it("that the model refuses says so once", async () => {
    await using visit = await arrive();
    await visit.ask(scenario("refusal", { explanation: "Not this." }));
    expect(await visit.lastTurn.locator(".note").allInnerTexts()).toEqual(["Refused by the model. Not this."]);
    expect(visit.problems).toEqual([]);
  });

  it("that could freeze the page, made of nothing but marks, leaves it usable", async () => {
    await using visit = await arrive();
    const text = "*a_".repeat(20_000);
    await visit.say(scenario("text", { text: text.slice(0, 40_000), deltas: 400 }));
    await visit.prompt.fill("still here");
    await visit.over();
    expect((await visit.lastTurn.locator(".text").innerText()).replace(/\s/g, "").length).toBeGreaterThan(20_000);
    expect(visit.problems).toEqual([]);
  });
});
