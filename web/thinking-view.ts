/**
 * The model's thinking: open while it thinks, folded away when it answers, unless the person wants it otherwise.
 */
import { el, setShown, setText } from "./dom.ts";
import { countText } from "./format.ts";
import { LongText } from "./long-text.ts";
import type { ThinkingItem } from "./turn-items.ts";

export class ThinkingView {
  readonly element: HTMLDetailsElement;
  readonly #summary = el("summary", {});
  /** The only copy, growing or not: a search of the page, or a test, would find a hidden second one as well. */
  readonly #text = new LongText("thinking");
  #isOpenedByPerson = false;
  #revision = -1;

  constructor() {
    this.element = el("details", { class: "thinking", open: true }, this.#summary, this.#text.element);
    this.#summary.addEventListener("click", () => {
      this.#isOpenedByPerson = true;
    });
  }

  show(thinking: ThinkingItem): void {
    if (thinking.revision === this.#revision) return;
    this.#revision = thinking.revision;
    const { text, isOver, estimatedTokenCount } = thinking;
    const length = estimatedTokenCount > 0 ? `, about ${countText(estimatedTokenCount)} tokens` : "";
    const isHidden = text === "" ? ", hidden" : "";
    setText(this.#summary, isOver ? `Thought${isHidden}${length}` : `Thinking …${length}`);
    this.element.toggleAttribute("data-running", !isOver);
    this.element.toggleAttribute("data-empty", text === "");
    this.#text.set(text, isOver ? "beginning" : "end");
    setShown(this.#text.element, text !== "");
    if (isOver && !this.#isOpenedByPerson) this.element.open = false;
  }
}
