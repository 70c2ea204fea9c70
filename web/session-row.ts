/**
 * One conversation of the list.
 */
import { type Session, SessionState } from "../clients/typescript/src/gen/claude/runner/v1/session_pb.ts";
import { el, icon, setShown, setText } from "./dom.ts";
import { epochMsOf, whenText } from "./format.ts";
import { hashOf } from "./place.ts";
import { shownTitle } from "./session-title.ts";

const renameIcon = "M3 13l.7-3L10.5 3.2a1.2 1.2 0 0 1 1.7 0l.6.6a1.2 1.2 0 0 1 0 1.7L6 12.3z";
const deleteIcon = "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5";

export interface SessionRowActions {
  readonly rename: (session: Session) => void;
  readonly remove: (session: Session) => void;
}

export class SessionRow {
  readonly element: HTMLElement;
  readonly #link: HTMLAnchorElement;
  readonly #title = el("span", { class: "session-title", dir: "auto" });
  readonly #when = el("span", { class: "session-when" });
  readonly #branch = el("span", { class: "chip" }, "copy");
  readonly #running = el("span", { class: "chip", "data-tone": "running" }, "running");
  readonly #rename = el("button", { type: "button", class: "quiet" }, icon(renameIcon));
  readonly #delete = el("button", { type: "button", class: "quiet" }, icon(deleteIcon));
  #session: Session;

  constructor(session: Session, actions: SessionRowActions) {
    this.#session = session;
    this.#link = el(
      "a",
      { href: hashOf({ view: "chat", sessionId: session.id }) },
      this.#title,
      el("span", { class: "session-facts" }, this.#when, this.#branch, this.#running),
    );
    this.#rename.addEventListener("click", () => actions.rename(this.#session));
    this.#delete.addEventListener("click", () => actions.remove(this.#session));
    this.element = el(
      "li",
      { class: "session-row" },
      this.#link,
      el("span", { class: "session-buttons" }, this.#rename, this.#delete),
    );
  }

  show(session: Session, isOpen: boolean): void {
    this.#session = session;
    const title = shownTitle(session.title);
    setText(this.#title, title);
    setText(this.#when, session.updateTime === undefined ? "" : whenText(epochMsOf(session.updateTime), Date.now()));
    setShown(this.#branch, session.forkedFrom !== undefined);
    setShown(this.#running, session.state === SessionState.RUNNING);
    this.#rename.setAttribute("aria-label", `Rename ${title}`);
    this.#delete.setAttribute("aria-label", `Delete ${title}`);
    if (isOpen) this.#link.setAttribute("aria-current", "page");
    else this.#link.removeAttribute("aria-current");
  }
}
