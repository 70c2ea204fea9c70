/** What people hear who listen to the page: its live region, as it changes. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

declare global {
  interface Window {
    heard: string[];
  }
}

describeInBrowser("people who listen", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  it("hear that a turn began, its paragraphs as they are complete, and how it ended; never a delta", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    await visit.page.evaluate(() => {
      window.heard = [];
      new MutationObserver((changes) => {
        for (const { addedNodes } of changes) for (const node of addedNodes) window.heard.push(node.textContent ?? "");
      }).observe(document.querySelector("[aria-live]") as Element, {
        childList: true,
        subtree: true,
        characterData: true,
      });
    });
    const text = "The first *paragraph*.\n\nThe second one.\n\n```\ncode\n```\n";
    await visit.ask(scenario("text", { text, deltas: 30, betweenDeltasMs: 20 }));
    await expect.poll(() => visit.page.evaluate(() => window.heard.length)).toBe(5);
    const heard = await visit.page.evaluate(() => window.heard);
    expect(heard.slice(0, 4)).toEqual([
      "Sent. Claude is working.",
      "The first paragraph.",
      "The second one.",
      "A block of code.",
    ]);
    expect(heard[4]).toMatch(/^The answer is complete, .*, \$0\.\d+\.$/);
    // Nothing else on the page speaks by itself while a turn runs.
    expect(await visit.page.locator("[aria-live], [role=status], [role=log], [role=timer]").count()).toBe(1);
  });
});
