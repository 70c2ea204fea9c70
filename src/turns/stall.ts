/**
 * Notices a reader who keeps a turn from going on by not reading. Looks at the clock four times within the bound: the
 * relay itself is parked at its `yield` then and cannot.
 */
import type { Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";

/**
 * Calls `onStalled` once with CLIENT_STALLED when `blockedMs()` has reached `stalledReaderMs`. Disposing of it ends the
 * watch.
 */
export function watchForStall(
  blockedMs: () => number,
  { clock, stalledReaderMs }: { readonly clock: Clock; readonly stalledReaderMs: number },
  onStalled: (error: RunnerError) => void,
): Disposable {
  const everyMs = stalledReaderMs / 4;
  let cancel = () => {};
  const look = () => {
    const forMs = Math.round(blockedMs());
    if (forMs < stalledReaderMs) {
      cancel = clock.after(everyMs, look);
      return;
    }
    const facts = { blockedMs: forMs, limitMs: stalledReaderMs };
    onStalled(new RunnerError("CLIENT_STALLED", `the caller read nothing for ${forMs} ms`, { facts }));
  };
  cancel = clock.after(everyMs, look);
  return { [Symbol.dispose]: () => cancel() };
}
