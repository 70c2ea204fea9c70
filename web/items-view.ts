/**
 * The items of a turn, or of a sub-agent in it, in order.
 */

import type { Announcer } from "./announce.ts";
import { el, setText } from "./dom.ts";
import { KeyedRows } from "./keyed.ts";
import { safeHref, spokenText } from "./markdown.ts";
import { linkElement, MarkdownView } from "./markdown-view.ts";
import type { TurnSpeech } from "./speech.ts";
import { ThinkingView } from "./thinking-view.ts";
import { ToolView } from "./tool-view.ts";
import type { Item, NoteItem, TextItem } from "./turn-items.ts";

interface ItemRow {
  readonly element: HTMLElement;
  /** True: it is not done, and wants the next frame as well. */
  readonly show: (item: Item) => boolean;
}

export class ItemsView {
  readonly element: HTMLElement;
  readonly #rows: KeyedRows<Item, ItemRow>;
  #hasMore = false;

  /** `speech`: what of it is read out; a sub-agent's is not. */
  constructor(element: HTMLElement, announcer: Announcer, speech: TurnSpeech | undefined) {
    this.element = element;
    this.#rows = new KeyedRows<Item, ItemRow>({
      parent: element,
      keyOf: (item) => item,
      make: (item) => rowFor(item, announcer, speech),
      update: (row, item) => {
        if (row.show(item)) this.#hasMore = true;
      },
    });
  }

  /** True: another frame is due. */
  show(items: readonly Item[]): boolean {
    this.#hasMore = false;
    this.#rows.show(items);
    return this.#hasMore;
  }
}

function rowFor(first: Item, announcer: Announcer, speech: TurnSpeech | undefined): ItemRow {
  switch (first.kind) {
    case "text":
      return textRow(announcer, speech);
    case "thinking": {
      const view = new ThinkingView();
      return {
        element: view.element,
        show(item) {
          if (item.kind === "thinking") view.show(item);
          return false;
        },
      };
    }
    case "tool": {
      const view = new ToolView(announcer);
      const children = new ItemsView(view.children, announcer, undefined);
      return {
        element: view.element,
        show(item) {
          if (item.kind !== "tool") return false;
          const hasMore = view.show(item);
          return children.show(item.children) || hasMore;
        },
      };
    }
    case "note":
      return noteRow();
    default:
      return first satisfies never;
  }
}

function textRow(announcer: Announcer, speech: TurnSpeech | undefined): ItemRow {
  const markdown = new MarkdownView(announcer, (block) => {
    const words = speech?.paragraph(spokenText(block));
    if (words !== undefined) announcer.say(words);
  });
  const sources = el("ul", { class: "sources", "aria-label": "Sources" });
  const element = el("div", { class: "text" }, markdown.element);
  let revision = -1;
  let hasMore = false;
  return {
    element,
    show(item) {
      if (item.kind !== "text" || (item.revision === revision && !hasMore)) return false;
      revision = item.revision;
      hasMore = markdown.show(item.text, item.isOver);
      showSources(sources, element, item);
      return hasMore;
    },
  };
}

function showSources(list: HTMLElement, parent: HTMLElement, { sources }: TextItem): void {
  if (sources.length === list.childElementCount) return;
  const items = sources.map(({ title, url }) => {
    const href = safeHref(url);
    return el("li", {}, href === undefined ? title : linkElement(href, [title]));
  });
  list.replaceChildren(...items);
  if (!list.isConnected) parent.append(list);
}

function noteRow(): ItemRow {
  const element = el("p", { class: "note", dir: "auto" });
  return {
    element,
    show(item: Item) {
      if (item.kind !== "note") return false;
      const { text, tone } = item satisfies NoteItem;
      element.dataset.tone = tone;
      setText(element, text);
      return false;
    },
  };
}
