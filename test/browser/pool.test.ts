/** The view of the pool: what it shows, that it follows, and what it says when it cannot. */
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it } from "vitest";
import { StartsState, WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { openScene, tenants } from "../e2e/scene.ts";
import { startTestServers, type TestServers, testToken } from "../server/scripted-runner.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { busyPool } from "./pool-states.ts";
import { ScriptedPool } from "./scripted-pool.ts";
import { scenario, Visit } from "./visit.ts";

describeInBrowser("the view of the pool", (browser) => {
  let pool: ScriptedPool;
  let servers: TestServers;
  let visit: Visit;
  beforeEach(async () => {
    pool = new ScriptedPool(busyPool());
    servers = await startTestServers({ pool: [pool.service] });
    visit = await Visit.to(browser(), servers.webUrl, { expected: [/Failed to load resource/] });
    await visit.signIn(testToken);
    return async () => {
      await visit[Symbol.asyncDispose]();
      await servers.stop();
    };
  });
  afterEach(() => expect(visit.problems).toEqual([]));
  const open = () => visit.page.getByRole("link", { name: "Pool", exact: true }).click();
  const card = (profile: string) => visit.page.getByRole("article", { name: `Profile ${profile}`, exact: true });

  it("shows workers by state, spares, queue and how turns got their workers", async () => {
    await open();
    const text = card("default");
    await text.waitFor();
    const words = await text.innerText();
    for (const expected of [
      "3 in a turn",
      "2 bound, idle",
      "2 spare",
      "1 resetting",
      "8 more possible",
      "2, at least 2 wanted",
    ]) {
      expect(words).toContain(expected);
    }
    expect(words).toContain("5 of 64, the oldest for 1.24 s");
    expect(words).toContain("1,204 reused (86 %)");
    expect(await text.getByRole("img").first().getAttribute("aria-label")).toMatch(/^8 of 16 workers\. 3 in a turn, /);
    expect(await visit.page.getByRole("table").getByRole("row").count()).toBe(10);
  });

  it("shows recent turns with their stages as bars", async () => {
    await open();
    const turns = visit.page.locator(".recent-turn");
    await turns.first().waitFor();
    expect(await turns.locator(".chip").allInnerTexts()).toEqual([
      "running",
      "completed",
      "completed",
      "completed",
      "refused: QUEUE_TIMEOUT",
      "cancelled",
    ]);
    const bars = await turns
      .getByRole("img")
      .evaluateAll((all) => all.map((bar) => bar.getAttribute("aria-label") ?? ""));
    expect(bars[2]).toMatch(/^queue 820 ms, claim 1\.0 ms, bind 110 ms, .*total 2\.48 s$/);
    expect(await turns.nth(1).innerText()).toContain("3.12 s");
    expect(await turns.nth(1).getByRole("button", { name: "Copy trace id", exact: true }).isVisible()).toBe(true);
  });

  it("follows what happens, and keeps the elements that stay", async () => {
    await open();
    await card("default").waitFor();
    const row = visit.page.getByRole("table").getByRole("row").nth(1);
    await row.evaluate((element) => {
      element.dataset.mark = "kept";
    });
    const state = busyPool();
    state.serving = false;
    for (const profile of state.profiles) {
      profile.ready = false;
      profile.starts = StartsState.FAILING;
    }
    state.workers.length = 3;
    for (const worker of state.workers) worker.state = WorkerState.STOPPING;
    pool.set(state);
    await visit.main.getByText("Not serving", { exact: true }).waitFor();
    await expect.poll(() => visit.page.getByRole("table").getByRole("row").count()).toBe(4);
    expect(await row.getAttribute("data-mark")).toBe("kept");
    expect(await row.innerText()).toContain("stopping");
    expect(await card("default").innerText()).toContain("Workers fail to start");
  });

  it("watches only while it is looked at", async () => {
    expect(pool.watcherCount).toBe(0);
    await open();
    await expect.poll(() => pool.watcherCount).toBe(1);
    await visit.page.getByRole("link", { name: "Chat", exact: true }).click();
    await expect.poll(() => pool.watcherCount).toBe(0);
    await open();
    await expect.poll(() => pool.watcherCount).toBe(1);
    await visit.page.getByRole("button", { name: "Sign out", exact: true }).click();
    await expect.poll(() => pool.watcherCount).toBe(0);
  });

  it("says that what is shown is old when the connection is lost, and is live again by itself", async () => {
    await open();
    await card("default").waitFor();
    const { port } = new URL(servers.webUrl);
    await servers.stop();
    await visit.main.getByText(/Connection lost: the state below is old/).waitFor();
    servers = await startTestServers({
      pool: [pool.service],
      change: ({ web }) => {
        web.port = Number(port);
      },
    });
    await visit.main.getByText(/^Live/).waitFor();
  });

  it("says so when the caller may not see it, and does not ask again", async () => {
    pool.failNext = new ConnectError("not for you", Code.PermissionDenied);
    await open();
    await visit.page
      .locator(".pool-problem")
      .getByText(/not for you|Refused|cannot/i)
      .waitFor();
    expect(pool.watcherCount).toBe(0);
  });
});

describeInBrowser("the view of a real pool", (browser) => {
  it("shows the turns that were made here, on the workers that made them, and follows the next one", async () => {
    const scene = await openScene();
    try {
      const url = `http://127.0.0.1:${scene.target.webPort}/`;
      await using visit = await Visit.to(browser(), url);
      await visit.signIn(tenants.acme);
      await visit.ask("Hello");
      await visit.lastTurn.getByText("Where the time went").click();
      const [, , worker = ""] = await visit.lastTurn.locator(".facts-list dd code").allInnerTexts();

      const watching = await visit.newTab();
      await watching.goto(`${url}#pool`);
      await watching.getByLabel("Token", { exact: true }).fill(tenants.acme);
      await watching.keyboard.press("Enter");
      const turns = watching.locator(".recent-turn");
      await expect.poll(() => turns.locator(".chip").allInnerTexts()).toEqual(["completed"]);
      expect(await turns.first().innerText()).toContain(`spare ${worker}`);
      expect(await turns.first().getByRole("img").getAttribute("aria-label")).toMatch(/claim .*, total /);
      await watching.getByRole("row", { name: worker }).getByText("bound, idle").waitFor();

      await visit.say(scenario("stall"));
      await expect.poll(() => turns.locator(".chip").allInnerTexts()).toEqual(["running", "completed"]);
      await watching.getByRole("row", { name: worker }).getByText("in a turn").waitFor();
      await visit.cancel.click();
      await expect.poll(() => turns.locator(".chip").allInnerTexts()).toEqual(["stopped", "completed"]);
      expect(visit.problems).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});

describeInBrowser("a server without PoolService", (browser) => {
  it("is said to have no view of its pool", async () => {
    const servers = await startTestServers({ pool: [] });
    try {
      await using visit = await Visit.to(browser(), servers.webUrl, { expected: [/status of 404/] });
      await visit.signIn(testToken);
      await visit.page.getByRole("link", { name: "Pool", exact: true }).click();
      await visit.page
        .locator(".pool-problem")
        .getByText(/This server does not show its pool/)
        .waitFor();
      expect(visit.problems).toEqual([]);
    } finally {
      await servers.stop();
    }
  });
});
