/** What a page of another origin can do to a server that its visitor may use: nothing. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestServers, type TestServers, testToken } from "../server/scripted-runner.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { Visit } from "./visit.ts";

describeInBrowser("a page of another origin", (browser) => {
  let servers: TestServers;
  let stranger: Server;
  let strangerUrl: string;
  beforeAll(async () => {
    servers = await startTestServers();
    stranger = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>stranger</title>");
    });
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    strangerUrl = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`;
  });
  afterAll(async () => {
    stranger?.closeAllConnections();
    stranger?.close();
    await servers?.stop();
  });

  /** The stranger's page, which may do as it likes. */
  const visitStranger = () => Visit.to(browser(), strangerUrl, { expected: [/./] });
  const chat = () => ({
    url: `${servers.webUrl}/claude.runner.v1.ClaudeRunner/Chat`,
    token: testToken,
    body: JSON.stringify({ prompt: "count 1" }),
  });

  it("cannot call, with or without asking first, even if it knew the token", async () => {
    await using visit = await visitStranger();
    const outcomes = await visit.page.evaluate(async ({ url, token, body }) => {
      const tries: Record<string, RequestInit> = {
        "with a preflight": { headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } },
        "as text, without one": { headers: { "content-type": "text/plain" } },
        "without looking at the answer": { mode: "no-cors", headers: { "content-type": "text/plain" } },
      };
      const seen: Record<string, string> = {};
      for (const [name, init] of Object.entries(tries)) {
        seen[name] = await fetch(url, { method: "POST", body, ...init }).then(
          async (response) => `${response.type} ${await response.text()}`,
          () => "blocked",
        );
      }
      return seen;
    }, chat());
    // CORP keeps even the opaque answer from it.
    expect(outcomes).toMatchObject({ "with a preflight": "blocked", "as text, without one": "blocked" });
    expect(outcomes["without looking at the answer"]).not.toContain("123");
    expect(servers.runner.calls).toHaveLength(0);
  });

  it("cannot have the page in a frame", async () => {
    await using visit = await visitStranger();
    await visit.page.evaluate((url) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      document.body.append(frame);
      return new Promise((resolve) => frame.addEventListener("load", resolve));
    }, servers.webUrl);
    const [, framed] = visit.page.frames();
    expect(await framed?.locator("body").innerText()).not.toContain("claude-runner");
    expect(framed?.url()).toContain("chrome-error:");
  });

  it("cannot use the page's files as its own", async () => {
    await using visit = await visitStranger();
    const outcomes = await visit.page.evaluate(async (server) => {
      const load = (element: HTMLElement) =>
        new Promise<string>((resolve) => {
          element.addEventListener("load", () => resolve("loaded"));
          element.addEventListener("error", () => resolve("blocked"));
          document.head.append(element);
        });
      const script = (type: string) =>
        Object.assign(document.createElement("script"), { type, src: `${server}/page/web/main.ts` });
      const style = Object.assign(document.createElement("link"), {
        rel: "stylesheet",
        href: `${server}/page/web/base.css`,
      });
      return [await load(script("module")), await load(script("text/javascript")), await load(style)];
    }, servers.webUrl);
    expect(outcomes).toEqual(["blocked", "blocked", "blocked"]);
  });

  it("cannot reach into a page that it opened", async () => {
    await using visit = await visitStranger();
    const opened = visit.page.waitForEvent("popup");
    const reached = visit.page.evaluate(async (url) => {
      const other = window.open(url);
      for (;;) {
        if (other === null || other.closed) return "cut off";
        try {
          if (other.document.title === "claude-runner") return "reached";
        } catch {
          return "cross-origin";
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }, servers.webUrl);
    const page = await opened;
    await page.getByLabel("Token", { exact: true }).waitFor();
    expect(await page.evaluate(() => window.opener)).toBeNull();
    expect(["cut off", "cross-origin"]).toContain(await reached);
  });
});
