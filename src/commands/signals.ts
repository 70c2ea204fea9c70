/**
 * Signals for commands that run until they are told to stop.
 *
 * When an older Node started this program it runs below a launcher (`bin/`), which passes signals on. Ctrl-C then
 * arrives twice: from the terminal, which signals everybody in the foreground, and from the launcher.
 */
import { systemClock } from "../clock.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGQUIT" | "SIGHUP";

/** The launcher passes a signal on within milliseconds; nobody presses Ctrl-C twice in this time, in milliseconds. */
const echoMs = 250;

/** Set by the launcher to its own process id. */
const launcherVariable = "CLAUDE_RUNNER_LAUNCHER_PID";

/** Calls `handle` for each signal, until it is disposed. Without a handler a signal ends the process. */
export function onSignals(signals: readonly StopSignal[], handle: (signal: StopSignal) => void): Disposable {
  const launcherPid = process.env[launcherVariable];
  const hasLauncher = launcherPid !== undefined && Number(launcherPid) === process.ppid;
  const handlers = signals.map((signal) => {
    let lastMs = Number.NEGATIVE_INFINITY;
    const listener = () => {
      const nowMs = systemClock.now();
      const isEcho = hasLauncher && nowMs - lastMs < echoMs;
      lastMs = nowMs;
      if (!isEcho) handle(signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  // A launcher that was killed cannot pass anything on any more: its end is ours.
  const onGone = () => handle("SIGTERM");
  if (hasLauncher && signals.includes("SIGTERM")) {
    process.once("disconnect", onGone);
    process.channel?.unref();
  }
  return {
    [Symbol.dispose]() {
      for (const { signal, listener } of handlers) process.off(signal, listener);
      process.off("disconnect", onGone);
    },
  };
}
