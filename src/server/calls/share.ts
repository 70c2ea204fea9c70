/**
 * A total that many draw from, so that none of them can have all of it: connections, calls, bytes.
 *
 * The rule: **nobody may hold more than is left free.** Who comes alone may have half of the total, two who want
 * everything have a third each, three a quarter, and some of it is always free for whoever comes next. It needs no
 * setting, and nobody has to be counted who holds nothing, so the map is as large as what is held.
 */

export interface ShareRefusal {
  /** Who holds too much; `undefined` when everybody together does. */
  readonly holder: string | undefined;
  /** What they would hold. */
  readonly held: number;
  /** What they may hold now. */
  readonly limit: number;
}

export class Share {
  readonly total: number;
  #used = 0;
  readonly #heldBy = new Map<string, number>();

  constructor(total: number) {
    this.total = total;
  }

  get used(): number {
    return this.#used;
  }

  /** How many hold something. */
  get holderCount(): number {
    return this.#heldBy.size;
  }

  /**
   * Takes an amount for holders who are all charged with it, such as an address and a tenant; without any only the
   * total counts. Returns why not.
   */
  take(holders: readonly string[], amount: number): ShareRefusal | undefined {
    const free = this.total - this.#used - amount;
    if (free < 0) return { holder: undefined, held: this.#used + amount, limit: this.total };
    for (const holder of holders) {
      const before = this.#heldBy.get(holder) ?? 0;
      if (before + amount <= free) continue;
      // Who holds nothing yet is not the one that holds too much.
      if (before === 0) return { holder: undefined, held: this.#used + amount, limit: this.total };
      return { holder, held: before + amount, limit: Math.floor((this.total - this.#used + before) / 2) };
    }
    this.#used += amount;
    for (const holder of holders) this.#heldBy.set(holder, (this.#heldBy.get(holder) ?? 0) + amount);
    return undefined;
  }

  /** Gives back what was taken, with the same holders. */
  give(holders: readonly string[], amount: number): void {
    this.#used -= amount;
    for (const holder of holders) {
      const left = (this.#heldBy.get(holder) ?? 0) - amount;
      if (left > 0) this.#heldBy.set(holder, left);
      else this.#heldBy.delete(holder);
    }
  }
}
