/** What the fake's calls to the model "cost": of the whole session, and since the last result. */
import { addUsage, noUsage, type Usage } from "./usage.ts";

type ByModel = ReadonlyMap<string, Usage>;

export class Ledger {
  #session = new Map<string, Usage>();
  #sinceLast = new Map<string, Usage>();

  get session(): ByModel {
    return this.#session;
  }

  book(model: string, usage: Usage): void {
    if (usage.inputTokens === 0) return;
    for (const ledger of [this.#session, this.#sinceLast]) {
      ledger.set(model, addUsage(ledger.get(model) ?? noUsage, usage));
    }
  }

  /** What a result says; the next one counts anew. */
  takeSinceLast(): ByModel {
    const taken = this.#sinceLast;
    this.#sinceLast = new Map();
    return taken;
  }

  clear(): void {
    this.#session = new Map();
    this.#sinceLast = new Map();
  }
}
