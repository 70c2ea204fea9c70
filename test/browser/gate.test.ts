/** Who gets in, and where the token is and is not. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { startTestServers } from "../server/scripted-runner.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { Visit } from "./visit.ts";

describeInBrowser("the token gate", (browser) => {
  let scene: Scene;
  let visit: Visit;
  const urls: string[] = [];
  /** The calls of this visit: with which token, if any. */
  let calls: { readonly path: string; readonly authorization: string | undefined }[] = [];
  beforeAll(async () => {
    scene = await openScene({ settings: { profiles: { default: { minSpares: 0 } } }, untilWarm: false });
  });
  afterAll(() => scene?.close());
  beforeEach(async () => {
    visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`);
    calls = [];
    visit.page.on("request", (request) => {
      urls.push(request.url());
      const { authorization } = request.headers();
      if (request.method() === "POST") calls.push({ path: new URL(request.url()).pathname, authorization });
    });
    visit.page.on("framenavigated", (frame) => urls.push(frame.url()));
  });
  afterEach(async () => {
    expect(visit.problems).toEqual([]);
    await visit[Symbol.asyncDispose]();
  });
  const stored = () =>
    visit.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]));

  /** Lets the page do what an event has set off, and what it asks of the server be seen. */
  const settled = () =>
    visit.page.evaluate(
      () => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
    );

  it("lets nobody in without a token, and calls nothing until there is one", async () => {
    await visit.page.reload(); // so that all of its calls are seen
    await visit.token.waitFor();
    // It asks once without a token, to find out whether one is wanted.
    const asked = [{ path: "/claude.runner.v1.ClaudeRunner/GetInfo", authorization: undefined }];
    expect(calls.slice(-1)).toEqual(asked);
    calls = [];
    expect(await visit.prompt.count()).toBe(0);
    expect(await visit.page.getByRole("navigation").count()).toBe(0);
    await visit.page.getByRole("button", { name: "Sign in", exact: true }).click();
    expect(await visit.token.evaluate((input: HTMLInputElement) => input.validity.valueMissing)).toBe(true);
    await settled();
    expect(calls).toEqual([]);
    expect(await stored()).toBe('[{},{},""]');
  });

  it("says so when a token is wrong, keeps nothing of it, and takes another one", async () => {
    await visit.token.fill("not-the-token");
    await visit.page.keyboard.press("Enter");
    await visit.page.getByRole("alert").getByText("The server does not know this token.").waitFor();
    expect(await stored()).not.toContain("not-the-token");
    await visit.signIn(tenants.acme);
    await visit.page.getByRole("banner").getByText("acme", { exact: true }).waitFor();
  });

  it("does not send what cannot be a token", async () => {
    await visit.token.waitFor();
    calls = [];
    await visit.token.fill("two words");
    await visit.page.keyboard.press("Enter");
    await visit.page
      .getByRole("alert")
      .getByText(/no spaces/)
      .waitFor();
    await settled();
    expect(calls).toEqual([]);
    await visit.signIn(tenants.acme);
    expect(calls[0]?.authorization).toBe(`Bearer ${tenants.acme}`); // what is sent would have been seen
  });

  it("takes a token as it was pasted, and hides it unless asked to show it", async () => {
    expect(await visit.token.getAttribute("type")).toBe("password");
    const show = visit.page.getByRole("button", { name: "Show", exact: true });
    await show.click();
    expect(await visit.token.getAttribute("type")).toBe("text");
    await visit.page.getByRole("button", { name: "Hide", exact: true }).click();
    expect(await visit.token.getAttribute("type")).toBe("password");
    await visit.signIn(`  Bearer ${tenants.acme} `);
  });

  it("keeps the token over a reload, for this tab only", async () => {
    await visit.signIn(tenants.acme);
    await visit.page.reload();
    await visit.prompt.waitFor();
    expect(await visit.page.evaluate(() => [localStorage.length, document.cookie])).toEqual([0, ""]);
    const other = await visit.newTab();
    await other.goto(visit.page.url());
    await other.getByLabel("Token", { exact: true }).waitFor();
  });

  it("forgets the token and the conversation when the person signs out", async () => {
    await visit.signIn(tenants.acme);
    await visit.ask("a-word-that-was-said");
    await visit.page.getByRole("button", { name: "Sign out", exact: true }).click();
    await visit.token.waitFor();
    expect(await stored()).toBe('[{},{},""]');
    expect(await visit.token.inputValue()).toBe("");
    expect(await visit.page.content()).not.toContain("a-word-that-was-said");
    await visit.page.reload();
    await visit.token.waitFor();
  });

  it("asks again when the server no longer takes a kept token", async () => {
    await visit.token.waitFor();
    await visit.page.evaluate(() => sessionStorage.setItem("claude-runner-token", "an-old-one"));
    await visit.page.reload();
    await visit.page.getByRole("alert").getByText("The server does not know this token.").waitFor();
    expect(await stored()).not.toContain("an-old-one");
  });

  it("has put the token into no address and no line of the server's log", () => {
    expect(urls.length).toBeGreaterThan(100);
    for (const token of [tenants.acme, "not-the-token", "an-old-one"]) {
      expect(urls.filter((url) => url.includes(token))).toEqual([]);
      expect(scene.book.lines.filter((line) => JSON.stringify(line).includes(token))).toEqual([]);
    }
  });
});

describeInBrowser("a server without authentication", (browser) => {
  it("asks for no token, and has nothing to sign out from", async () => {
    const servers = await startTestServers({
      change: ({ auth }) => {
        auth.tokens = [];
        auth.insecureNoAuth = true;
      },
    });
    try {
      await using visit = await Visit.to(browser(), servers.webUrl);
      await visit.prompt.waitFor();
      await visit.page.getByRole("banner").getByText("anonymous", { exact: true }).waitFor();
      expect(await visit.page.getByRole("button", { name: "Sign out", exact: true }).count()).toBe(0);
      expect(visit.problems).toEqual([]);
    } finally {
      await servers.stop();
    }
  });
});

describeInBrowser("a server that is gone when the page asks", (browser) => {
  it("is named, with a way to try again", async () => {
    const servers = await startTestServers();
    await using visit = await Visit.to(browser(), servers.webUrl, { expected: [/Failed to load resource/] });
    await visit.token.waitFor();
    await servers.stop();
    await visit.token.fill("any");
    await visit.page.keyboard.press("Enter");
    await visit.page
      .getByRole("alert")
      .getByText(/The server cannot be reached/)
      .waitFor();
    expect(visit.problems).toEqual([]);
  });
});
