/**
 * The places in a schema, as a tree of the names that lead to them: references are followed in it, and a path is made
 * into text only where a problem names it.
 *
 * The text of a path is never a key. V8 hashes texts of more than 16,383 characters by their length alone, so that paths
 * of one length behind a long name would each be compared with all others, letter by letter.
 */

export class Place {
  readonly #outer: Place | undefined;
  readonly #name: string;
  #inner: Map<string, Place> | undefined;

  private constructor(outer: Place | undefined, name: string) {
    this.#outer = outer;
    this.#name = name;
  }

  static root(): Place {
    return new Place(undefined, "#");
  }

  /** The place that a keyword, a name or a position leads to from here; made when it is not there. */
  enter(name: string): Place {
    this.#inner ??= new Map();
    let place = this.#inner.get(name);
    if (place === undefined) {
      place = new Place(this, name);
      this.#inner.set(name, place);
    }
    return place;
  }

  /** Where names lead from here, if anything is there. */
  find(names: readonly string[]): Place | undefined {
    let place: Place | undefined = this;
    for (const name of names) {
      place = place.#inner?.get(name);
      if (place === undefined) return undefined;
    }
    return place;
  }

  /** The path for people, as references write it: a long one is cut. */
  get path(): string {
    const parts: string[] = [];
    for (let place: Place | undefined = this; place !== undefined; place = place.#outer) {
      parts.push(place.#name.replaceAll("~", "~0").replaceAll("/", "~1"));
    }
    return short(parts.reverse().join("/"));
  }
}

/** A text of the caller's for people: a long one is cut. */
export function short(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 40)}…${text.slice(-39)}`;
}
