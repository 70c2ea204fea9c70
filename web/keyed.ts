/**
 * A list of elements that follows a list of things: an element stays with its thing, so that focus, selection and what
 * was opened stay where they are.
 */

export interface Row {
  readonly element: HTMLElement;
}

export class KeyedRows<T, R extends Row> {
  readonly #parent: HTMLElement;
  readonly #make: (thing: T) => R;
  readonly #update: (row: R, thing: T) => void;
  readonly #keyOf: (thing: T) => unknown;
  readonly #rows = new Map<unknown, R>();

  constructor(options: {
    readonly parent: HTMLElement;
    readonly keyOf: (thing: T) => unknown;
    readonly make: (thing: T) => R;
    readonly update: (row: R, thing: T) => void;
  }) {
    this.#parent = options.parent;
    this.#keyOf = options.keyOf;
    this.#make = options.make;
    this.#update = options.update;
  }

  show(things: readonly T[]): void {
    const keys = new Set(things.map(this.#keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    let next = this.#parent.firstElementChild;
    for (const thing of things) {
      const key = this.#keyOf(thing);
      let row = this.#rows.get(key);
      if (row === undefined) {
        row = this.#make(thing);
        this.#rows.set(key, row);
      }
      this.#update(row, thing);
      if (row.element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(row.element, next);
    }
  }
}
