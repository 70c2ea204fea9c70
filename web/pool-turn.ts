/**
 * A turn that runs or ended lately: how it went, and its stages as a bar.
 */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { RecentTurn } from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import type { Announcer } from "./announce.ts";
import { copyButton } from "./copy.ts";
import { el, setText } from "./dom.ts";
import { clockText, costText, counted, epochMsOf, millisecondsOf, timeText } from "./format.ts";
import { claimText } from "./outcome.ts";
import { turnState } from "./pool-words.ts";
import { stageBar } from "./timeline-view.ts";

export class RecentTurnRow {
  readonly element: HTMLElement;
  readonly #state = el("span", { class: "chip" });
  readonly #what = el("span", { class: "what" });
  readonly #when = el("span", { class: "when" });
  readonly #bar = el("div", { class: "bar-place" });
  readonly #figures = el("p", { class: "figures" });
  /** What is drawn: an ended turn is not drawn again. */
  #drawn = "";

  constructor(turn: RecentTurn, announcer: Announcer) {
    const { turnId, traceId } = turn;
    const ids = [copyButton("turn id", () => turnId, announcer, "turn id")];
    if (traceId !== "") ids.push(copyButton("trace id", () => traceId, announcer, "trace id"));
    this.element = el(
      "li",
      { class: "recent-turn" },
      el("p", { class: "recent-head" }, this.#state, this.#what, this.#when),
      this.#bar,
      el("div", { class: "recent-foot" }, this.#figures, ...ids),
    );
  }

  show(turn: RecentTurn, now: Timestamp | undefined): void {
    const { words, tone } = turnState(turn);
    if (turn.arrivalTime !== undefined && now !== undefined) {
      setText(this.#when, `${clockText(Math.max(0, epochMsOf(now) - epochMsOf(turn.arrivalTime)))} ago`);
    }
    const drawn = `${turn.running} ${turn.stages?.total?.seconds} ${turn.stages?.total?.nanos} ${turn.workerId}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    setText(this.#state, words);
    this.#state.dataset.tone = tone;
    setText(this.#what, [turn.profile, turn.model].filter((name) => name !== "").join(" · "));
    this.#bar.replaceChildren(...(turn.stages === undefined ? [] : [stageBar(turn.stages)]));
    this.#figures.replaceChildren(...figuresOf(turn).map((figure) => el("span", {}, figure)));
  }
}

function figuresOf({ stages, usage, running, costUsdMicros, claimSource, workerId }: RecentTurn): string[] {
  const figures: string[] = [];
  if (stages?.arrivalToFirstText !== undefined) {
    figures.push(`first text ${timeText(millisecondsOf(stages.arrivalToFirstText))}`);
  }
  if (stages?.total !== undefined)
    figures.push(`${running ? "so far" : "total"} ${timeText(millisecondsOf(stages.total))}`);
  if (usage !== undefined) figures.push(`${counted(usage.outputTokenCount, "token")} out`);
  if (costUsdMicros > 0n) figures.push(costText(costUsdMicros));
  const claim = claimText(claimSource);
  if (claim !== "") figures.push(`${claim} ${workerId}`.trim());
  return figures;
}
