/**
 * A connection to SQLite that prepares each statement once.
 *
 * Knows no table. Times and counts are numbers: nothing here is beyond 2^53.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export type SqlValue = SQLInputValue | boolean | undefined;

export class Sql {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
    // SQLite's own `lower` knows only the letters of ASCII.
    db.function("folded", { deterministic: true }, (text) => folded(String(text)));
  }

  /** Runs a statement, and returns how many rows it changed. */
  run(text: string, ...values: readonly SqlValue[]): number {
    return Number(this.#prepared(text).run(...bound(values)).changes);
  }

  /** The first row. */
  get<Row>(text: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#prepared(text).get(...bound(values)) as Row | undefined;
  }

  all<Row>(text: string, ...values: readonly SqlValue[]): Row[] {
    return this.#prepared(text).all(...bound(values)) as Row[];
  }

  exec(text: string): void {
    this.db.exec(text);
  }

  #prepared(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

/** SQLite has neither booleans nor `undefined`. */
function bound(values: readonly SqlValue[]): SQLInputValue[] {
  return values.map((value) => (value === undefined ? null : typeof value === "boolean" ? Number(value) : value));
}

/** The placeholders for a list of values, from `?first` on: `?3, ?4`. */
export function placeholders(count: number, first: number): string {
  return Array.from({ length: count }, (_, at) => `?${first + at}`).join(", ");
}

/** A text as it is compared without regard to upper and lower case; in SQL as well. */
export function folded(text: string): string {
  return text.toLowerCase();
}
