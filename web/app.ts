/**
 * The frame of the page: who is signed in, and which of the two views is shown.
 */
import type { GetInfoResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { Announcer } from "./announce.ts";
import { type Api, connectTo } from "./api.ts";
import { Attention } from "./attention.ts";
import { Chat } from "./chat.ts";
import { el, setShown } from "./dom.ts";
import { type CallFailure, failureOf, wantsToken } from "./failure.ts";
import { failureElement } from "./failure-view.ts";
import { Gate } from "./gate.ts";
import { hashOf, type Place, placeOf } from "./place.ts";
import { PoolView } from "./pool-view.ts";
import { savedToken, saveToken } from "./token.ts";

type ViewName = Place["view"];

export class App {
  readonly #announcer: Announcer;
  readonly #account = el("div", { class: "account" });
  readonly #links: Readonly<Record<ViewName, HTMLAnchorElement>> = {
    chat: el("a", { href: "#chat" }, "Chat"),
    pool: el("a", { href: "#pool" }, "Pool"),
  };
  readonly #nav: HTMLElement;
  readonly #main = el("main", { id: "main", tabindex: -1 });
  /** Whether the chat is looked at: in this tab, and not the pool. */
  #attention = new Attention(false);
  #views: { readonly chat: Chat; readonly pool: PoolView } | undefined;

  constructor(body: HTMLElement) {
    const speech = el("div", {
      class: "visually-hidden",
      role: "log",
      "aria-live": "polite",
      "aria-label": "Announcements",
    });
    this.#announcer = new Announcer(speech);
    const skip = el("a", { class: "skip", href: "#main" }, "Skip to content");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.#main.focus();
    });
    this.#nav = el("nav", { "aria-label": "Views" }, this.#links.chat, this.#links.pool);
    const header = el(
      "header",
      { class: "top" },
      el(
        "p",
        { class: "brand" },
        el("img", { src: "page/web/icon.svg", alt: "", width: 24, height: 24 }),
        "claude-runner",
      ),
      this.#nav,
      this.#account,
    );
    body.replaceChildren(skip, header, this.#main, speech);
    setShown(this.#nav, false);
    window.addEventListener("hashchange", () => this.#showPlace());
    document.addEventListener("visibilitychange", () => this.#followAttention());
  }

  /** Signs in with the token of this tab if there is one, else without: the server says whether it wants one. */
  async start(): Promise<void> {
    await this.#signIn(savedToken());
  }

  async #signIn(token: string | undefined, gate?: Gate): Promise<void> {
    const api = connectTo(new URL(".", document.baseURI).href, token);
    let info: GetInfoResponse;
    try {
      info = await api.runner.getInfo({});
    } catch (error) {
      this.#refused(failureOf(error, { hasBegun: false }), token, gate);
      return;
    }
    saveToken(token);
    this.#enter(api, info, token !== undefined);
  }

  #refused(failure: CallFailure, token: string | undefined, gate: Gate | undefined): void {
    if (wantsToken(failure)) {
      saveToken(undefined);
      const problem = token === undefined ? "" : "The server does not know this token.";
      if (gate === undefined) this.#ask(problem);
      else gate.showProblem(problem);
    } else if (gate !== undefined) {
      gate.showProblem(`${failure.message} ${failure.advice}`);
    } else {
      const retry = () => void this.#signIn(token);
      const element = failureElement(failure, { retry }, this.#announcer);
      this.#main.replaceChildren(el("div", { class: "middle" }, el("h1", {}, "claude-runner"), element));
      this.#announcer.say(`${failure.title}. ${failure.message}`);
    }
  }

  #ask(problem: string): void {
    const gate = new Gate({ problem, onToken: (token) => void this.#signIn(token, gate) });
    this.#main.replaceChildren(gate.element);
    gate.focus();
  }

  #enter(api: Api, info: GetInfoResponse, hasToken: boolean): void {
    const announcer = this.#announcer;
    this.#attention = new Attention(false);
    this.#views = {
      chat: new Chat({
        api,
        info,
        announcer,
        attention: this.#attention,
        onPlace: (place, isSame) => this.#moved(place, isSame),
      }),
      pool: new PoolView(api, announcer),
    };
    this.#main.replaceChildren(this.#views.chat.element, this.#views.pool.element);
    this.#account.replaceChildren(el("span", { class: "tenant", title: "Tenant" }, info.tenant));
    if (hasToken) {
      const signOut = el("button", { type: "button", class: "quiet" }, "Sign out");
      signOut.addEventListener("click", () => this.#signOut());
      this.#account.append(signOut);
    }
    setShown(this.#nav, true);
    this.#showPlace();
  }

  /** Forgets the token, and everything that was seen with it. */
  #signOut(): void {
    saveToken(undefined);
    this.#views?.chat.close();
    this.#views?.pool.close();
    this.#views = undefined;
    this.#moved({ view: "chat", sessionId: undefined }, true);
    this.#account.replaceChildren();
    setShown(this.#nav, false);
    this.#announcer.clear();
    this.#ask("");
    this.#announcer.say("Signed out.");
  }

  /** The address follows what is open. `isSame`: there is nothing new to come back from. */
  #moved(place: Place, isSame: boolean): void {
    const hash = hashOf(place);
    this.#links.chat.setAttribute("href", hash);
    // The pool stays where it is.
    if (location.hash === hash || placeOf(location.hash).view === "pool") return;
    if (isSame) history.replaceState(null, "", hash);
    else history.pushState(null, "", hash);
  }

  #showPlace(): void {
    if (this.#views === undefined) return;
    const { chat, pool } = this.#views;
    const place = placeOf(location.hash);
    setShown(chat.element, place.view === "chat");
    setShown(pool.element, place.view === "pool");
    for (const [of, link] of Object.entries(this.#links)) {
      if (of === place.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = place.view === "pool" ? "Pool · claude-runner" : "claude-runner";
    this.#followAttention();
    if (place.view === "pool") return;
    this.#links.chat.setAttribute("href", hashOf(place));
    chat.go(place.sessionId);
    chat.focus();
  }

  /** A tab has one stream at most, and none while it is hidden: a browser has six connections for all of them. */
  #followAttention(): void {
    const { view } = placeOf(location.hash);
    const isVisible = document.visibilityState === "visible";
    this.#attention.set(isVisible && view === "chat");
    this.#views?.pool.setWatching(isVisible && view === "pool");
  }
}
