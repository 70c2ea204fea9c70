/**
 * How long this disk takes to have a few pages for certain: what a write that survives the machine has to wait for.
 *
 * Written as the log of a database is: page after page, and from the beginning again when the file is as large as such a
 * log gets.
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

const pageBytes = 4_096;
/** As many as a turn that is accepted dirties, or so. */
const pageCount = 4;
const mostBytes = 1_000 * pageBytes;

export class DiskProbe implements Disposable {
  readonly #file: number;
  readonly #pages = Buffer.alloc(pageCount * pageBytes, 1);
  #at = 0;

  constructor(path: string) {
    this.#file = openSync(path, "wx", 0o600);
  }

  /** A write and its fsync, in milliseconds. */
  fsyncMs(): number {
    if (this.#at + this.#pages.length > mostBytes) this.#at = 0;
    const sinceMs = performance.now();
    writeSync(this.#file, this.#pages, 0, this.#pages.length, this.#at);
    fsyncSync(this.#file);
    this.#at += this.#pages.length;
    return performance.now() - sinceMs;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
