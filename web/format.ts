/**
 * Numbers for a person: times, money, sizes, counts.
 */
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** A Duration in milliseconds. */
export function millisecondsOf(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** A Timestamp in milliseconds since 1970. */
export function epochMsOf(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6;
}

/** A stretch of time, with the digits that matter: `0.31 ms`, `16 ms`, `1.24 s`, `3 min 5 s`, `2 h 4 min`. */
export function timeText(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return pair(Math.floor(seconds / 60), "min", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** A time that runs on screen: whole seconds. */
export function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return seconds < 60 ? `${seconds} s` : timeText(seconds * 1000);
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** A moment as people name it: the time of today, or else the day. */
export function whenText(epochMs: number, nowMs: number): string {
  const moment = new Date(epochMs);
  const now = new Date(nowMs);
  if (moment.toDateString() === now.toDateString()) {
    return moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  }
  const isThisYear = moment.getFullYear() === now.getFullYear();
  return moment.toLocaleDateString(undefined, {
    day: "numeric",
    month: "short",
    ...(isThisYear ? {} : { year: "numeric" }),
  });
}

/** Money in millionths of a dollar: `$0.0123`, `$1.50`. */
export function costText(usdMicros: bigint, isEstimate = false): string {
  const usd = Number(usdMicros) / 1e6;
  const digits = usd !== 0 && usd < 1 ? 4 : 2;
  return `${isEstimate ? "about " : ""}$${usd.toFixed(digits)}`;
}

/** Bytes: `812 B`, `14 kB`, `1.2 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A whole number with its thousands apart. */
export function countText(count: number | bigint): string {
  return count.toLocaleString("en-US");
}

/** `1 spare`, `2 spares`. */
export function counted(count: number | bigint, singular: string, plural = `${singular}s`): string {
  return `${countText(count)} ${Number(count) === 1 ? singular : plural}`;
}
