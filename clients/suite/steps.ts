/**
 * The lines of `npm run clients`: who, what, how long.
 */

import { languages } from "./languages.ts";

const titleChars = Math.max(...languages.map(({ title }) => title.length));

/** One step that is over. */
export function step(who: string, what: string, tookMs: number, isGood: boolean): void {
  const seconds = `${(tookMs / 1_000).toFixed(1)} s`;
  process.stdout.write(`${isGood ? "✓" : "✗"} ${who.padEnd(titleChars)} ${what.padEnd(40)} ${seconds.padStart(8)}\n`);
}
