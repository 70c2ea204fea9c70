/**
 * Waiting for what gives no event, such as a counter in the server or a process of the system: it is looked at again and
 * again. When it never comes, the failure says what was waited for and what was there instead.
 */
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { TestRunner } from "vitest";

const lookAgainAfterMs = 5;
/** What is left of a test's time when it gives up: enough to say so also on a machine that stands still for a moment. */
const timeToSayMs = 1_000;
/** In a hook, whose timeout is not to be known. */
const hookPatienceMs = 50_000;

export interface UntilOptions {
  /** What to show when it never holds; without it, what the condition gave. */
  readonly see?: () => unknown;
  /** Default: as long as the test has, but for what it takes to say so. */
  readonly giveUpAfterMs?: number;
}

/** Waits until the condition holds. */
export async function until(holds: () => boolean | Promise<boolean>, options: UntilOptions = {}): Promise<void> {
  const startedMs = performance.now();
  const giveUpAfterMs = options.giveUpAfterMs ?? patienceMs();
  let last: unknown;
  for (;;) {
    last = await holds();
    if (last === true) return;
    const waitedMs = performance.now() - startedMs;
    if (waitedMs > giveUpAfterMs) {
      const seen = options.see === undefined ? last : await options.see();
      const code = holds.toString().replace(/\s+/g, " ");
      throw new Error(`waited ${Math.round(waitedMs)} ms for ${code}; seen last: ${inspect(seen, { depth: 4 })}`);
    }
    await pause(lookAgainAfterMs);
  }
}

function patienceMs(): number {
  const test = TestRunner.getCurrentTest();
  if (test === undefined) return hookPatienceMs;
  const usedMs = Date.now() - (test.result?.startTime ?? Date.now());
  return Math.max(0, test.timeout - timeToSayMs - usedMs);
}
