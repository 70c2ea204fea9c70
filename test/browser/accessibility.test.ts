/** The page as axe-core sees it: every view, in light and dark, wide and narrow. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults, RunOptions } from "axe-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { startTestServers, testToken } from "../server/scripted-runner.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { busyPool } from "./pool-states.ts";
import { ScriptedPool } from "./scripted-pool.ts";
import { scenario, Visit } from "./visit.ts";

declare const axe: { run(options: RunOptions): Promise<AxeResults> };

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What is against WCAG 2.2 AA, and what axe's own good practice adds. */
async function complaints({ page }: Visit): Promise<string[]> {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(async () => {
    // What has scrolled half beneath a bar that stays in sight is no smaller for that.
    const bars = [...document.querySelectorAll<HTMLElement>(".top, .dock")];
    for (const bar of bars) bar.style.position = "static";
    const results = await axe.run({
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    for (const bar of bars) bar.style.position = "";
    return results;
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

/** Nothing is wider than the window. */
const overflow = ({ page }: Visit) => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

const markdown = `# Heading\n\nText with \`code\`, **strong** and a [link](https://a.example).\n\n- [x] done\n- two\n\n> quote\n\n\`\`\`ts\nconst aVeryLongLine = "${"x".repeat(300)}";\n\`\`\`\n\n| a | b |\n|---|---|\n| 1 | 2 |`;

describeInBrowser("accessibility", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    const coder = {
      tools: ["Bash"],
      workspace: { path: process.cwd() },
      isolation: "none" as const,
      tenant: "acme",
      minSpares: 0,
    };
    scene = await openScene({ settings: { profiles: { default: {}, coder } } });
  });
  afterAll(() => scene?.close());

  describe.each([
    ["light", 1280],
    ["dark", 1280],
    ["light", 360],
    ["dark", 360],
  ] as const)("in %s, %i pixels wide", (colorScheme, width) => {
    const options = { colorScheme, viewport: { width, height: 800 }, reducedMotion: "reduce" } as const;

    it("is fine for signing in, also after a wrong token", async () => {
      await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, options);
      await visit.token.fill("wrong");
      await visit.page.keyboard.press("Enter");
      await visit.main.getByText("The server does not know this token.").waitFor();
      expect(await complaints(visit)).toEqual([]);
      expect(await overflow(visit)).toBe(0);
    });

    it("is fine for a conversation with everything in it", async () => {
      await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, options);
      await visit.signIn(tenants.acme);
      expect(await complaints(visit)).toEqual([]);
      await visit.ask(scenario("thinking", { text: markdown, thinking: "Let me think." }));
      await visit.lastTurn.locator("details.thinking summary").click();
      await visit.lastTurn.getByText("Where the time went").click();
      await visit.ask(scenario("stream-reset-once"));
      await visit.say(scenario("error-529"));
      await visit.over();
      await visit.lastTurn.getByText("Details", { exact: true }).click();
      await visit.startAnew();
      await visit.choose({ profile: "coder" });
      await visit.ask(scenario("bash", { command: "echo out; echo err >&2; exit 3" }));
      await visit.options.click();
      // Where there is no room the list is closed until it is asked for.
      const list = visit.page.getByRole("button", { name: "Conversations", exact: true });
      if (await list.isVisible()) await list.click();
      await visit.page
        .getByRole("button", { name: /^Rename Please/ })
        .first()
        .click();
      await visit.page.getByLabel("Title", { exact: true }).fill(" ");
      await visit.page.keyboard.press("Enter");
      await visit.page.getByText("Write a title.").waitFor();
      expect(await complaints(visit)).toEqual([]);
      await visit.page.keyboard.press("Escape");
      if (await list.isVisible()) await list.click();
      await visit.lastTurn.getByRole("button", { name: "Edit prompt", exact: true }).click();
      expect(await complaints(visit)).toEqual([]);
      await visit.page.getByRole("button", { name: "Stop editing", exact: true }).click();
      await visit.say(scenario("stall"));
      await visit.lastTurn.locator(".text").waitFor();
      expect(await complaints(visit)).toEqual([]);
      expect(await overflow(visit)).toBe(0);
      // It would go on without its page.
      await visit.page.keyboard.press("Escape");
      await visit.over();
      expect(visit.problems).toEqual([]);
    });

    it("is fine for a busy pool", async () => {
      const pool = new ScriptedPool(busyPool());
      const servers = await startTestServers({ pool: [pool.service] });
      try {
        await using visit = await Visit.to(browser(), `${servers.webUrl}/#pool`, options);
        await visit.token.fill(testToken);
        await visit.page.keyboard.press("Enter");
        await visit.main.getByText("Serving", { exact: true }).waitFor();
        expect(await complaints(visit)).toEqual([]);
        expect(await overflow(visit)).toBe(0);
        expect(visit.problems).toEqual([]);
      } finally {
        await servers.stop();
      }
    });
  });

  it("moves nothing for people who do not want that", async () => {
    await using visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, {
      reducedMotion: "reduce",
    });
    await visit.signIn(tenants.acme);
    await visit.say(scenario("stall"));
    await visit.lastTurn.locator(".pulse").waitFor();
    expect(await visit.page.evaluate(() => document.getAnimations().length)).toBe(0);
  });
});
