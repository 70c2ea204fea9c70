/**
 * What is said to people who listen to the page instead of looking at it: the page's only live region.
 *
 * What there is to say about an answer is decided in `speech.ts`.
 */
import { el } from "./dom.ts";

/** Words that were said are left in the page for this long, in milliseconds: whoever reads there would meet them twice. */
const lingerMs = 10_000;

export class Announcer {
  readonly element: HTMLElement;

  constructor(element: HTMLElement) {
    this.element = element;
  }

  /** Says something when what is being said is over. */
  say(words: string): void {
    // A node of its own is an addition, which is read also when the same words were said before.
    const said = el("p", {}, words);
    this.element.append(said);
    setTimeout(() => said.remove(), lingerMs);
  }

  /** Leaves nothing of what was said in the page. */
  clear(): void {
    this.element.replaceChildren();
  }
}
