/**
 * One worker, as a row of the table.
 */
import type { PoolWorker } from "../clients/typescript/src/gen/claude/runner/v1/pool_pb.ts";
import { el, setText } from "./dom.ts";
import { countText, millisecondsOf, sizeText, timeText } from "./format.ts";
import { workerStateWords } from "./pool-words.ts";

export const workerHeadings = ["Worker", "State", "Since", "Turns", "Age", "Memory", "Profile", "Tenant"] as const;

export class WorkerRow {
  readonly element = el("tr");
  readonly #swatch = el("span", { class: "swatch" });
  readonly #state = el("span", {});
  readonly #cells = workerHeadings.map((_, column) => (column === 0 ? el("th", { scope: "row" }) : el("td")));

  constructor() {
    this.#cells[1]?.append(this.#swatch, this.#state);
    this.element.append(...this.#cells);
  }

  show(worker: PoolWorker): void {
    const { key, words } = workerStateWords(worker.state);
    this.#swatch.dataset.state = key;
    setText(this.#state, words);
    const time = (duration: PoolWorker["age"]) => (duration === undefined ? "" : timeText(millisecondsOf(duration)));
    const texts: readonly (string | undefined)[] = [
      worker.workerId,
      undefined, // the state, above
      time(worker.stateAge),
      countText(worker.turnCount),
      time(worker.age),
      worker.memoryBytes === 0n ? "–" : sizeText(Number(worker.memoryBytes)),
      worker.profile,
      worker.tenant === "" ? "nobody's yet" : worker.tenant,
    ];
    for (const [column, text] of texts.entries()) {
      const cell = this.#cells[column];
      if (text !== undefined && cell !== undefined) setText(cell, text);
    }
  }
}
