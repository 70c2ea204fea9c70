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
  /** While it grows its end is what is new. */
  readonly #growing = new LongText("thinking", "end");
  readonly #whole = new LongText("thinking");
  #isOpenedByPerson = false;
  #revision = -1;

  constructor() {
    this.element = el(
      "details",
      { class: "thinking", open: true },
      this.#summary,
      this.#growing.element,
      this.#whole.element,
    );
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
    (isOver ? this.#whole : this.#growing).set(text);
    setShown(this.#growing.element, !isOver && text !== "");
    setShown(this.#whole.element, isOver && text !== "");
    if (isOver && !this.#isOpenedByPerson) this.element.open = false;
  }
}
