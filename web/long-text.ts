/**
 * Text of any length in a bounded piece of the page: its beginning or its end, and a button for all of it.
 */
import { el, setShown, setText } from "./dom.ts";
import { excerpt } from "./excerpt.ts";
import { sizeText } from "./format.ts";

export class LongText {
  readonly element: HTMLElement;
  readonly #text = el("code", { dir: "auto" });
  readonly #more: HTMLButtonElement;
  readonly #what: string;
  #shows: "beginning" | "end" = "beginning";
  #whole = "";
  #isOpen = false;

  /** `what`: what it is, for the button's name. */
  constructor(what: string) {
    this.#what = what;
    this.#more = el("button", { type: "button", class: "more" });
    this.#more.addEventListener("click", () => {
      this.#isOpen = !this.#isOpen;
      this.#draw();
    });
    this.element = el("div", { class: "long" }, el("pre", {}, this.#text), this.#more);
  }

  /** `shows`: which part of a long text; `end` while it grows, since what is new is there. */
  set(whole: string, shows: "beginning" | "end" = "beginning"): void {
    if (whole === this.#whole && shows === this.#shows) return;
    this.#whole = whole;
    this.#shows = shows;
    this.#draw();
  }

  #draw(): void {
    const part = this.#isOpen ? this.#whole : excerpt(this.#whole, this.#shows);
    setText(this.#text, part);
    const isCut = part.length < this.#whole.length;
    setShown(this.#more, isCut || this.#isOpen);
    setText(this.#more, isCut ? `Show all (${sizeText(this.#whole.length)})` : "Show less");
    // The name begins with the words that are seen.
    this.#more.setAttribute("aria-label", isCut ? `Show all of the ${this.#what}` : `Show less of the ${this.#what}`);
    this.#more.setAttribute("aria-expanded", String(this.#isOpen));
  }
}
