/** Everything is done without a pointer, and the focus is always seen. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

describeInBrowser("with the keyboard alone", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene({ settings: { profiles: { default: { allowedModels: ["claude-haiku-4-5"] } } } });
  });
  afterAll(() => scene?.close());

  /** Presses Tab until the element with the focus fits, and checks on the way that the focus is seen and not covered. */
  async function tabTo(visit: Visit, name: RegExp, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
    const passed: string[] = [];
    for (let presses = 0; presses < 40; presses += 1) {
      await visit.page.keyboard.press(key);
      const focus = await visit.page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const ring = (of: Element | null) => of !== null && getComputedStyle(of).outlineStyle !== "none";
        const label = (element as HTMLInputElement).labels?.[0]?.textContent;
        const { left, top, width, height } = element.getBoundingClientRect();
        const there = document.elementFromPoint(left + width / 2, top + height / 2);
        return {
          name: element.getAttribute("aria-label") ?? label ?? element.textContent ?? "",
          isSeen: ring(element) || ring(element.closest(".composer")),
          isOnTop: there !== null && (element.contains(there) || there.contains(element)),
        };
      });
      expect(focus).toEqual({ name: focus.name, isSeen: true, isOnTop: true });
      passed.push(focus.name.slice(0, 40));
      if (name.test(focus.name)) return;
    }
    throw new Error(`Tab does not lead to ${name}; it passed ${passed.join(" | ")}`);
  }

  it("a person signs in, asks, looks where the time went, cancels, and goes to the pool and back", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    const { keyboard } = visit.page;
    await visit.token.waitFor(); // It has the focus.
    await keyboard.type(tenants.acme);
    await keyboard.press("Enter");
    await visit.prompt.waitFor();
    await expect.poll(() => visit.prompt.evaluate((field) => field === document.activeElement)).toBe(true);

    await keyboard.type("First line");
    await keyboard.press("Shift+Enter");
    await keyboard.type("second line");
    await keyboard.press("Enter");
    await visit.over();
    expect(await visit.lastTurn.locator(".prompt").innerText()).toContain("First line\nsecond line");

    await tabTo(visit, /^Options:/);
    await keyboard.press("Enter");
    await tabTo(visit, /^Model$/);
    await keyboard.press("ArrowDown");
    await visit.main.getByText("Options: default · claude-haiku-4-5").waitFor();

    await tabTo(visit, /^Where the time went$/, "Shift+Tab");
    await keyboard.press("Enter");
    await tabTo(visit, /^Copy turn id$/);
    await tabTo(visit, /^Prompt$/);

    await keyboard.type(scenario("stall"));
    await keyboard.press("Enter");
    await visit.lastTurn.locator(".text").waitFor();
    await tabTo(visit, /^Cancel$/);
    await keyboard.press("Enter");
    await visit.lastTurn.getByText("Cancelled.").waitFor();
    await expect.poll(() => visit.prompt.evaluate((field) => field === document.activeElement)).toBe(true);

    await tabTo(visit, /^Pool$/, "Shift+Tab");
    await keyboard.press("Enter");
    await visit.page.getByRole("heading", { name: "Pool", level: 1 }).waitFor();
    await tabTo(visit, /^Chat$/, "Shift+Tab");
    await keyboard.press("Enter");
    await expect.poll(() => visit.prompt.evaluate((field) => field === document.activeElement)).toBe(true);
  });

  it("a person skips the navigation", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    await tabTo(visit, /^Skip to content$/, "Shift+Tab");
    await visit.page.keyboard.press("Enter");
    expect(await visit.page.evaluate(() => document.activeElement?.id)).toBe("main");
    expect(visit.page.url()).not.toContain("#main");
  });
});
