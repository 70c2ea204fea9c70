/**
 * The stages of a turn as a bar, and as a list of bars on one scale.
 */
import type { Stages } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { el } from "./dom.ts";
import { timeText } from "./format.ts";
import { endOf, type StageKey, type StageSpan, spansOf, stageNames, timelineWords } from "./timeline.ts";

/** All stages in one bar, one after the other; what is between them is left blank. */
export function stageBar(stages: Stages): HTMLElement {
  const spans = spansOf(stages);
  const words = timelineWords(stages, timeText);
  const bar = el("div", { class: "stage-bar", role: "img", "aria-label": words, title: words });
  bar.append(...spans.map((span) => piece(span, endOf(stages, spans))));
  return bar;
}

/** A line for each stage: its name, its place on the axis, how long it took. */
export function stageList(stages: Stages): HTMLElement {
  const spans = spansOf(stages);
  const endMs = endOf(stages, spans);
  const rows = spans.map((span) =>
    el(
      "li",
      {},
      el("span", { class: "stage-name" }, stageNames[span.stage]),
      el("span", { class: "stage-track", "aria-hidden": "true" }, piece(span, endMs)),
      el("span", { class: "stage-time" }, timeText(span.toMs - span.fromMs)),
    ),
  );
  return el("ol", { class: "stage-list" }, ...rows);
}

/** Which colour is which stage. */
export function stageLegend(): HTMLElement {
  const names = Object.entries(stageNames) as readonly [StageKey, string][];
  const items = names.map(([stage, name]) => el("li", {}, el("span", { class: "swatch", "data-stage": stage }), name));
  return el("ul", { class: "legend", "aria-label": "Stages" }, ...items);
}

/** The styles are set on the element itself, which the policy allows; as an attribute it would not. */
function piece({ stage, fromMs, toMs }: StageSpan, endMs: number): HTMLElement {
  const element = el("span", { class: "stage", "data-stage": stage });
  const share = (ms: number) => (endMs > 0 ? (100 * ms) / endMs : 0);
  element.style.setProperty("--from", `${share(fromMs)}%`);
  element.style.setProperty("--length", `${share(toMs - fromMs)}%`);
  return element;
}
