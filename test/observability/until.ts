/**
 * Waiting for what another program says when it is asked: it does not call back, so it is asked again.
 */
import { setTimeout as pause } from "node:timers/promises";

const askAgainAfterMs = 100;
/** Far beyond what anything takes: it tells a hang from a wait. */
const giveUpAfterMs = 60_000;

/** Asks until there is an answer, and gives it. An `ask` that throws has none yet; the last error is told in the end. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const startedMs = performance.now();
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() - startedMs > giveUpAfterMs) {
      throw new Error(`${what}: not within ${giveUpAfterMs} ms`, { cause: lastError });
    }
    await pause(askAgainAfterMs);
  }
}
