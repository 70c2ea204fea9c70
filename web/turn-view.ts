/**
 * One turn: the prompt, what came of it, and where its time and money went.
 */
import type { Announcer } from "./announce.ts";
import { copyButton } from "./copy.ts";
import { el, icon, setShown, setText } from "./dom.ts";
import { failureElement } from "./failure-view.ts";
import { clockText, costText, counted, millisecondsOf, timeText } from "./format.ts";
import { ItemsView } from "./items-view.ts";
import { LongText } from "./long-text.ts";
import { claimText, shortfallOf } from "./outcome.ts";
import { TurnSpeech } from "./speech.ts";
import { stageBar, stageList } from "./timeline-view.ts";
import type { Turn } from "./turn.ts";

const againIcon = "M13 8a5 5 0 1 1-1.5-3.5L13 6m0-3.5V6H9.5";
const editIcon = "M3 13l.7-3L10.5 3.2a1.2 1.2 0 0 1 1.7 0l.6.6a1.2 1.2 0 0 1 0 1.7L6 12.3z";

export interface TurnActions {
  /** Sends the same prompt again, behind what was said since. */
  readonly retry: () => void;
  /** Goes back to before the turn, in a copy of the conversation. Absent where there is no such way. */
  readonly branch?: {
    /** Asks the same again. */
    readonly again: () => void;
    /** Asks something else in its place. */
    readonly edit: () => void;
  };
}

export interface TurnViewOptions {
  readonly announcer: Announcer;
  /** Whether the answer and its end are read out as they come. */
  readonly isSpoken: boolean;
}

export class TurnView {
  readonly element: HTMLElement;
  readonly #turn: Turn;
  readonly #announcer: Announcer;
  readonly #actions: TurnActions;
  readonly #items: ItemsView;
  readonly #activity = el("span", {});
  readonly #clock = el("span", { class: "clock" });
  readonly #status: HTMLElement;
  readonly #isSpoken: boolean;
  #isEndShown = false;

  constructor(turn: Turn, number: number, actions: TurnActions, { announcer, isSpoken }: TurnViewOptions) {
    this.#turn = turn;
    this.#announcer = announcer;
    this.#actions = actions;
    this.#isSpoken = isSpoken;
    const speech = isSpoken ? new TurnSpeech() : undefined;
    this.#items = new ItemsView(el("div", { class: "items" }), announcer, speech);
    this.#status = el(
      "p",
      { class: "status" },
      el("span", { class: "pulse", "aria-hidden": "true" }),
      this.#activity,
      this.#clock,
    );
    const prompt = new LongText("prompt");
    prompt.set(turn.request.prompt);
    prompt.element.classList.add("prompt");
    this.element = el(
      "article",
      { class: "turn", "aria-label": `Turn ${number}` },
      el("h2", { class: "visually-hidden" }, `Turn ${number}`),
      prompt.element,
      this.#items.element,
      this.#status,
    );
  }

  /** True: another frame is due. */
  draw(): boolean {
    const turn = this.#turn;
    const hasMore = this.#items.show(turn.items);
    if (turn.end === undefined) {
      setText(this.#activity, turn.isCutOff ? "The server cannot be reached. Trying again" : turn.activity);
      this.element.toggleAttribute("data-cut-off", turn.isCutOff);
      this.drawClock();
    } else if (!this.#isEndShown && !hasMore) {
      this.#isEndShown = true;
      this.#drawEnd();
    }
    return hasMore;
  }

  /** The time that a turn has been running for. */
  drawClock(): void {
    if (this.#turn.end === undefined) {
      setText(this.#clock, clockText(performance.now() - this.#turn.request.sentAtMs));
    }
  }

  #drawEnd(): void {
    const { end, result } = this.#turn;
    setShown(this.#status, false);
    this.element.dataset.end = end?.kind;
    if (end?.kind === "failed") {
      this.element.append(failureElement(end.failure, this.#actions, this.#announcer));
    } else if (end?.kind === "cancelled") {
      this.element.append(
        el("p", { class: "note", "data-tone": "warning" }, "Cancelled. Not part of the conversation."),
      );
    } else if (result !== undefined) {
      const shortfall = shortfallOf(result);
      if (shortfall !== "") this.element.append(el("p", { class: "note", "data-tone": "warning" }, shortfall));
    }
    this.element.append(this.#footer());
    // Behind the last paragraph of the answer.
    if (this.#isSpoken) this.#announcer.say(endWords(this.#turn));
  }

  /** Figures, stages, ids. */
  #footer(): HTMLElement {
    const { result, started, turnId, request } = this.#turn;
    const footer = el("footer", { class: "turn-foot" });
    const buttons = this.#buttons();
    if (buttons.length > 0) footer.append(el("p", { class: "turn-actions" }, ...buttons));
    const stages = result?.stages;
    if (stages !== undefined) footer.append(stageBar(stages));
    const figures = this.#figures();
    if (figures.length > 0) {
      footer.append(el("p", { class: "figures" }, ...figures.map((figure) => el("span", {}, figure))));
    }
    const ids: HTMLElement[] = [];
    const id = (name: string, value: string) => {
      if (value === "") return;
      const copy = copyButton(name, () => value, this.#announcer);
      ids.push(el("dt", {}, name), el("dd", {}, el("code", {}, value), copy));
    };
    id("turn id", turnId);
    id("trace id", request.traceId);
    if (started !== undefined) {
      id("worker", started.workerId);
      id("session at the model API", started.upstreamSessionId);
    }
    footer.append(
      el(
        "details",
        { class: "where" },
        el("summary", { class: "where-head" }, stages === undefined ? "Ids" : "Where the time went"),
        ...(stages === undefined ? [] : [stageList(stages)]),
        el("dl", { class: "facts-list" }, ...ids),
      ),
    );
    return footer;
  }

  /** What can be done with it. */
  #buttons(): HTMLElement[] {
    const turn = this.#turn;
    const { branch } = this.#actions;
    const buttons: HTMLElement[] = [];
    if (turn.text !== "") buttons.push(copyButton("answer", () => turn.text, this.#announcer, "Copy answer"));
    const button = (words: string, path: string, run: () => void) => {
      const element = el("button", { type: "button", class: "quiet" }, icon(path), words);
      element.addEventListener("click", run);
      buttons.push(element);
    };
    if (branch !== undefined) {
      button("Ask again", againIcon, branch.again);
      button("Edit prompt", editIcon, branch.edit);
    }
    return buttons;
  }

  #figures(): string[] {
    const { started, end } = this.#turn;
    const result = this.#turn.result ?? (end?.kind === "failed" ? end.failure.result : undefined);
    const figures: string[] = [];
    if (result !== undefined) {
      const { stages, usage } = result;
      if (stages?.arrivalToFirstText !== undefined) {
        figures.push(`first text ${timeText(millisecondsOf(stages.arrivalToFirstText))}`);
      }
      if (stages?.total !== undefined) figures.push(`total ${timeText(millisecondsOf(stages.total))}`);
      if (usage !== undefined) {
        const read = usage.inputTokenCount + usage.cacheReadInputTokenCount + usage.cacheCreationInputTokenCount;
        figures.push(`${counted(read, "token")} in`, `${counted(usage.outputTokenCount, "token")} out`);
      }
      figures.push(costText(result.costUsdMicros, result.costIsEstimate));
    }
    if (started !== undefined) {
      figures.push(started.model);
      const claim = claimText(started.claimSource);
      if (claim !== "") figures.push(`${claim} worker`);
    }
    return figures;
  }
}

/** How a turn ended, for people who listen. */
function endWords({ end, result }: Turn): string {
  switch (end?.kind) {
    case "cancelled":
      return "Cancelled.";
    case "failed":
      return `Failed. ${end.failure.title}. ${end.failure.message} ${end.failure.advice}`;
    default: {
      const total = result?.stages?.total;
      const time = total === undefined ? "" : `, ${timeText(millisecondsOf(total))}`;
      return `The answer is complete${time}, ${costText(result?.costUsdMicros ?? 0n, result?.costIsEstimate)}.`;
    }
  }
}
