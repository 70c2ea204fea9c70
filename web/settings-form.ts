/**
 * What a person can choose for the next turn: profile, model, effort, deadline, out of what the server offers.
 */
import {
  Effort,
  type GetInfoResponse,
  type ProfileInfo,
} from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { el, setText } from "./dom.ts";
import { millisecondsOf } from "./format.ts";

export interface TurnChoice {
  readonly profile: string;
  /** Empty: the profile's own. */
  readonly model: string;
  readonly effort: Effort;
  /** `undefined`: the server's default. */
  readonly deadlineMs: number | undefined;
}

const efforts: readonly (readonly [Effort, string])[] = [
  [Effort.UNSPECIFIED, "the profile's"],
  [Effort.LOW, "low"],
  [Effort.MEDIUM, "medium"],
  [Effort.HIGH, "high"],
  [Effort.XHIGH, "very high"],
  [Effort.MAX, "all there is"],
];

export class SettingsForm {
  readonly element: HTMLElement;
  readonly #profiles: readonly ProfileInfo[];
  readonly #profile = el("select", { id: "profile" });
  readonly #model = el("select", { id: "model" });
  readonly #effort = el("select", { id: "effort" });
  readonly #deadline: HTMLInputElement;
  readonly #description = el("p", { class: "description" });
  readonly #summary = el("summary", { class: "options-head" });
  /** Told when another profile is chosen. */
  readonly #onProfile: () => void;

  constructor(info: GetInfoResponse, onProfile: () => void) {
    this.#profiles = info.profiles;
    this.#onProfile = onProfile;
    const seconds = (duration: GetInfoResponse["maxTimeout"], otherwise: number) =>
      duration === undefined ? otherwise : Math.floor(millisecondsOf(duration) / 1000);
    const longestSeconds = seconds(info.maxTimeout, 3600);
    this.#deadline = el("input", {
      id: "deadline",
      type: "number",
      inputmode: "decimal",
      min: 1,
      step: "any",
      max: longestSeconds,
      placeholder: seconds(info.defaultTimeout, 600),
    });
    this.#profile.append(...info.profiles.map(({ name }) => el("option", { value: name }, name)));
    if (info.profiles.some(({ name }) => name === "default")) this.#profile.value = "default";
    this.#effort.append(...efforts.map(([effort, words]) => el("option", { value: effort }, words)));
    this.element = el(
      "details",
      { class: "options" },
      this.#summary,
      el(
        "div",
        { class: "fields" },
        field("Profile", this.#profile),
        field("Model", this.#model),
        field("Effort", this.#effort),
        field("Deadline in seconds", this.#deadline),
      ),
      this.#description,
    );
    this.#profile.addEventListener("change", () => {
      this.#showProfile();
      this.#onProfile();
    });
    this.element.addEventListener("input", () => this.#showSummary());
    this.#showProfile();
  }

  /** What is chosen; a deadline that makes no sense is named in place of it. */
  get choice(): TurnChoice | { readonly problem: string } {
    if (!this.#deadline.checkValidity()) {
      this.element.setAttribute("open", "");
      this.#deadline.focus();
      return { problem: `The deadline must be between 1 and ${this.#deadline.max} seconds.` };
    }
    const seconds = this.#deadline.valueAsNumber;
    return {
      profile: this.#profile.value,
      model: this.#model.value,
      effort: Number(this.#effort.value) as Effort,
      deadlineMs: Number.isNaN(seconds) ? undefined : seconds * 1000,
    };
  }

  /** The chosen profile; `undefined`: the server names none. */
  get profile(): ProfileInfo | undefined {
    return this.#profiles.find(({ name }) => name === this.#profile.value);
  }

  /** A conversation keeps its profile. `undefined`: a new one chooses. */
  fixProfile(name: string | undefined): void {
    this.#profile.disabled = name !== undefined;
    const isKnown = (profile: string) => this.#profiles.some((known) => known.name === profile);
    if (name === this.#profile.value || (name === undefined && isKnown(this.#profile.value))) return;
    for (const option of [...this.#profile.options]) if (!isKnown(option.value)) option.remove();
    if (name !== undefined) {
      // Of a profile that is gone the conversation can still be read.
      if (!isKnown(name)) this.#profile.append(el("option", { value: name }, name));
      this.#profile.value = name;
    }
    this.#showProfile();
    this.#onProfile();
  }

  #showProfile(): void {
    const { profile } = this;
    const models = [...new Set([profile?.defaultModel ?? "", ...(profile?.allowedModels ?? [])])];
    this.#model.replaceChildren(
      ...models
        .filter((model) => model !== "")
        .map((model) => el("option", { value: model === profile?.defaultModel ? "" : model }, model)),
    );
    const tools =
      profile === undefined || profile.tools.length === 0 ? "No tools." : `Tools: ${profile.tools.join(", ")}.`;
    setText(this.#description, [profile?.description ?? "", tools].filter((text) => text !== "").join(" "));
    this.#showSummary();
  }

  #showSummary(): void {
    const model = this.#model.selectedOptions[0]?.textContent ?? "";
    const parts = [this.#profile.value, model];
    if (this.#effort.value !== String(Effort.UNSPECIFIED)) {
      parts.push(`effort ${this.#effort.selectedOptions[0]?.textContent}`);
    }
    if (this.#deadline.value !== "") parts.push(`${this.#deadline.value} s`);
    setText(this.#summary, `Options: ${parts.filter((part) => part !== "").join(" · ")}`);
  }
}

function field(label: string, control: HTMLElement): HTMLElement {
  return el("p", { class: "field" }, el("label", { for: control.id }, label), control);
}
