/** The page on the whole server with the real Claude Code: what a person sees and does in a conversation. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { openScene, type ProfileInput, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit, type VisitOptions } from "./visit.ts";

describeInBrowser("the chat", (browser) => {
  let scene: Scene;
  let workspace: string;
  let visit: Visit;
  beforeAll(async () => {
    workspace = await mkdtemp(join(tmpdir(), "runner-page-"));
    const coder: ProfileInput = {
      tools: ["Bash"],
      workspace: { path: workspace },
      isolation: "none",
      tenant: "acme",
      minSpares: 0,
    };
    scene = await openScene({ settings: { profiles: { default: {}, coder } } });
  });
  afterAll(async () => {
    await scene?.close();
    await rm(workspace, { recursive: true, force: true });
  });

  const arrive = async (options?: VisitOptions) => {
    visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, options);
    await visit.signIn(tenants.acme);
  };
  beforeEach(async () => {
    await arrive();
    return async () => {
      await visit[Symbol.asyncDispose]();
    };
  });
  const clean = () => expect(visit.problems).toEqual([]);
  const isFree = () => scene.workers().claimed === 0;

  it("shows text while it comes", async () => {
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".text").getByText("This text").waitFor();
    expect(await visit.cancel.isVisible()).toBe(true);
    await visit.cancel.click();
    await visit.over();
    expect(await visit.send.isVisible()).toBe(true);
    clean();
  });

  it("shows what the turn cost and where its time went", async () => {
    expect(await visit.ask(scenario("text", { text: "First words. Then last words." }))).toBe(
      "First words. Then last words.",
    );
    expect(await visit.lastTurn.locator(".figures").innerText()).toMatch(
      /first text .*\stotal .* tokens? in\s.* tokens? out\s\$0\.\d{4}/s,
    );
    const bar = visit.lastTurn.getByRole("img");
    expect(await bar.getAttribute("aria-label")).toMatch(/claim .*ms, .*first text .*, total /);
    const widths = await bar
      .locator(".stage")
      .evaluateAll((stages) => stages.map((stage) => stage.getBoundingClientRect().width));
    expect(widths.length).toBeGreaterThan(3);
    expect(Math.min(...widths)).toBeGreaterThan(1);
    clean();
  });

  it("shows the ids under which the server's log has the turn", async () => {
    await visit.ask("Hello");
    await visit.lastTurn.getByText("Where the time went").click();
    const ids = visit.lastTurn.locator(".facts-list dd code");
    const [turnId = "", traceId = ""] = await ids.allInnerTexts();
    const booked = await scene.book.turnEnded(turnId);
    expect(booked.trace_id).toBe(traceId);
    expect(await visit.lastTurn.getByRole("button", { name: "Copy turn id", exact: true }).isVisible()).toBe(true);
    expect(await visit.lastTurn.getByRole("button", { name: "Copy trace id", exact: true }).isVisible()).toBe(true);
    clean();
  });

  it("copies an id", async () => {
    await visit.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await visit.ask("Hello");
    await visit.lastTurn.getByText("Where the time went").click();
    // The thanks are gone soon, by the page's clock.
    await visit.page.clock.install({ time: 0 });
    await visit.page.clock.pauseAt(1_000);
    const copy = visit.lastTurn.getByRole("button", { name: "Copy trace id", exact: true });
    await copy.click();
    await copy.getByText("Copied", { exact: true }).waitFor();
    expect(await visit.page.evaluate(() => navigator.clipboard.readText())).toMatch(/^[0-9a-f]{32}$/);
    await visit.page.clock.runFor(2_000);
    await copy.getByText("Copy", { exact: true }).waitFor();
    clean();
  });

  it.each([
    ["the button", () => visit.cancel.click()],
    ["Escape", () => visit.page.keyboard.press("Escape")],
  ])("cancels a turn by %s, and the worker is free for the next one", async (_, cancel) => {
    await visit.say(scenario("stall", {}));
    await visit.lastTurn.locator(".text").waitFor();
    const from = scene.book.position;
    await cancel();
    await visit.lastTurn.getByText("Cancelled.").waitFor();
    const booked = await scene.book.wait(({ message }) => message === "turn ended", from);
    expect(booked.outcome).toBe("interrupted");
    await expect.poll(isFree).toBe(true);
    expect(await visit.ask(scenario("text", { text: "Here again." }))).toContain("Here again.");
    clean();
  });

  it("goes on with what was said, and begins anew when it is told to", async () => {
    const sent = () => visit.ask(scenario("conversation"));
    const messageCount = (text: string) => text.match(/"role"/g)?.length;
    await visit.ask(scenario("text", { text: "The word is **plum**." }, "Remember a word"));
    const second = await sent();
    expect(second).toContain("Remember a word");
    expect(second).toContain("The word is ");
    expect(messageCount(second)).toBe(3);
    await visit.startAnew();
    expect(messageCount(await sent())).toBe(1);
    clean();
  });

  it("does not take a cancelled turn along", async () => {
    await visit.say(scenario("stall", {}, "The cancelled one"));
    await visit.lastTurn.locator(".text").waitFor();
    await visit.page.keyboard.press("Escape");
    await visit.over();
    expect(await visit.ask(scenario("conversation"))).not.toContain("The cancelled one");
    clean();
  });

  it("ends a turn at its deadline, and says so", async () => {
    // Long enough for the text to be seen, on this machine as it is now.
    const startedAtMs = performance.now();
    await visit.ask("Hello");
    const tookSeconds = (performance.now() - startedAtMs) / 1_000;
    await visit.choose({ deadlineSeconds: Math.ceil(1 + 3 * tookSeconds) });
    await visit.say(scenario("stall"));
    await visit.over();
    await visit.lastTurn.getByText("Stopped: it took as long as it may.").waitFor();
    expect(await visit.lastTurn.locator(".text").innerText()).not.toBe("");
    await expect.poll(isFree).toBe(true);
    clean();
  });

  it("takes back text that turned out to be void", async () => {
    const answer = await visit.ask(scenario("stream-reset-once", {}));
    expect(answer).toMatch(/Taken back: \d+ B of text, since the stream from the model broke off\./);
    const texts = await visit.lastTurn.locator(".text").allInnerTexts();
    expect(texts).toHaveLength(1);
    clean();
  });

  it("shows thinking, which can be opened again when it is over", async () => {
    await visit.ask(scenario("thinking", { thinking: "A greeting is due.", text: "Hello." }));
    const thinking = visit.lastTurn.locator("details.thinking");
    // Playwright refuses a text that is there twice, be one of them hidden.
    expect(await thinking.getByText("A greeting is due.").isVisible()).toBe(false);
    await thinking.locator("summary").click();
    expect(await thinking.getByText("A greeting is due.").isVisible()).toBe(true);
    clean();
  });

  it("has thinking in the page once, however many frames were drawn while it grew", async () => {
    const thinking = Array.from({ length: 20 }, (_, index) => `Thought ${index}. `);
    await visit.ask(scenario("thinking", { thinking: thinking.join(""), text: "Hello.", betweenDeltasMs: 50 }));
    const shown = visit.lastTurn.locator("details.thinking");
    expect(await shown.locator("code").allTextContents()).toEqual([thinking.join("")]);
    clean();
  });

  it("shows a tool with what it was given and what it answered", async () => {
    await visit.choose({ profile: "coder" });
    await visit.ask(scenario("bash", { command: "echo from-the-tool" }));
    const tool = visit.lastTurn.locator("details.tool");
    expect(await tool.locator("summary").innerText()).toMatch(/Bash\s+echo from-the-tool\s+done/);
    expect(await tool.locator(".tool-answer").innerText()).toBe("from-the-tool");
    // The command stands in the summary, and nowhere else.
    expect(await tool.getByText("echo from-the-tool").count()).toBe(1);
    clean();
  });

  it("says what failed and what to do, and lets the person try again", async () => {
    await visit.say(scenario("error-529"));
    await visit.over();
    const failure = visit.turn(1).locator(".failure");
    expect(await failure.innerText()).toMatch(/overloaded/i);
    expect(await failure.innerText()).toContain("UPSTREAM_OVERLOADED");
    const retry = failure.getByRole("button", { name: "Try again", exact: true });
    await retry.click();
    await visit.turn(2).locator(".failure").waitFor();
    expect(await retry.isDisabled()).toBe(true);
    clean();
  });

  it("keeps the end in sight while it grows, unless the person scrolls up or looks at something else", async () => {
    const { page } = visit;
    const fromEnd = () =>
      page.evaluate(() => {
        const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
        return Math.round(scrollHeight - clientHeight - scrollTop);
      });
    const paragraphs = (count: number) => Array.from({ length: count }, (_, index) => `Paragraph ${index}.\n\n`);
    // By its class: what is not shown has no role. Not by its words: they stand in the prompt as well.
    const shown = (index: number) => page.locator(".turn .text p").nth(index).waitFor({ state: "attached" });
    await visit.say(scenario("text", { text: paragraphs(400).join(""), deltas: paragraphs(400), betweenDeltasMs: 25 }));
    await shown(40);
    await expect.poll(fromEnd).toBeLessThan(5);
    await page.mouse.move(600, 300);
    await page.mouse.wheel(0, -400);
    const latest = page.getByRole("button", { name: "To the latest", exact: true });
    await latest.waitFor();
    const top = await page.evaluate(() => document.documentElement.scrollTop);
    await shown(100);
    expect(await page.evaluate(() => document.documentElement.scrollTop)).toBe(top);
    await latest.click();
    await expect.poll(fromEnd).toBeLessThan(5);

    await page.getByRole("link", { name: "Pool", exact: true }).click();
    await visit.main.getByText("Serving", { exact: true }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollTop)).toBe(0);
    await page.getByRole("link", { name: "Chat", exact: true }).click();
    await shown(160);
    await expect.poll(fromEnd).toBeLessThan(5);
    await page.keyboard.press("Escape");
    await visit.over();
    clean();
  });

  it("names every rule that a request broke, and offers no second try of the same", async () => {
    // What no person can choose here.
    await visit.page.locator("#model option").evaluate((option: HTMLOptionElement) => {
      option.value = "no such model!";
    });
    await visit.say("Hello");
    await visit.over();
    const failure = visit.lastTurn.locator(".failure");
    expect(await failure.innerText()).toContain("INVALID_REQUEST");
    expect(await failure.locator("li").allInnerTexts()).toEqual([
      expect.stringMatching(/^model: must be the name of a model/),
      expect.stringMatching(/^model: .*does not allow this model; it allows: /),
    ]);
    expect(await failure.getByRole("button", { name: "Try again", exact: true }).count()).toBe(0);
    clean();
  });

  it("does not send nothing, and says why", async () => {
    await visit.say("   ");
    await visit.page.getByRole("alert").getByText("Write something first.").waitFor();
    expect(await visit.prompt.getAttribute("aria-invalid")).toBe("true");
    await visit.prompt.fill("Hello");
    await expect.poll(() => visit.prompt.getAttribute("aria-invalid")).toBe("false");
    clean();
  });

  it("offers what the server offers", async () => {
    await visit.options.click();
    expect(await visit.main.getByLabel("Profile").locator("option").allInnerTexts()).toEqual(["coder", "default"]);
    expect(await visit.main.getByLabel("Profile").inputValue()).toBe("default");
    await visit.main.getByLabel("Deadline in seconds").fill("0");
    await visit.say("Hello");
    await visit.main.getByText(/The deadline must be between 1 and \d+ seconds/).waitFor();
    clean();
  });
});

describeInBrowser("a turn that is refused for now", (browser) => {
  it("can be sent again when the server thinks it is time", async () => {
    const scene = await openScene({ settings: { auth: { maxTurnsInFlightPerTenant: 1 } } });
    try {
      const url = `http://127.0.0.1:${scene.target.webPort}/`;
      await using busy = await Visit.to(browser(), url);
      await busy.signIn(tenants.acme);
      await busy.say(scenario("stall"));
      await busy.lastTurn.locator(".text").waitFor();

      await using visit = await Visit.to(browser(), url, { expected: [/Failed to load resource/] });
      await visit.signIn(tenants.acme);
      // The page's time goes on frame by frame, and stands still once the turn is over.
      const { clock } = visit.page;
      await clock.install({ time: 0 });
      await clock.pauseAt(1_000);
      await visit.say("Hello");
      while (!(await visit.lastTurn.locator(".turn-foot").isVisible())) await clock.runFor(16);
      const failure = visit.turn(1).locator(".failure");
      expect(await failure.innerText()).toContain("QUOTA_EXCEEDED");
      const retry = failure.getByRole("button", { name: "Try again", exact: true });
      expect(await retry.isDisabled()).toBe(true);
      const wait = await failure.locator(".wait").innerText();
      expect(wait).toMatch(/^in \d+ s, the server asks$/);
      await busy.cancel.click();
      await busy.over();
      await expect.poll(() => scene.workers().claimed).toBe(0);
      await clock.runFor(1_000 * (Number.parseInt(wait.slice(3), 10) + 1));
      expect(await retry.isEnabled()).toBe(true);
      await clock.resume();
      await retry.click();
      await visit.turn(2).locator(".text").waitFor();
      expect(await retry.isDisabled()).toBe(true);
      expect(visit.problems).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});
