/**
 * Ends a call that has gone silent. A stream of a turn has heartbeats, so one that brings nothing for long has lost its
 * connection without anybody having been told: a laptop that slept, a network that changed, a router that forgot.
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** Calls `fire` after so many milliseconds, unless the returned function is called before. */
export type Alarm = (ms: number, fire: () => void) => () => void;

export interface SilenceOptions {
  /** Ends the call, whose stream then fails with what it fails with. */
  readonly signal: AbortSignal;
  /** How long the stream may bring nothing, in milliseconds. 0: for ever. */
  readonly maxSilenceMs: number;
  /** The same until it brings something for the first time. */
  readonly firstSilenceMs: number;
  readonly alarm: Alarm;
  /** Called before it fails for that. */
  readonly onSilence: () => void;
}

/** The responses of a call, which fails with UNAVAILABLE once it has been silent for too long. */
export async function* unlessSilent<Response>(
  call: (signal: AbortSignal) => AsyncIterable<Response>,
  { signal, maxSilenceMs, firstSilenceMs, alarm, onSilence }: SilenceOptions,
): AsyncGenerator<Response, void> {
  if (maxSilenceMs === 0) {
    yield* call(signal);
    return;
  }
  const silence = new AbortController();
  let waitedMs = firstSilenceMs;
  const listen = () => alarm(waitedMs, () => silence.abort());
  let stopListening = listen();
  try {
    for await (const response of call(AbortSignal.any([signal, silence.signal]))) {
      // However long its reader takes with it.
      stopListening();
      waitedMs = maxSilenceMs;
      yield response;
      stopListening = listen();
    }
  } catch (error) {
    if (!silence.signal.aborted || signal.aborted) throw error;
    onSilence();
    throw new ConnectError(
      `the stream brought nothing for ${waitedMs / 1_000} s, not even a heartbeat`,
      Code.Unavailable,
    );
  } finally {
    stopListening();
  }
}
