/**
 * Many tabs of one browser, which opens six connections to a server over HTTP/1.1 for all of them: a tab that nobody sees
 * holds none.
 */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit } from "./visit.ts";

/** What the browser does when another tab is looked at, or this one again; without a window it never does. */
async function setVisible(page: Page, isVisible: boolean): Promise<void> {
  await page.evaluate(
    (state) => {
      Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    },
    isVisible ? "visible" : "hidden",
  );
}

describeInBrowser("seven tabs", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    // Two of the turns run, and the others wait as long as the test lasts.
    scene = await openScene({
      settings: { profiles: { default: { minSpares: 1, maxWorkers: 2 } }, queue: { timeoutMs: 600_000 } },
    });
  });
  afterAll(() => scene?.close());

  it("work, six of them with a turn that runs or waits in the background", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    const open = async (page: Page) => {
      await page.goto(`http://127.0.0.1:${scene.target.webPort}/`);
      await page.getByLabel("Token", { exact: true }).fill(tenants.acme);
      await page.keyboard.press("Enter");
      await page.getByRole("textbox", { name: "Prompt", exact: true }).waitFor();
    };
    const tabs = [visit.page];
    for (let more = 0; more < 5; more += 1) tabs.push(await visit.newTab());
    for (const [index, page] of tabs.entries()) {
      await open(page);
      await page.getByRole("textbox", { name: "Prompt", exact: true }).fill(scenario("stall", {}, `Tab ${index}`));
      await page.keyboard.press("Enter");
      await page.getByRole("article", { name: "Turn 1", exact: true }).waitFor();
      // It is known to the server, whether or not it has a worker.
      const { runner } = scene;
      await expect
        .poll(() => runner.pool.snapshot().profiles[0], { timeout: 240_000 })
        .toMatchObject({
          workers: { claimed: Math.min(index + 1, 2) },
          waitingCount: Math.max(0, index - 1),
        });
      await setVisible(page, false);
    }
    const seventh = await visit.newTab();
    await open(seventh);
    await seventh.getByRole("link", { name: /^Tab 0/ }).waitFor();
    await seventh.getByRole("link", { name: "Pool", exact: true }).click();
    await seventh.getByRole("main").getByText("Serving", { exact: true }).waitFor();
    await setVisible(seventh, false);

    // A tab that is looked at again has its turn, and stops it.
    const [first] = tabs;
    if (first === undefined) throw new Error("bug: no tab");
    await setVisible(first, true);
    await first.getByRole("article").locator(".text").waitFor();
    await first.getByRole("button", { name: "Cancel", exact: true }).click();
    await first.getByRole("article").getByText("Cancelled.").waitFor();
    expect(visit.problems).toEqual([]);
  }, 600_000); // seven pages on a machine that may be slowed down, and two starts of Claude Code
});

describeInBrowser("a tab that is hidden", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  it("has no stream, misses nothing of its answer, and shows all of it when it is looked at again", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    const streams = new Set<object>();
    visit.page.on("request", (request) => {
      if (/StreamChat|AttachTurn|WatchPool/.test(request.url())) streams.add(request);
    });
    for (const event of ["requestfinished", "requestfailed"] as const) {
      visit.page.on(event as "requestfinished", (request) => streams.delete(request));
    }
    await visit.say(scenario("text", { text: "0123456789", deltas: 1, betweenDeltasMs: 500 }));
    await visit.lastTurn.locator(".text").waitFor();
    expect(streams.size).toBe(1);
    const from = scene.book.position;
    await setVisible(visit.page, false);
    await expect.poll(() => streams.size).toBe(0);
    // It goes on, and ends, without a reader.
    const ended = await scene.book.wait(({ message }) => message === "turn ended", from);
    expect(ended.outcome).toBe("completed");
    await setVisible(visit.page, true);
    await visit.over();
    expect(await visit.lastTurn.locator(".text").innerText()).toBe("0123456789");
    // The view of the pool is a stream as well, in place of the chat's.
    await visit.page.getByRole("link", { name: "Pool", exact: true }).click();
    await visit.main.getByText("Serving", { exact: true }).waitFor();
    expect(streams.size).toBe(1);
    await setVisible(visit.page, false);
    await expect.poll(() => streams.size).toBe(0);
    expect(visit.problems).toEqual([]);
  });

  it("shows what another tab has said in the same conversation", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    await visit.signIn(tenants.acme);
    await visit.ask(scenario("text", { text: "One." }, "The first prompt"));
    await setVisible(visit.page, false);
    const other = await visit.newTab();
    await other.goto(visit.page.url());
    await other.getByLabel("Token", { exact: true }).fill(tenants.acme);
    await other.keyboard.press("Enter");
    await other.getByRole("article").locator(".text").getByText("One.").waitFor();
    await other.getByRole("textbox", { name: "Prompt", exact: true }).fill(scenario("text", { text: "Two." }));
    await other.keyboard.press("Enter");
    await other.getByRole("article", { name: "Turn 2", exact: true }).locator(".turn-foot").waitFor();
    await setVisible(visit.page, true);
    await visit.turn(2).locator(".text").getByText("Two.").waitFor();
    expect(visit.problems).toEqual([]);
  });
});
