/**
 * A use of a tool: what it was given, what it answered, what a sub-agent said meanwhile.
 */
import type { Announcer } from "./announce.ts";
import { el, setShown, setText } from "./dom.ts";
import { clockText } from "./format.ts";
import { LongText } from "./long-text.ts";
import { MarkdownView } from "./markdown-view.ts";
import { answerParts, inputText, type ToolPart, toolSummary } from "./tool-text.ts";
import type { ToolItem } from "./turn-items.ts";

const stateWords: Readonly<Record<ToolItem["state"], string>> = {
  preparing: "preparing",
  running: "running",
  done: "done",
  failed: "failed",
  denied: "denied",
};

export class ToolView {
  readonly element: HTMLElement;
  /** Where the items of a sub-agent go. */
  readonly children = el("div", { class: "items children" });
  readonly #announcer: Announcer;
  readonly #name = el("span", { class: "tool-name" });
  readonly #summary = el("code", { class: "tool-summary" });
  readonly #state = el("span", { class: "tool-state" });
  readonly #input = new LongText("input");
  readonly #progress = el("p", { class: "tool-progress" });
  readonly #answer = el("div", { class: "tool-answer" });
  #shownAnswer: ToolItem["answer"];
  /** Markdown of the answer that is not all in the page yet. */
  #drawing: readonly { readonly view: MarkdownView; readonly text: string }[] = [];
  #revision = -1;

  constructor(announcer: Announcer) {
    this.#announcer = announcer;
    this.element = el(
      "details",
      { class: "tool", open: true },
      el("summary", { class: "tool-head" }, this.#name, this.#summary, this.#state),
      el("div", { class: "tool-body" }, this.#input.element, this.#progress, this.children, this.#answer),
    );
  }

  /** True: it is not done, and wants the next frame as well. */
  show(tool: ToolItem): boolean {
    if (tool.revision !== this.#revision) this.#showChanged(tool);
    this.#drawing = this.#drawing.filter(({ view, text }) => view.show(text, true));
    return this.#drawing.length > 0;
  }

  #showChanged(tool: ToolItem): void {
    this.#revision = tool.revision;
    this.element.dataset.state = tool.state;
    setText(this.#name, tool.name);
    // While it is being written it is no JSON yet, and there may be much of it.
    const isWritten = tool.state !== "preparing";
    const summary = isWritten ? toolSummary(tool.inputJson) : "";
    setText(this.#summary, summary);
    const ranFor = tool.state === "running" && tool.elapsedMs !== undefined ? ` for ${clockText(tool.elapsedMs)}` : "";
    setText(this.#state, `${stateWords[tool.state]}${ranFor}`);
    const input = isWritten ? inputText(tool.inputJson) : tool.inputJson;
    // A short command stands in the summary already, and is not in the page a second time.
    const hasInput = input !== "" && input !== "{}" && input !== summary;
    this.#input.set(hasInput ? input : "");
    setShown(this.#input.element, hasInput);
    setText(this.#progress, tool.progress);
    setShown(this.#progress, tool.progress !== "");
    setShown(this.children, tool.children.length > 0);
    if (tool.answer === this.#shownAnswer || tool.answer === undefined) return;
    this.#shownAnswer = tool.answer;
    this.#drawing = [];
    this.#answer.replaceChildren(...answerParts(tool.answer).map((part) => this.#part(part)));
  }

  #part({ label, kind, text }: ToolPart): HTMLElement {
    const head = label === "" ? [] : [el("p", { class: "part-label" }, label)];
    return el("div", { class: "tool-part", "data-kind": kind }, ...head, this.#partText(kind, text));
  }

  #partText(kind: ToolPart["kind"], text: string): HTMLElement {
    if (kind === "markdown") {
      const view = new MarkdownView(this.#announcer, () => {});
      this.#drawing = [...this.#drawing, { view, text }];
      return view.element;
    }
    if (kind === "difference") return differenceElement(text);
    const long = new LongText("output");
    long.set(text);
    return long.element;
  }
}

/** More lines of a difference than this are not drawn one by one. */
const maxDifferenceLines = 200;

function differenceElement(text: string): HTMLElement {
  const lines = text.split("\n");
  const kinds: Readonly<Record<string, string>> = { "+": "plus", "-": "minus" };
  const drawn = lines
    .slice(0, maxDifferenceLines)
    .map((line) => el("span", { class: "line", "data-kind": kinds[line.charAt(0)] }, `${line}\n`));
  const rest = lines.length - drawn.length;
  const more = rest > 0 ? [el("span", { class: "line" }, `… ${rest} more lines`)] : [];
  return el("pre", { class: "difference" }, el("code", {}, ...drawn, ...more));
}
