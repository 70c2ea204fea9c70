/**
 * The conversations that the server keeps for this person: found, opened, given a title, deleted.
 */
import type { Session } from "../clients/typescript/src/gen/claude/runner/v1/session_pb.ts";
import type { Announcer } from "./announce.ts";
import type { Api } from "./api.ts";
import { answered, confirmed } from "./dialog.ts";
import { el, setShown, setText } from "./dom.ts";
import { failureOf, isMissing } from "./failure.ts";
import { KeyedRows } from "./keyed.ts";
import { SessionRow } from "./session-row.ts";
import { shownTitle, titleProblem } from "./session-title.ts";

/** A person who types is not done before so long, in milliseconds. */
const searchPauseMs = 250;
const pageSize = 50;

export interface SessionListActions {
  readonly startAnew: () => void;
  /** A session is there no more. */
  readonly deleted: (id: string) => void;
}

export class SessionList {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #announcer: Announcer;
  readonly #actions: SessionListActions;
  readonly #toggle: HTMLButtonElement;
  readonly #search: HTMLInputElement;
  readonly #words = el("p", { class: "empty" });
  readonly #more = el("button", { type: "button", class: "more" }, "Show more");
  readonly #rows: KeyedRows<Session, SessionRow>;
  readonly #anew = el("button", { type: "button", class: "anew" }, "New conversation");
  #openId: string | undefined;
  #sessions: readonly Session[] = [];
  /** Read so far; a list that is read anew is not made shorter. */
  #pageCount = 1;
  #hasMore = false;
  /** The newest reading: what an older one brings later is old. */
  #reading: AbortController | undefined;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Api, actions: SessionListActions, announcer: Announcer) {
    this.#api = api;
    this.#actions = actions;
    this.#announcer = announcer;
    const list = el("ul", { class: "session-rows" });
    this.#rows = new KeyedRows<Session, SessionRow>({
      parent: list,
      keyOf: ({ id }) => id,
      make: (session) =>
        new SessionRow(session, {
          rename: (of) => void this.#rename(of),
          remove: (of) => void this.#delete(of),
        }),
      update: (row, session) => row.show(session, session.id === this.#openId),
    });
    this.#search = el("input", {
      id: "session-search",
      type: "search",
      placeholder: "Search titles",
      autocomplete: "off",
    });
    const body = el(
      "div",
      { class: "sessions-body", id: "sessions-body" },
      el("label", { for: "session-search", class: "visually-hidden" }, "Search titles"),
      this.#search,
      this.#words,
      list,
      this.#more,
    );
    this.#toggle = el(
      "button",
      { type: "button", class: "sessions-toggle", "aria-expanded": "false", "aria-controls": "sessions-body" },
      "Conversations",
    );
    this.element = el(
      "aside",
      { class: "sessions", "aria-label": "Conversations" },
      el("div", { class: "sessions-head" }, this.#toggle, this.#anew),
      body,
    );
    this.#toggle.addEventListener("click", () => this.#setExpanded(!("open" in this.element.dataset)));
    this.#anew.addEventListener("click", () => {
      this.#setExpanded(false);
      actions.startAnew();
    });
    this.#more.addEventListener("click", () => {
      this.#pageCount += 1;
      void this.refresh();
    });
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#searchTimer);
      this.#searchTimer = setTimeout(() => {
        this.#pageCount = 1;
        void this.refresh();
      }, searchPauseMs);
    });
    setShown(this.#more, false);
    setText(this.#words, "Loading …");
  }

  /** Which one is looked at. */
  setOpen(id: string | undefined): void {
    this.#openId = id;
    this.#setExpanded(false);
    this.#rows.show(this.#sessions);
  }

  /** Reads it anew. What was read before stays until then. */
  async refresh(): Promise<void> {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    try {
      const sessions: Session[] = [];
      let pageToken = "";
      for (let page = 0; page < this.#pageCount; page += 1) {
        const read = await this.#api.sessions.listSessions(
          { pageSize, pageToken, titleContains: this.#search.value.trim() },
          { signal: reading.signal },
        );
        // One that changes while the pages are read can come twice.
        sessions.push(...read.sessions.filter(({ id }) => !sessions.some((known) => known.id === id)));
        pageToken = read.nextPageToken;
        if (pageToken === "") break;
      }
      if (reading.signal.aborted) return;
      this.#sessions = sessions;
      this.#hasMore = pageToken !== "";
      this.#draw("");
    } catch (error) {
      if (reading.signal.aborted) return;
      const { message, advice } = failureOf(error, { hasBegun: false });
      this.#draw(`${message} ${advice}`);
    }
  }

  /** Whether a plain conversation runs: a new one would end it. */
  setAnewEnabled(isEnabled: boolean): void {
    this.#anew.disabled = !isEnabled;
  }

  close(): void {
    clearTimeout(this.#searchTimer);
    this.#reading?.abort();
  }

  #draw(problem: string): void {
    this.#rows.show(this.#sessions);
    setShown(this.#more, this.#hasMore);
    const none = this.#search.value.trim() === "" ? "No conversations yet." : "No title has these words.";
    const words = problem !== "" ? problem : this.#sessions.length === 0 ? none : "";
    setText(this.#words, words);
    setShown(this.#words, words !== "");
  }

  #setExpanded(isExpanded: boolean): void {
    this.element.toggleAttribute("data-open", isExpanded);
    this.#toggle.setAttribute("aria-expanded", String(isExpanded));
  }

  async #rename({ id, title }: Session): Promise<void> {
    const answer = await answered({
      title: "Rename the conversation",
      label: "Title",
      value: title,
      action: "Rename",
      problemOf: titleProblem,
    });
    if (answer === undefined || answer === title) return;
    await this.#change(
      () => this.#api.sessions.updateSession({ id, title: answer, updateMask: { paths: ["title"] } }),
      "Renamed.",
    );
  }

  async #delete({ id, title }: Session): Promise<void> {
    const isConfirmed = await confirmed({
      title: "Delete the conversation?",
      words: `“${shownTitle(title)}” and all its words are deleted from the server. If a turn is running, it is stopped.`,
      action: "Delete",
    });
    if (!isConfirmed) return;
    const isDone = await this.#change(async () => {
      try {
        await this.#api.sessions.deleteSession({ id, force: true });
      } catch (error) {
        // Another tab may have been faster.
        if (!isMissing(failureOf(error, { hasBegun: false }))) throw error;
      }
    }, "Deleted.");
    if (!isDone) return;
    // The button that had the focus is gone with its row.
    this.#search.focus();
    this.#actions.deleted(id);
  }

  async #change(change: () => Promise<unknown>, words: string): Promise<boolean> {
    try {
      await change();
    } catch (error) {
      const { title, message, advice } = failureOf(error, { hasBegun: false });
      this.#draw(`${title}. ${message} ${advice}`);
      this.#announcer.say(`${title}. ${message}`);
      return false;
    }
    this.#announcer.say(words);
    await this.refresh();
    return true;
  }
}
