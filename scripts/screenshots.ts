/**
 * Pictures of the page in a real Chromium, light and dark, wide and narrow, into `.tmp/screenshots`: for eyes, before and
 * after a change. `--page FILE` writes the one for the README as well.
 *
 * The chat is the real Claude Code with the stand-in in the model's place. The pool is a scripted one, which is busier than
 * a demo's.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { busyPool } from "../test/browser/pool-states.ts";
import { ScriptedPool } from "../test/browser/scripted-pool.ts";
import { openBrowser, scenario, Visit } from "../test/browser/visit.ts";
import { openScene, type ProfileInput, tenants } from "../test/e2e/scene.ts";
import { startTestServers, testToken } from "../test/server/scripted-runner.ts";

const folder = new URL("../.tmp/screenshots/", import.meta.url).pathname;
const { values: options } = parseArgs({ options: { page: { type: "string" } } });

const looks = (["light", "dark"] as const).flatMap((colorScheme) =>
  [1200, 360].map((width) => ({
    name: `${colorScheme}-${width === 360 ? "narrow" : "wide"}`,
    colorScheme,
    viewport: { width, height: width === 360 ? 740 : 860 },
    deviceScaleFactor: width === 360 ? 2 : 1,
  })),
);

const answer = `A warm worker answers **without being started first**. What a turn waits for then is:

1. a *claim*, which takes less than a millisecond,
2. the prompt on its way to Claude Code,
3. the model.

\`\`\`ts
for await (const { event } of client.streamChat({ prompt })) {
  if (event.case === "textDelta") process.stdout.write(event.value.text);
}
\`\`\`

| worker | what the turn waits for |
|---|---|
| reused | nothing |
| spare | its system prompt |
| started for the turn | a process that starts |
`;

await mkdir(folder, { recursive: true });
const browser = await openBrowser();
try {
  await pictureChat(browser);
  await picturePool(browser);
} finally {
  await browser.close();
}
console.log(`the pictures are in ${folder}`);

async function pictureChat(browser: Browser): Promise<void> {
  const workspace = await mkdtemp(join(tmpdir(), "screenshots-"));
  await writeFile(join(workspace, "notes.md"), "# Notes\n");
  await writeFile(join(workspace, "budget.csv"), "month,cost\n");
  const coder: ProfileInput = { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "acme" };
  const storeFolder = await mkdtemp(join(tmpdir(), "screenshots-store-"));
  const scene = await openScene({
    settings: { profiles: { default: {}, coder }, store: { kind: "sqlite", folder: storeFolder } },
  });
  const answerOnce = () =>
    scene.standin.script(
      { name: "thinking", options: { text: answer, thinking: "A short comparison is wanted." } },
      { times: 1 },
    );
  try {
    const url = `http://127.0.0.1:${scene.target.webPort}/`;
    if (options.page !== undefined) {
      await using visit = await Visit.to(browser, url, {
        viewport: { width: 1080, height: 1300 },
        deviceScaleFactor: 1.5,
      });
      await visit.signIn(tenants.acme);
      await visit.ask("Say hello");
      await visit.page.getByRole("button", { name: "New conversation", exact: true }).click();
      answerOnce();
      await visit.ask("Why is a warm worker faster?");
      await visit.lastTurn.getByText("Where the time went").click();
      await visit.page.evaluate(() => scrollTo(0, 0));
      await visit.page.screenshot({ path: options.page });
      console.log(`written: ${options.page}`);
    }
    for (const look of looks) {
      await using visit = await Visit.to(browser, url, look);
      await visit.token.waitFor();
      await picture(visit, `gate-${look.name}`);
      await visit.signIn(tenants.acme);
      await picture(visit, `empty-${look.name}`);
      await visit.options.click();
      await picture(visit, `options-${look.name}`);
      await visit.options.click();

      answerOnce();
      await visit.ask("Why is a warm worker faster?");
      await picture(visit, `answer-${look.name}`);
      const conversations = visit.page.getByRole("button", { name: "Conversations", exact: true });
      if (await conversations.isVisible()) await conversations.click();
      await visit.page
        .getByRole("link", { name: /^Why is a warm/ })
        .first()
        .waitFor();
      await picture(visit, `list-${look.name}`);
      await visit.page
        .getByRole("button", { name: /^Delete Why is/ })
        .first()
        .click();
      await picture(visit, `delete-${look.name}`);
      await visit.page.keyboard.press("Escape");
      if (await conversations.isVisible()) await conversations.click();
      await visit.lastTurn.getByRole("button", { name: "Edit prompt", exact: true }).click();
      await picture(visit, `edit-${look.name}`);
      await visit.page.getByRole("button", { name: "Stop editing", exact: true }).click();
      await visit.startAnew();
      await visit.choose({ profile: "coder" });
      scene.standin.script(
        { name: "bash", options: { command: "ls -1", text: "There are **two** files." } },
        { times: 2 },
      );
      await visit.ask("Which files are there?");
      await visit.lastTurn.getByText("Where the time went").click();
      await visit.page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      await picture(visit, `tool-${look.name}`);

      await visit.say(scenario("error-529", {}, "And now?"));
      await visit.over();
      await picture(visit, `failure-${look.name}`);
      await visit.say(scenario("stall", {}, "Go on"));
      await visit.lastTurn.locator(".text").waitFor();
      await picture(visit, `running-${look.name}`);
      // It would go on without its page, and keep the only worker of the workspace.
      await visit.cancel.click();
      await visit.over();
    }
  } finally {
    await scene.close();
    await rm(workspace, { recursive: true });
    await rm(storeFolder, { recursive: true });
  }
}

async function picturePool(browser: Browser): Promise<void> {
  const pool = new ScriptedPool(busyPool());
  const servers = await startTestServers({ pool: [pool.service] });
  try {
    for (const look of looks) {
      await using visit = await Visit.to(browser, `${servers.webUrl}/#pool`, look);
      await visit.token.fill(testToken);
      await visit.page.keyboard.press("Enter");
      await visit.main.getByText("Serving", { exact: true }).waitFor();
      await picture(visit, `pool-${look.name}`, true);
    }
  } finally {
    await servers.stop();
  }
}

async function picture({ page }: Visit, name: string, fullPage = false): Promise<void> {
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage });
}
