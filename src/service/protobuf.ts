/**
 * Plain values as fields of messages: numbers as what a field can hold, spans and moments.
 *
 * The one place where numbers that came from outside are clamped: an encoder throws at a fraction and at what is out of
 * range, and that would be the end of a turn that was paid for.
 */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

const maxInt32 = 2 ** 31 - 1;
const maxInt64 = 2n ** 63n - 1n;
/** The longest Duration that there is, in seconds: 10,000 years. */
const maxDurationSeconds = 315_576_000_000;
/** The first and the last second that a Timestamp can hold: of the years 1 and 9999. */
const [minTimestampSeconds, maxTimestampSeconds] = [-62_135_596_800, 253_402_300_799];

/** A number as a field of type int32: the nearest that it holds, 0 for what is no number. */
export function int32(value: number): number {
  return Math.round(clamp(value, -maxInt32 - 1, maxInt32));
}

/** A number as a field of type int64: the nearest that it holds, 0 for what is no number. */
export function int64(value: number): bigint {
  const whole = BigInt(Math.round(clamp(value, -(2 ** 63), 2 ** 63)));
  return whole > maxInt64 ? maxInt64 : whole;
}

/** Milliseconds, with fractions, as a Duration: none that is negative, nor longer than one can be. */
export function duration(ms: number): Duration {
  return create(DurationSchema, wholeAndNanos(clamp(ms, 0, maxDurationSeconds * 1000)));
}

/** A Duration as milliseconds. */
export function milliseconds(value: Duration): number {
  return Number(value.seconds) * 1000 + value.nanos / 1e6;
}

/** Milliseconds since 1970 as a Timestamp: the nearest one that there is. */
export function timestamp(wallMs: number): Timestamp {
  const ms = clamp(wallMs, minTimestampSeconds * 1000, maxTimestampSeconds * 1000);
  return create(TimestampSchema, wholeAndNanos(ms));
}

function wholeAndNanos(ms: number): { readonly seconds: bigint; readonly nanos: number } {
  const seconds = Math.floor(ms / 1000);
  // Rounded up to a whole second it would be none; nobody misses that nanosecond.
  const nanos = Math.min(Math.round((ms - seconds * 1000) * 1e6), 999_999_999);
  return { seconds: BigInt(seconds), nanos };
}

function clamp(value: number, min: number, max: number): number {
  return Number.isNaN(value) ? 0 : Math.min(Math.max(value, min), max);
}
