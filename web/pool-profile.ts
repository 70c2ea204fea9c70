/**
 * The pool of one profile: its workers as a bar, spares, queue, claims.
 */
import type { ProfilePool } from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import { el, setShown, setText } from "./dom.ts";
import { countText, millisecondsOf, timeText } from "./format.ts";
import { claimShares, startsProblem, workersByState } from "./pool-words.ts";

export class ProfileCard {
  readonly element: HTMLElement;
  readonly #ready = el("span", { class: "chip" });
  readonly #problem = el("p", { class: "note", "data-tone": "warning" });
  readonly #workerBar = el("div", { class: "share-bar", role: "img" });
  readonly #workerList = el("ul", { class: "legend" });
  readonly #spares = el("dd");
  readonly #queue = el("dd");
  readonly #queueMeter = el("meter", { min: 0, "aria-label": "Queue" });
  readonly #queueText = el("span", {});
  readonly #claimBar = el("div", { class: "share-bar", role: "img" });
  readonly #claimList = el("ul", { class: "legend" });
  readonly #claims: HTMLElement;

  constructor(profile: string) {
    this.#queue.append(this.#queueMeter, this.#queueText);
    this.#claims = el("div", {}, el("h4", {}, "How turns got their workers"), this.#claimBar, this.#claimList);
    this.element = el(
      "article",
      { class: "card", "aria-label": `Profile ${profile}` },
      el("div", { class: "card-head" }, el("h3", {}, profile), this.#ready),
      this.#problem,
      this.#workerBar,
      this.#workerList,
      el("dl", { class: "pairs" }, el("dt", {}, "Spares"), this.#spares, el("dt", {}, "Queue"), this.#queue),
      this.#claims,
    );
  }

  show(pool: ProfilePool): void {
    setText(this.#ready, pool.ready ? "Ready" : "Not ready");
    this.#ready.dataset.tone = pool.ready ? "good" : "bad";
    const problem = startsProblem(pool.starts);
    setText(this.#problem, problem);
    setShown(this.#problem, problem !== "");
    this.#showWorkers(pool);
    const spares = workersByState(pool).find(({ key }) => key === "spare")?.count ?? 0;
    setText(this.#spares, `${spares}, at least ${pool.minSpareCount} wanted`);
    const oldest = pool.oldestWait === undefined ? "" : `, the oldest for ${timeText(millisecondsOf(pool.oldestWait))}`;
    setText(this.#queueText, `${pool.waitingCount} of ${pool.maxWaitingCount}${oldest}`);
    this.#queueMeter.max = Math.max(1, pool.maxWaitingCount);
    this.#queueMeter.value = pool.waitingCount;
    this.#showClaims(pool);
  }

  #showWorkers(pool: ProfilePool): void {
    const states = workersByState(pool);
    const count = states.reduce((sum, state) => sum + state.count, 0);
    const scale = Math.max(pool.maxWorkerCount, count, 1);
    this.#workerBar.replaceChildren(...states.map((state) => share("state", state.key, state.count / scale)));
    const words = states.map((state) => `${state.count} ${state.words}`);
    this.#workerBar.setAttribute("aria-label", `${count} of ${pool.maxWorkerCount} workers. ${words.join(", ")}`);
    const entries = states.map((state) =>
      el("li", {}, el("span", { class: "swatch", "data-state": state.key }), `${state.count} ${state.words}`),
    );
    const free = pool.maxWorkerCount - count;
    if (free > 0)
      entries.push(el("li", {}, el("span", { class: "swatch", "data-state": "free" }), `${free} more possible`));
    this.#workerList.replaceChildren(...entries);
  }

  #showClaims(pool: ProfilePool): void {
    const claims = claimShares(pool);
    setShown(this.#claims, claims.length > 0);
    this.#claimBar.replaceChildren(...claims.map((claim) => share("claim", claim.key, claim.share)));
    const words = claims.map(
      ({ count, words, share: part }) => `${countText(count)} ${words} (${Math.round(part * 100)} %)`,
    );
    this.#claimBar.setAttribute("aria-label", words.join(", "));
    this.#claimList.replaceChildren(
      ...claims.map(({ key }, index) =>
        el("li", {}, el("span", { class: "swatch", "data-claim": key }), words[index] ?? ""),
      ),
    );
  }
}

/** A piece of a bar: its colour by what it stands for, its length by its share. */
function share(kind: "state" | "claim", key: string, part: number): HTMLElement {
  const element = el("span", { [`data-${kind}`]: key });
  element.style.setProperty("--length", `${100 * part}%`);
  return element;
}
