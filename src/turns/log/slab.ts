/**
 * Events of a turn in a row in one piece of memory, and how each is framed there, as in the store: its number (4 bytes),
 * its flags (1), its length (4), little-endian, then its bytes.
 */
import type { Detail } from "../../turn.ts";

/** The first detail at which an event is shown, in the two lowest bits of its flags. */
export const levels: Readonly<Record<Detail, number>> = { text: 0, standard: 1, full: 2 };
export const levelMask = 0b11;
/** Set in the flags of an event that carries a line of the CLI, which only full detail shows. */
export const carriesLine = 0b100;

export const frameBytes = 9;

export interface Slab {
  /** Empty once the slab was dropped. */
  buffer: Buffer;
  usedBytes: number;
  readonly firstSequence: number;
  count: number;
  next: Slab | undefined;
  isDropped: boolean;
}

export const noBytes = Buffer.alloc(0);

export function emptySlab(firstSequence: number, bytes: number): Slab {
  return {
    // Not from Node's pool: a small view would keep all of that.
    buffer: bytes === 0 ? noBytes : Buffer.allocUnsafeSlow(bytes),
    usedBytes: 0,
    firstSequence,
    count: 0,
    next: undefined,
    isDropped: false,
  };
}
