/**
 * Asks for the token.
 */
import { el, setShown, setText } from "./dom.ts";

export interface GateOptions {
  /** Why it is asked for again. Empty: for the first time. */
  readonly problem: string;
  readonly onToken: (token: string) => void;
}

export class Gate {
  readonly element: HTMLElement;
  readonly #token: HTMLInputElement;
  readonly #problem: HTMLElement;
  readonly #submit = el("button", { type: "submit", class: "primary" }, "Sign in");

  constructor({ problem, onToken }: GateOptions) {
    // No name: a form that is ever sent by the browser itself would carry nothing.
    this.#token = el("input", {
      id: "token",
      type: "password",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      required: true,
      "aria-describedby": "token-help token-problem",
    });
    this.#problem = el("p", { id: "token-problem", class: "problem", role: "alert" });
    const show = el(
      "button",
      { type: "button", class: "quiet", "aria-pressed": "false", "aria-controls": "token" },
      "Show",
    );
    show.addEventListener("click", () => {
      const isShown = this.#token.type === "password";
      this.#token.type = isShown ? "text" : "password";
      show.setAttribute("aria-pressed", String(isShown));
      setText(show, isShown ? "Hide" : "Show");
      this.#token.focus();
    });
    const form = el(
      "form",
      { class: "gate", autocomplete: "off", "aria-labelledby": "gate-title" },
      el("h1", { id: "gate-title" }, "Sign in"),
      el(
        "p",
        { id: "token-help" },
        "This server needs a token. It printed one at its first start, or its operator has one for you.",
      ),
      el("label", { for: "token" }, "Token"),
      el("div", { class: "token-line" }, this.#token, show),
      this.#problem,
      this.#submit,
      el(
        "p",
        { class: "small" },
        "It is kept in this tab until you sign out or close it, and sent to this server only.",
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      // What was pasted often has a line end, or the word that stands before it in a header.
      const token = this.#token.value.trim().replace(/^Bearer\s+/i, "");
      if (!/^[\x21-\x7e]+$/.test(token))
        return this.showProblem("That is not a token: a token has no spaces, and only plain characters.");
      this.showProblem("");
      this.#submit.disabled = true;
      onToken(token);
    });
    this.element = el("div", { class: "middle" }, form);
    this.showProblem(problem);
  }

  focus(): void {
    this.#token.focus();
  }

  showProblem(problem: string): void {
    setText(this.#problem, problem);
    setShown(this.#problem, problem !== "");
    this.#token.setAttribute("aria-invalid", String(problem !== ""));
    this.#submit.disabled = false;
  }
}
