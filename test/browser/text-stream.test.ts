/** The example of docs/text-streams.md, as it stands there, in a page of another origin. */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestServers, type TestServers, testToken } from "../server/scripted-runner.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { Visit } from "./visit.ts";

const page = readFileSync(new URL("../../docs/text-streams.md", import.meta.url), "utf8");
const [, example = ""] = /```js\n(.*?)```/s.exec(page) ?? [];

describeInBrowser("the example of a page without a library", (browser) => {
  let servers: TestServers;
  let site: Server;
  let siteUrl: string;
  beforeAll(async () => {
    site = createServer((request, response) => {
      const prompt = new URL(request.url ?? "", siteUrl).searchParams.get("prompt") ?? "";
      const script = example
        .replace("http://127.0.0.1:7434", servers.webUrl)
        .replace('prompt("Token")', JSON.stringify(testToken))
        .replace("Say hello", prompt);
      response.setHeader("content-type", "text/html");
      response.end(`<!doctype html><title>example</title><output></output>
        <script type="module">try { ${script}; document.title = "complete"; } catch (error) {
          document.title = error.message; throw error; }</script>`);
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
    servers = await startTestServers({
      change: ({ web }) => {
        web.allowedOrigins = [new URL(siteUrl).origin];
      },
    });
  });
  afterAll(async () => {
    site?.closeAllConnections();
    site?.close();
    await servers?.stop();
  });

  const visit = (prompt: string) =>
    Visit.to(browser(), `${siteUrl}?prompt=${encodeURIComponent(prompt)}`, { expected: [/./] });

  it("shows the text as it arrives, while the turn runs", async () => {
    const arrival = servers.runner.nextCall();
    await using visitor = await visit("wait after-one");
    await expect.poll(() => visitor.page.locator("output").innerText()).toBe("1");
    const call = await arrival;
    // Who closes the page ends the turn.
    await visitor.page.goto("about:blank");
    expect(await call.aborted).toMatchObject({ rawMessage: "cancelled by the caller" });
  });

  it("returns after the result", async () => {
    await using visitor = await visit("complete");
    await expect.poll(() => visitor.page.title()).toBe("complete");
    expect(await visitor.page.locator("output").innerText()).toBe("1");
  });

  it("passes heartbeats over, and notices a stream that ends without a result", async () => {
    await using visitor = await visit("beat");
    await expect.poll(() => visitor.page.title()).toBe("the stream was cut off");
    expect(await visitor.page.locator("output").innerText()).toBe("12");
  });

  it.each([
    ["refuse", "", "queue is full: 3 turns waiting, limit 3"],
    ["fail-after 2", "12", "the worker died"],
  ])("says why a turn failed: %s", async (prompt, text, title) => {
    await using visitor = await visit(prompt);
    await expect.poll(() => visitor.page.title()).toBe(title);
    expect(await visitor.page.locator("output").innerText()).toBe(text);
  });
});
