/**
 * A visit to the page in a real Chromium, watched for everything that must not happen in one.
 *
 * Every visitor has a context of its own, so no storage is shared. What went wrong is collected for the whole visit:
 * errors in the console, violations of the content security policy, requests to anywhere but the server.
 */
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { chromiumPath } from "./find-chromium.ts";
import { throttle } from "./throttle.ts";

export function openBrowser(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("no Chromium was found");
  const quiet = ["--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  return chromium.launch({
    executablePath: chromiumPath,
    // Root has no sandbox of Chromium's; what is opened here are our own pages. A wheel scrolls at once, not for a while.
    args: [
      "--disable-gpu",
      "--no-first-run",
      "--disable-smooth-scrolling",
      ...quiet,
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
}

export interface VisitOptions extends BrowserContextOptions {
  /** Errors in the console that belong to the test. */
  readonly expected?: readonly RegExp[];
}

/** The page asks without a token first, to find out whether one is wanted. */
const always = [/status of 401/];

export class Visit {
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #problems: string[] = [];
  readonly #origin: string;

  private constructor(context: BrowserContext, page: Page, url: string, expected: readonly RegExp[]) {
    this.#context = context;
    this.page = page;
    this.#origin = new URL(url).origin;
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      const text = message.text();
      if (![...always, ...expected].some((pattern) => pattern.test(text))) this.#problems.push(`console: ${text}`);
    });
    page.on("pageerror", (error) => this.#problems.push(`error: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== this.#origin) this.#problems.push(`request: ${request.url()}`);
    });
  }

  /** Opens the page. */
  static async to(browser: Browser, url: string, { expected = [], ...options }: VisitOptions = {}): Promise<Visit> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(90_000);
    const page = await context.newPage();
    await throttle(page);
    const visit = new Visit(context, page, url, expected);
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) => {
        console.error(`policy: ${violatedDirective} ${blockedURI} ${sample}`);
      });
    });
    await page.goto(url);
    return visit;
  }

  /** What must not happen and did. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }

  /** Another tab of the same visitor. */
  async newTab(): Promise<Page> {
    const page = await this.#context.newPage();
    await throttle(page);
    return page;
  }

  /** What is looked at. Outside of it stand the header, and the announcements, which repeat what is shown. */
  get main() {
    return this.page.getByRole("main");
  }

  get token() {
    return this.page.getByLabel("Token", { exact: true });
  }

  get prompt() {
    return this.page.getByRole("textbox", { name: "Prompt", exact: true });
  }

  get send() {
    return this.page.getByRole("button", { name: "Send", exact: true });
  }

  get cancel() {
    return this.page.getByRole("button", { name: "Cancel", exact: true });
  }

  /** What opens and closes the options of the next turn. */
  get options() {
    return this.main.getByText(/^Options:/);
  }

  /** One turn for good; the last one is another as soon as one more begins. */
  turn(number: number) {
    return this.main.getByRole("article", { name: `Turn ${number}`, exact: true });
  }

  get lastTurn() {
    return this.page.getByRole("article", { name: /^Turn \d+$/ }).last();
  }

  async signIn(token: string): Promise<void> {
    await this.token.fill(token);
    await this.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await this.prompt.waitFor();
  }

  /** Sends a prompt and does not wait for what comes of it. */
  async say(prompt: string): Promise<void> {
    await this.prompt.fill(prompt);
    await this.send.click();
  }

  /** Sends a prompt and waits until its turn is over. Gives the answer's text. */
  async ask(prompt: string): Promise<string> {
    await this.say(prompt);
    await this.over();
    return await this.lastTurn.locator(".items").first().innerText();
  }

  /** Until the running turn is over. */
  async over(): Promise<void> {
    await this.lastTurn.locator(".turn-foot").waitFor();
  }

  /** Begins a new conversation. */
  async startAnew(): Promise<void> {
    await this.page.getByRole("button", { name: "New conversation", exact: true }).click();
  }

  async choose(options: { readonly profile?: string; readonly deadlineSeconds?: number }): Promise<void> {
    await this.options.click();
    if (options.profile !== undefined) await this.main.getByLabel("Profile").selectOption(options.profile);
    if (options.deadlineSeconds !== undefined) {
      await this.main.getByLabel("Deadline in seconds").fill(String(options.deadlineSeconds));
    }
    await this.options.click();
  }
}

/** A prompt that asks the stand-in for a scenario. */
export function scenario(name: string, options: object = {}, words = "Please"): string {
  return `${words} [[scenario ${name} ${JSON.stringify(options)}]]`;
}
