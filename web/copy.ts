/**
 * A button that copies a text.
 */
import type { Announcer } from "./announce.ts";
import { el, icon } from "./dom.ts";

const copyIcon = "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z";
/** How long the button says that it has copied, in milliseconds. */
const thanksMs = 1_500;

/** `what`: what is copied, for the button's name: `turn id`. `words`: what is seen of that. */
export function copyButton(what: string, text: () => string, announcer: Announcer, words = "Copy"): HTMLButtonElement {
  const label = el("span", {}, words);
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, icon(copyIcon), label);
  button.addEventListener("click", async () => {
    const isCopied = await copy(text());
    label.textContent = isCopied ? "Copied" : "Not allowed";
    announcer.say(isCopied ? `Copied ${what}.` : "The browser does not allow copying here.");
    setTimeout(() => {
      label.textContent = words;
    }, thanksMs);
  });
  return button;
}

/** Browsers have a clipboard on https and on this machine's own addresses only. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
