/**
 * Questions to the person that wait for an answer: whether to do something, and what to call something.
 */
import { el, setShown, setText } from "./dom.ts";

export interface Confirmation {
  readonly title: string;
  readonly words: string;
  /** What the button says that does it. */
  readonly action: string;
}

/** Asks whether to do something that cannot be undone. */
export function confirmed({ title, words, action }: Confirmation): Promise<boolean> {
  const go = el("button", { type: "submit", class: "danger", value: "yes" }, action);
  return opened(title, [el("p", {}, words)], go, () => true).then((answer) => answer ?? false);
}

export interface Question {
  readonly title: string;
  readonly label: string;
  readonly value: string;
  readonly action: string;
  /** What is wrong with an answer; `undefined`: nothing. */
  readonly problemOf: (answer: string) => string | undefined;
}

/** Asks for a line of text. `undefined`: the person would rather not. */
export function answered({ title, label, value, action, problemOf }: Question): Promise<string | undefined> {
  const input = el("input", { id: "dialog-answer", autocomplete: "off", "aria-describedby": "dialog-problem" });
  input.value = value;
  const problem = el("p", { id: "dialog-problem", class: "problem", role: "alert" });
  setShown(problem, false);
  const go = el("button", { type: "submit", class: "primary" }, action);
  const field = el("p", { class: "field" }, el("label", { for: "dialog-answer" }, label), input);
  const answer = opened(title, [field, problem], go, () => {
    const words = problemOf(input.value);
    setText(problem, words ?? "");
    setShown(problem, words !== undefined);
    input.setAttribute("aria-invalid", String(words !== undefined));
    return words === undefined ? input.value.trim() : undefined;
  });
  input.select();
  return answer;
}

/** `answer`: what the dialog ends with; `undefined`: it is not done yet. */
function opened<T>(
  title: string,
  content: readonly HTMLElement[],
  go: HTMLButtonElement,
  answer: () => T | undefined,
): Promise<T | undefined> {
  const keep = el("button", { type: "button" }, "Back");
  // Not by `method=dialog`: the policy lets no form send itself anywhere.
  const form = el("form", { novalidate: true }, el("h2", { id: "dialog-title" }, title), ...content);
  form.append(el("p", { class: "dialog-buttons" }, keep, go));
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let given: T | undefined;
    keep.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      given = answer();
      if (given !== undefined) dialog.close();
    });
    // Escape closes it as well.
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    dialog.showModal();
  });
}
