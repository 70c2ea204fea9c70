/**
 * The end of a text that comes in pieces and may not go out yet, since it can be judged only with what follows: half a
 * surrogate pair, whose other half is at the beginning of the next piece.
 *
 * One for each text of a block that is passed on in deltas. The seam for whatever else has to see across pieces, such as
 * the beginning of something that must not go out: that is another `TailRule`, nothing here changes. What went out
 * together is always what the rule makes of the whole text, however it was cut; that holds as long as a rule holds back
 * all that it could want to change later.
 */
export interface TailRule {
  /** How many UTF-16 units at the end of the text wait for more. Asked with all that has not gone out. */
  heldUnits(text: string): number;
  /** What goes out for a text of which nothing is held back any more. */
  released(text: string): string;
}

/** Half a pair waits for its other half; one that stays alone goes out as U+FFFD, as in the encoded text of the whole. */
export const surrogateRule: TailRule = {
  heldUnits: (text) => (isHighHalf(text.charCodeAt(text.length - 1)) ? 1 : 0),
  released: (text) => (text.isWellFormed() ? text : text.toWellFormed()),
};

export class DeltaTail {
  readonly #rule: TailRule;
  #held = "";

  constructor(rule: TailRule = surrogateRule) {
    this.#rule = rule;
  }

  /** Takes a piece; returns what goes out now, which may be nothing. */
  push(piece: string): string {
    const text = this.#held === "" ? piece : this.#held + piece;
    const heldUnits = this.#rule.heldUnits(text);
    this.#held = heldUnits === 0 ? "" : text.slice(-heldUnits);
    return this.#rule.released(heldUnits === 0 ? text : text.slice(0, -heldUnits));
  }

  /** Nothing follows: what was held back goes out. */
  end(): string {
    const text = this.#held;
    this.#held = "";
    return text === "" ? "" : this.#rule.released(text);
  }

  /** What was held back is void. */
  drop(): void {
    this.#held = "";
  }
}

function isHighHalf(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
