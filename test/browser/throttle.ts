/**
 * Runs the pages of the browser tests as a slow machine would: `CLAUDE_RUNNER_TEST_CPU_THROTTLE=4` leaves each of them a
 * quarter of the processor's speed. Unset: as fast as they run.
 *
 * What only a slow machine shows is a frame drawn between two events that otherwise come together.
 */
import type { Page } from "playwright-core";

const variable = "CLAUDE_RUNNER_TEST_CPU_THROTTLE";

const throttleRate = rateFrom(process.env[variable]);

function rateFrom(value: string | undefined): number {
  if (value === undefined || value === "") return 1;
  const rate = Number(value);
  if (rate >= 1 && rate <= 100) return rate;
  throw new Error(`${variable} must be a number from 1 (not slowed down) to 100, not ${JSON.stringify(value)}`);
}

/** Slows a page down for as long as it lives, when that was asked for. */
export async function throttle(page: Page): Promise<void> {
  if (throttleRate === 1) return;
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: throttleRate });
}
