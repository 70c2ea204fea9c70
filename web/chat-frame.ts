/**
 * The parts of the chat and where they are: the list of conversations, the open one, where the next prompt is written.
 */
import type { GetInfoResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import type { Announcer } from "./announce.ts";
import type { Api } from "./api.ts";
import { Composer, type ComposerActions, type ComposerState } from "./composer.ts";
import { el } from "./dom.ts";
import { keepingOf } from "./keeping.ts";
import { SessionList } from "./session-list.ts";
import { SettingsForm } from "./settings-form.ts";
import { Transcript } from "./transcript.ts";

export interface ChatFrameOptions {
  readonly api: Api;
  readonly info: GetInfoResponse;
  readonly announcer: Announcer;
}

export interface ChatFrameActions extends ComposerActions {
  /** Another profile is chosen. */
  readonly profileChosen: () => void;
  /** A session is there no more. */
  readonly deleted: (id: string) => void;
}

export class ChatFrame {
  readonly element: HTMLElement;
  readonly settings: SettingsForm;
  readonly composer: Composer;
  readonly transcript: Transcript;
  /** Absent where the server keeps nothing for this person. */
  readonly list: SessionList | undefined;
  readonly #info: GetInfoResponse;
  readonly #actions: ChatFrameActions;
  readonly #welcomeKeeping = el("p", { class: "keeping" });
  #state: ComposerState = "ready";

  constructor({ api, info, announcer }: ChatFrameOptions, actions: ChatFrameActions) {
    this.#info = info;
    this.#actions = actions;
    this.settings = new SettingsForm(info, actions.profileChosen);
    this.composer = new Composer(this.settings, actions);
    const welcome = el(
      "div",
      { class: "welcome" },
      el("p", { class: "welcome-head" }, "What should Claude Code do?"),
      el("p", {}, "A process that is already running answers."),
      this.#welcomeKeeping,
      el("p", { class: "small" }, versions(info)),
    );
    this.transcript = new Transcript(welcome, () => this.element.isConnected && !this.element.hidden, announcer);
    this.transcript.latest.addEventListener("click", () => {
      this.transcript.follow();
      this.composer.focus();
    });
    this.list = info.profiles.some(({ keepsContent }) => keepsContent)
      ? new SessionList(api, actions, announcer)
      : undefined;
    this.composer.offerAnew(this.list === undefined);
    const dock = el("div", { class: "dock" }, this.transcript.latest, this.composer.element);
    this.element = el(
      "section",
      { class: "chat", "aria-label": "Chat" },
      el("h1", { class: "visually-hidden" }, "Chat"),
      ...(this.list === undefined ? [] : [this.list.element]),
      el("div", { class: "conversation" }, this.transcript.element, dock),
    );
    // What gets the focus keeps clear of it, however much is written or opened in it.
    new ResizeObserver(() => {
      this.element.style.setProperty("--dock-height", `${dock.offsetHeight}px`);
      this.transcript.resume();
    }).observe(dock);
    document.addEventListener("keydown", this.#onKey);
  }

  /** For when it is shown. */
  focus(): void {
    this.composer.focus();
    this.transcript.resume();
  }

  /** `canLeave`: whether a turn that runs goes on when another conversation is opened. */
  showState(state: ComposerState, canLeave: boolean): void {
    this.#state = state;
    this.composer.setState(state);
    this.list?.setAnewEnabled(state !== "running" || canLeave);
  }

  /** Says where the words are; `isNew`: of a conversation that has none yet. */
  showKeeping(isNew: boolean): void {
    const keeping = keepingOf(this.#info, this.settings.profile);
    this.#welcomeKeeping.textContent = keeping.words;
    this.#welcomeKeeping.dataset.tone = keeping.tone;
    // Where all is as one expects it is said once, before the first prompt.
    this.composer.showKeeping(isNew || keeping.tone === "info" ? undefined : keeping);
  }

  close(): void {
    this.list?.close();
    this.transcript.close();
    document.removeEventListener("keydown", this.#onKey);
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || event.isComposing || this.#state !== "running" || this.element.hidden) return;
    // A dialog takes it for itself, and so does the field for a search.
    if (event.target instanceof Element && event.target.closest("dialog, input") !== null) return;
    event.preventDefault();
    this.#actions.cancel();
    this.composer.focus();
  };
}

function versions({ serverVersion, cliVersion }: GetInfoResponse): string {
  return `claude-runner ${serverVersion} with ${cliVersion === "" ? "no usable Claude Code" : `Claude Code ${cliVersion}`}`;
}
