/**
 * Where the next prompt is written, and the running turn is cancelled.
 */
import { promptProblem } from "./conversation.ts";
import { el, icon, setShown, setText } from "./dom.ts";
import type { Keeping } from "./keeping.ts";
import type { SettingsForm, TurnChoice } from "./settings-form.ts";

const sendIcon = "M8 13V3m0 0L4 7m4-4 4 4";
const cancelIcon = "M4.5 4.5h7v7h-7z";

export interface ComposerActions {
  readonly send: (prompt: string, choice: TurnChoice) => void;
  readonly cancel: () => void;
  readonly startAnew: () => void;
  /** An earlier prompt is not changed after all. */
  readonly stopEditing: () => void;
}

export interface ConversationLength {
  readonly count: number;
  readonly forgottenCount: number;
  readonly hasTurns: boolean;
}

/** `loading`: what was said is not there yet, so what is sent now waits for it. */
export type ComposerState = "ready" | "loading" | "running";

export class Composer {
  readonly element: HTMLFormElement;
  readonly #prompt: HTMLTextAreaElement;
  readonly #problem = el("p", { class: "problem", id: "prompt-problem", role: "alert" });
  readonly #send: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  readonly #length = el("span", { class: "length" });
  readonly #anew: HTMLButtonElement;
  readonly #settings: SettingsForm;
  readonly #actions: ComposerActions;
  readonly #editing: HTMLElement;
  readonly #editingWords = el("span", {});
  readonly #keeping = el("p", { class: "keeping", "data-tone": "warning" });
  #state: ComposerState = "ready";
  /** Enter was pressed while the conversation was loading. */
  #wantsToSend = false;
  #offersAnew = true;

  constructor(settings: SettingsForm, actions: ComposerActions) {
    this.#settings = settings;
    this.#actions = actions;
    // No name: a form that is ever sent by the browser itself would carry nothing.
    this.#prompt = el("textarea", {
      id: "prompt",
      rows: 1,
      placeholder: "Ask something",
      "aria-describedby": "prompt-keys prompt-problem",
      autocomplete: "off",
    });
    this.#send = el("button", { type: "submit", class: "primary" }, icon(sendIcon), "Send");
    this.#cancel = el(
      "button",
      { type: "button", class: "danger", "aria-keyshortcuts": "Escape" },
      icon(cancelIcon),
      "Cancel",
    );
    this.#anew = el("button", { type: "button", class: "quiet" }, "New conversation");
    const keepPrompt = el("button", { type: "button", class: "quiet" }, "Stop editing");
    keepPrompt.addEventListener("click", () => {
      this.#prompt.value = "";
      this.showEditing(undefined);
      actions.stopEditing();
      this.focus();
    });
    this.#editing = el("p", { class: "editing" }, this.#editingWords, keepPrompt);
    setShown(this.#editing, false);
    this.element = el(
      "form",
      { class: "composer", "aria-label": "Write to Claude", autocomplete: "off", novalidate: true },
      this.#editing,
      el("label", { for: "prompt", class: "visually-hidden" }, "Prompt"),
      this.#prompt,
      this.#problem,
      el("div", { class: "actions" }, settings.element, el("span", { class: "buttons" }, this.#send, this.#cancel)),
      el(
        "p",
        { class: "hints" },
        el("span", { id: "prompt-keys" }, "Enter sends, Shift+Enter starts a new line, Escape cancels."),
        this.#length,
        this.#anew,
      ),
      this.#keeping,
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#prompt.addEventListener("keydown", (event) => {
      // While an input method composes a word, Enter is its.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.#prompt.addEventListener("input", () => {
      this.#showProblem("");
      this.#wantsToSend = false;
    });
    this.#cancel.addEventListener("click", () => {
      actions.cancel();
      this.focus();
    });
    this.#anew.addEventListener("click", () => {
      actions.startAnew();
      this.focus();
    });
    this.setState("ready");
    this.showLength({ count: 0, forgottenCount: 0, hasTurns: false });
    this.#showProblem("");
  }

  focus(): void {
    this.#prompt.focus();
  }

  /** Another conversation is opened: what was to be sent to this one as soon as it is there waits for Enter again. */
  waitForEnter(): void {
    this.#wantsToSend = false;
  }

  setState(state: ComposerState): void {
    const hadFocus = this.#send.matches(":focus") || this.#cancel.matches(":focus");
    const isRunning = state === "running";
    this.#state = state;
    setShown(this.#send, !isRunning);
    setShown(this.#cancel, isRunning);
    this.#send.disabled = state === "loading";
    this.#anew.disabled = isRunning;
    // A button that goes away would take the focus with it.
    if (hadFocus) (isRunning ? this.#cancel : this.#prompt).focus();
    if (state === "loading" || !this.#wantsToSend) return;
    this.#wantsToSend = false;
    this.#submit();
  }

  /** Says that an earlier prompt is changed, and gives it to be changed; `undefined`: none is any more. */
  showEditing(edited: { readonly number: number; readonly prompt: string } | undefined): void {
    setShown(this.#editing, edited !== undefined);
    if (edited === undefined) return;
    const words = `Editing the prompt of turn ${edited.number}. A copy of the conversation goes on from there.`;
    setText(this.#editingWords, words);
    this.#prompt.value = edited.prompt;
    this.#showProblem("");
    this.focus();
  }

  /** Gives back a prompt that could not be sent, unless something else is written here by now. */
  giveBack(prompt: string): void {
    if (this.#prompt.value === "") this.#prompt.value = prompt;
  }

  /** Where the words are that are written here; `undefined`: that need not be said. */
  showKeeping(keeping: Keeping | undefined): void {
    setText(this.#keeping, keeping?.words ?? "");
    setShown(this.#keeping, keeping !== undefined);
  }

  /** Whether a new conversation is begun from here; else something else on the page offers that. */
  offerAnew(isOffered: boolean): void {
    this.#offersAnew = isOffered;
  }

  /** How much of the conversation goes along with the next turn. `hasTurns`: there is something to begin anew from. */
  showLength({ count, forgottenCount, hasTurns }: ConversationLength): void {
    const forgotten = forgottenCount === 0 ? "" : `, the first ${forgottenCount} no longer`;
    const words = count === 1 ? "1 exchange goes along" : `${count} exchanges go along`;
    setText(this.#length, count + forgottenCount === 0 ? "" : `${words}${forgotten}.`);
    setShown(this.#anew, this.#offersAnew && (count + forgottenCount > 0 || hasTurns));
  }

  #submit(): void {
    const prompt = this.#prompt.value;
    this.#wantsToSend = this.#state === "loading" && prompt !== "";
    if (this.#state !== "ready") return;
    const { choice } = this.#settings;
    const problem = promptProblem(prompt) ?? ("problem" in choice ? choice.problem : undefined);
    this.#showProblem(problem ?? "");
    if (problem !== undefined || "problem" in choice) return;
    this.#prompt.value = "";
    this.#actions.send(prompt, choice);
  }

  #showProblem(problem: string): void {
    setText(this.#problem, problem);
    setShown(this.#problem, problem !== "");
    this.#prompt.setAttribute("aria-invalid", String(problem !== ""));
  }
}
