/**
 * A stream as fast as the server can send leaves the page usable. What is asked is who gets a turn how often, never how
 * long something takes: this runs on machines of any speed.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

const deltaCount = 20_000;

/** What the page counts about itself while a turn runs. */
interface Counts {
  frames: number;
  /** Frames after which the page had changed. */
  framesWithDrawings: number;
  /** Frames after which the page had changed more than once since the frame before. */
  framesWithManyDrawings: number;
  keysHandled: number;
}

declare global {
  interface Window {
    counts: Counts;
  }
}

describeInBrowser("a turn of 20,000 deltas", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  const arrive = async () => {
    const visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    await visit.page.evaluate(() => {
      window.counts = { frames: 0, framesWithDrawings: 0, framesWithManyDrawings: 0, keysHandled: 0 };
      let drawings = 0;
      // One callback for all changes that were made in one go.
      new MutationObserver(() => {
        drawings += 1;
      }).observe(document.querySelector(".turns") as Element, { childList: true, subtree: true, characterData: true });
      document.addEventListener("input", () => {
        window.counts.keysHandled += 1;
      });
      const tick = () => {
        window.counts.frames += 1;
        if (drawings > 0) window.counts.framesWithDrawings += 1;
        // The clock of the running turn may draw once more.
        if (drawings > 2) window.counts.framesWithManyDrawings += 1;
        drawings = 0;
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    return visit;
  };
  const counts = (visit: Visit) => visit.page.evaluate(() => window.counts);
  const isRunning = (visit: Visit) => visit.cancel.isVisible();

  it("is drawn at most once in a frame, and leaves room for keys and frames in between", async () => {
    await using visit = await arrive();
    await visit.say(scenario("long-text", { deltaCount, deltaChars: 24 }));
    await visit.lastTurn.locator(".text").waitFor();
    const before = await counts(visit);
    await visit.prompt.focus();
    let typed = 0;
    while (await isRunning(visit)) {
      await visit.page.keyboard.type("x");
      typed += 1;
    }
    await visit.over();
    const after = await counts(visit);
    // Every key was handled, while it streamed.
    expect(typed).toBeGreaterThan(1);
    expect(after.keysHandled - before.keysHandled).toBe(typed);
    expect(await visit.prompt.inputValue()).toBe("x".repeat(typed));
    // It was seen to grow: in many steps, and in no frame twice.
    expect(after.framesWithDrawings - before.framesWithDrawings).toBeGreaterThan(20);
    expect(after.framesWithManyDrawings).toBe(0);

    // All of it has come, and the page does not hold an element for each delta.
    const text = await visit.lastTurn.locator(".text").innerText();
    expect(text.replace(/\s+/g, "").length).toBeGreaterThan(deltaCount * 10);
    expect(text).toContain(`${deltaCount - 1} `);
    expect(await visit.lastTurn.locator("*").count()).toBeLessThan(1_000);
    expect(visit.problems).toEqual([]);
  });

  it("can be cancelled in the middle", async () => {
    await using visit = await arrive();
    await visit.say(scenario("long-text", { deltaCount: 50 * deltaCount, deltaChars: 24 }));
    await visit.lastTurn.locator(".text").waitFor();
    const from = scene.book.position;
    await visit.page.keyboard.press("Escape");
    await visit.lastTurn.getByText("Cancelled.").waitFor();
    await scene.book.wait(({ message }) => message === "turn ended", from);
    await expect.poll(() => scene.workers().claimed).toBe(0);
    expect(visit.problems).toEqual([]);
  });

  it("of markdown is not parsed again and again: finished blocks keep their elements", async () => {
    await using visit = await arrive();
    const paragraphs = Array.from({ length: 2_000 }, (_, index) => `Paragraph **${index}** of many.\n\n`);
    await visit.say(scenario("text", { text: paragraphs.join(""), deltas: 4_000, betweenDeltasMs: 0 }));
    await visit.lastTurn.locator(".text p").nth(3).waitFor();
    await visit.page.evaluate(() => {
      const first = document.querySelectorAll(".turn:last-of-type .text p")[0];
      if (first instanceof HTMLElement) first.dataset.mark = "kept";
    });
    await visit.over();
    const shown = visit.lastTurn.locator(".text p");
    expect(await shown.count()).toBe(2_000);
    expect(await shown.first().getAttribute("data-mark")).toBe("kept");
    expect(await shown.last().innerHTML()).toBe("Paragraph <strong>1999</strong> of many.");
    expect(visit.problems).toEqual([]);
  });

  it("that is thinking shows an end of it, and all of it on request", async () => {
    await using visit = await arrive();
    const thinking = "A thought of some length. ".repeat(2_000);
    await visit.ask(scenario("thinking", { thinking, text: "Done." }));
    const details = visit.lastTurn.locator("details.thinking");
    await details.locator("summary").click();
    expect((await details.locator("code").innerText()).length).toBeLessThan(5_000);
    await details.getByRole("button", { name: "Show all of the thinking" }).click();
    expect((await details.locator("code").innerText()).length).toBeGreaterThan(50_000);
    expect(visit.problems).toEqual([]);
  });
});

describeInBrowser("a long conversation", (browser) => {
  it("lets the browser skip what is out of sight", async () => {
    const scene = await openScene();
    try {
      await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
      await visit.signIn(tenants.acme);
      const text = "A paragraph.\n\n".repeat(40);
      for (let turn = 0; turn < 6; turn += 1) await visit.ask(scenario("text", { text }));
      const skipped = await visit.page.evaluate(() =>
        [...document.querySelectorAll(".turns > li")].map((turn) => getComputedStyle(turn).contentVisibility),
      );
      expect(skipped).toEqual(["auto", "auto", "auto", "auto", "auto", "visible"]);
      const inSight = await visit.page
        .locator(".turns > li")
        .first()
        .evaluate((turn) => turn.querySelector("p")?.checkVisibility({ contentVisibilityAuto: true }));
      expect(inSight).toBe(false);
    } finally {
      await scene.close();
    }
  });
});
