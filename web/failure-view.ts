/**
 * A failed call: what happened, what to do, and the way back, at the moment when it makes sense.
 */
import type { Announcer } from "./announce.ts";
import { el, setText } from "./dom.ts";
import type { CallFailure } from "./failure.ts";
import { clockText } from "./format.ts";

export interface FailureActions {
  /** Does the same again. */
  readonly retry: () => void;
}

export function failureElement(failure: CallFailure, actions: FailureActions, announcer: Announcer): HTMLElement {
  const { title, message, reason, code, violations, advice, facts } = failure;
  const chip = reason === "" ? code : reason;
  const element = el(
    "div",
    { class: "failure" },
    el("p", { class: "failure-head" }, el("strong", {}, title), " ", el("code", { class: "chip" }, chip)),
    el("p", { class: "failure-message", dir: "auto" }, message),
  );
  if (violations.length > 0) element.append(el("ul", {}, ...violations.map((rule) => el("li", {}, rule))));
  if (advice !== "") element.append(el("p", { class: "advice" }, advice));
  if (failure.isRepeatable) element.append(retryLine(failure.retryAfterMs, actions.retry, announcer));
  if (facts.length > 0) {
    const list = facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
    element.append(el("details", {}, el("summary", {}, "Details"), el("dl", { class: "facts-list" }, ...list)));
  }
  return element;
}

/** A button, which waits as long as the server has asked for. */
function retryLine(afterMs: number | undefined, retry: () => void, announcer: Announcer): HTMLElement {
  const button = el("button", { type: "button", class: "retry" }, "Try again");
  const wait = el("span", { class: "wait" });
  const line = el("p", { class: "retry-line" }, button, wait);
  button.addEventListener("click", () => {
    button.disabled = true; // once; the next turn has a button of its own
    retry();
  });
  if (afterMs === undefined || afterMs <= 0) return line;

  const dueMs = performance.now() + afterMs;
  button.disabled = true;
  let wasInPage = false;
  const tick = () => {
    if (wasInPage && !line.isConnected) clearInterval(timer);
    wasInPage = line.isConnected;
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) {
      setText(wait, `in ${clockText(leftMs + 999)}, the server asks`);
      return;
    }
    clearInterval(timer);
    wait.textContent = "";
    button.disabled = false;
    if (line.isConnected) announcer.say("You can try again now.");
  };
  const timer = setInterval(tick, 250);
  tick();
  return line;
}
