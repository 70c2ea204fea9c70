/**
 * The turns of a conversation in the page, and whether its end is kept in sight.
 */
import type { Announcer } from "./announce.ts";
import { el, setShown } from "./dom.ts";
import { drawSoon } from "./frames.ts";
import type { Turn } from "./turn.ts";
import { type TurnActions, TurnView } from "./turn-view.ts";

/** More turns than this are not in the page at once. */
export const maxTurnsInPage = 200;
/** Closer to the end of the page than this, in pixels, a reader follows what is new. */
const followDistance = 80;

export interface ShownTurn {
  readonly view: TurnView;
  /** Shows its changes with the next frame. */
  readonly draw: () => void;
}

export class Transcript {
  readonly element: HTMLElement;
  /** Leads back to the end. */
  readonly latest: HTMLButtonElement;
  readonly #announcer: Announcer;
  readonly #turns = el("ol", { class: "turns", "aria-label": "Conversation" });
  readonly #notice = el("div", { class: "notice" });
  readonly #welcome: HTMLElement;
  /** Whether it is looked at: the page scrolls for whatever view is shown. */
  readonly #isShown: () => boolean;
  readonly #numbers = new WeakMap<Turn, number>();
  #turnCount = 0;
  /** Whether the end of the page is kept in sight. */
  #isFollowing = true;
  /** Where the page was scrolled to, in pixels. */
  #scrollTop = 0;

  constructor(welcome: HTMLElement, isShown: () => boolean, announcer: Announcer) {
    this.#welcome = welcome;
    this.#isShown = isShown;
    this.#announcer = announcer;
    this.element = el("div", { class: "transcript" }, welcome, this.#turns, this.#notice);
    this.latest = el("button", { type: "button", class: "latest" }, "To the latest");
    setShown(this.latest, false);
    window.addEventListener("scroll", this.#onScroll, { passive: true });
  }

  get isEmpty(): boolean {
    return this.#turns.childElementCount === 0;
  }

  /** The number that a turn is shown under. */
  numberOf(turn: Turn): number {
    return this.#numbers.get(turn) ?? 0;
  }

  /** `isSpoken`: whether it is read out as it comes; one that is over was heard, or can be read. */
  add(turn: Turn, actions: TurnActions, isSpoken: boolean): ShownTurn {
    this.#turnCount += 1;
    this.#numbers.set(turn, this.#turnCount);
    const view = new TurnView(turn, this.#turnCount, actions, { announcer: this.#announcer, isSpoken });
    this.#turns.append(el("li", {}, view.element));
    while (this.#turns.childElementCount > maxTurnsInPage) this.#turns.firstElementChild?.remove();
    setShown(this.#welcome, false);
    this.#isFollowing = true;
    const drawNow = () => {
      const hasMore = view.draw();
      if (this.#isFollowing) this.toEnd();
      return hasMore;
    };
    const draw = () => drawSoon(drawNow);
    draw();
    return { view, draw };
  }

  /** Says something below the turns, in place of what was said there. */
  showNotice(...content: readonly (Node | string)[]): void {
    this.#notice.replaceChildren(...content);
    setShown(this.#notice, content.length > 0);
  }

  /** `isWelcoming`: whether a new conversation begins here. */
  clear(isWelcoming: boolean): void {
    this.#turns.replaceChildren();
    this.#turnCount = 0;
    this.showNotice();
    setShown(this.#welcome, isWelcoming);
    this.#isFollowing = true;
  }

  /** Once it is shown again. */
  resume(): void {
    if (this.#isFollowing) this.toEnd();
  }

  follow(): void {
    this.#isFollowing = true;
    this.toEnd();
  }

  toEnd(): void {
    if (!this.#isShown()) return; // Another view is looked at.
    const page = document.documentElement;
    page.scrollTop = page.scrollHeight;
  }

  close(): void {
    window.removeEventListener("scroll", this.#onScroll);
  }

  /** Whoever scrolls up does not follow; the page growing below them is no such wish. */
  readonly #onScroll = (): void => {
    if (!this.#isShown()) return;
    const { scrollHeight, clientHeight, scrollTop } = document.documentElement;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < followDistance;
    if (isAtEnd) this.#isFollowing = true;
    else if (scrollTop < this.#scrollTop) this.#isFollowing = false;
    this.#scrollTop = scrollTop;
    setShown(this.latest, !this.#isFollowing);
  };
}
