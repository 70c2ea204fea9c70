/** Nothing that a model writes runs or loads anything, and nothing of the page is against its own policy. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openScene, type Scene, tenants } from "../e2e/scene.ts";
import { describeInBrowser } from "./describe-in-browser.ts";
import { scenario, Visit, type VisitOptions } from "./visit.ts";

const hostile = `<script>document.title = "owned"</script>

<img src="https://evil.example/pixel.png" onerror="document.title='owned'">

<iframe src="javascript:document.title='owned'"></iframe>

<style>body { display: none }</style> <a href="javascript:document.title='owned'" onclick="document.title='owned'">x</a>

![picture](https://evil.example/picture.png) and [a link](javascript:document.title='owned')
and [data](data:text/html,<script>document.title='owned'</script>) and <javascript:document.title='owned'>

[good](https://good.example/path "a title") and https://bare.example and [local](/claude.runner.v1.ClaudeRunner/Chat)

\`\`\`html
<script>document.title = "owned"</script>
\`\`\`

| <b onmouseover="document.title='owned'">cell</b> |
|---|
| <script>document.title="owned"</script> |

[ref]: javascript:document.title='owned'

- [ref] <svg onload="document.title='owned'">

# <form action="https://evil.example"><button>heading</button></form>
`;

describeInBrowser("the page's policy", (browser) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene?.close());

  const arrive = async (options?: VisitOptions) => {
    const visit = await Visit.to(browser(), `http://127.0.0.1:${scene.target.webPort}/`, options);
    await visit.signIn(tenants.acme);
    return visit;
  };

  it("is never violated, whatever the model writes, and what it writes is text", async () => {
    await using visit = await arrive();
    await visit.ask(scenario("thinking", { text: hostile, thinking: hostile }));
    const turn = visit.lastTurn;
    await turn.locator("details.thinking summary").click();
    expect(await turn.locator("script, img, iframe, style, form, svg[onload], [onclick], [onerror]").count()).toBe(0);
    expect(await turn.locator(".text").innerText()).toContain('<script>document.title = "owned"</script>');
    for (const link of await turn.locator("a").all()) {
      await link.hover();
      expect(await link.getAttribute("rel")).toBe("noopener noreferrer");
      expect(await link.getAttribute("target")).toBe("_blank");
      expect(await link.getAttribute("href")).toMatch(/^https:\/\//);
    }
    expect(await turn.locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")))).toEqual([
      "https://evil.example/pixel.png",
      "https://evil.example/picture.png",
      "https://good.example/path",
      "https://bare.example/",
    ]);
    expect(await visit.page.title()).toBe("claude-runner");
    // Everything was seen: nothing was loaded, nothing complained.
    expect(visit.problems).toEqual([]);
  });

  it("is on: what is not the page's own does not run, and is noticed here", async () => {
    await using visit = await arrive();
    const done = await visit.page.evaluate(async () => {
      // What the browser's tools run themselves is exempt; what comes later is not.
      await new Promise((resolve) => setTimeout(resolve));
      const tries: Record<string, () => unknown> = {
        "inline script": () => {
          const script = document.createElement("script");
          script.append("document.title = 'owned'");
          document.head.append(script);
        },
        "markup from text": () => {
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='1'>");
        },
        "code from text": () => Function("document.title = 'owned'")(),
        "a policy of its own": () => {
          (
            window as unknown as { trustedTypes: { createPolicy(name: string, rules: object): void } }
          ).trustedTypes.createPolicy("mine", {});
        },
        "style attribute": () => document.body.setAttribute("style", "color: red"),
      };
      const outcome: Record<string, string> = {};
      for (const [name, attempt] of Object.entries(tries)) {
        try {
          attempt();
          outcome[name] = "no error";
        } catch {
          outcome[name] = "error";
        }
      }
      outcome.fetch = await fetch("https://evil.example/").then(
        () => "sent",
        () => "blocked",
      );
      const href = "https://evil.example/module.js";
      const module = Object.assign(document.createElement("link"), { rel: "modulepreload", href });
      document.head.append(module);
      outcome.module = await new Promise<string>((resolve) => {
        module.addEventListener("load", () => resolve("loaded"));
        module.addEventListener("error", () => resolve("blocked"));
      });
      outcome.title = document.title;
      return outcome;
    });
    expect(done).toMatchObject({
      "markup from text": "error",
      "code from text": "error",
      "a policy of its own": "error",
      fetch: "blocked",
      module: "blocked",
      title: "claude-runner",
    });
    const violated = (directive: string) =>
      visit.problems.some((problem) => problem.startsWith(`console: policy: ${directive}`));
    for (const directive of ["script-src", "require-trusted-types-for", "trusted-types", "style-src", "connect-src"]) {
      await expect.poll(() => [directive, violated(directive)]).toEqual([directive, true]);
    }
  });
});
