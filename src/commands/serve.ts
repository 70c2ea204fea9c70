/**
 * `claude-runner serve`: starts the server, tells where it is, and stops it when told to.
 */
import { isatty } from "node:tty";
import type { Command } from "commander";
import type { LoadedSettings } from "../config/load.ts";
import type { Settings } from "../config/settings.ts";
import { SettingsError } from "../config/source.ts";
import { runnerVersion } from "../config/version.ts";
import type { Runner } from "../main.ts";
import type { TakeoverSocket } from "../server/takeover/takeover-socket.ts";
import { createLog, type Log, type OpenLog } from "../telemetry/log.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { logText } from "./log-text.ts";
import { missingKeyLines } from "./missing-key.ts";
import { addressText, startSummary } from "./serve-summary.ts";
import type { StartPlan } from "./serve-takeover.ts";
import { addSettingsOptions, passedOverText, settingsOf } from "./settings-options.ts";
import { onSignals, type StopSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** How long running turns get after the second signal, in milliseconds. */
const hurriedDrainMs = 10_000;

export const serve: CommandEntry = {
  usage: "serve",
  summary: "start the server",
  group: "Run",
  declare(command) {
    command.description(
      "Starts the gRPC port, the web port (Connect, gRPC-Web, JSON) and the admin port, and keeps " +
        "Claude Code processes ready. Listens on loopback unless the settings say otherwise.",
    );
    command.option(
      "--takeover",
      "take the ports over from the running server, if there is one, once this one is ready: no call fails",
    );
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Signals:", [
        "SIGTERM, SIGINT   accept no more calls, let running turns end (120 s by default), stop",
        "  once more       give them 10 s; a third time, end them now",
        "SIGQUIT           end them now",
        "SIGHUP            read tokens and certificates again",
      ]) +
        helpSection("\nExamples:", [
          "claude-runner serve",
          "claude-runner serve --grpc-port 0 --no-web --set profiles.default.minSpares=4",
          "claude-runner serve --config /etc/claude-runner.yaml --otlp-endpoint http://127.0.0.1:4318",
          "claude-runner serve --takeover     # a restart, or an upgrade, without a failed call",
        ]),
    );
  },
  async run(terminal, command) {
    const loaded = settingsOf(terminal, command);
    const log = serverLog(terminal, loaded);
    const passedOver = passedOverText(loaded);
    if (passedOver !== undefined) log.warn({}, passedOver);
    // Loaded late: help and mistakes in the settings are told without the servers' libraries.
    const { startRunner } = await import("../main.ts");
    const { StartPlan } = await import("./serve-takeover.ts");
    const control = new ServerControl(log, {
      reload: () => settingsOf(terminal, command).settings,
      // A terminal that was closed sends SIGHUP as well: nobody means "reload" by that.
      isTerminalGone: () => terminal.isStdinTty && !isatty(0),
    });
    using _signals = onSignals(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"], (signal) => control.take(signal));
    using _bugs = onBugs((error) => control.fail(error));
    let plan: StartPlan | undefined;
    let socket: TakeoverSocket | undefined;
    try {
      const { settings } = loaded;
      plan = await StartPlan.make({ settings, env: terminal.env, wantsTakeover: wantsTakeover(command), log });
      // Two servers may write to one log for a while.
      const ownLog = plan.generation === 1 ? log : log.child({ generation: plan.generation });
      const options = { ...plan.options, env: terminal.env, log: ownLog, signal: control.toldToStop };
      const runner = await unlessStopped(startRunner(options), control.toldToStop);
      if (runner === undefined) return control.hasFailed ? exitCodes.failed : exitCodes.ok;
      if (terminal.isStderrTty) terminal.stderr.write(terminal.asTyped(startSummary(loaded, runner, terminal.err)));
      else ownLog.info(placesOf(runner), "claude-runner has started");
      if (!terminal.isStderrTty) for (const line of missingKeyLines(runner, settings)) ownLog.error({}, line);
      control.started(runner);
      socket = await plan.started(runner, ownLog);
      await runner.stopped;
    } finally {
      plan?.leave();
      await socket?.close();
      log.flush();
    }
    return control.hasFailed ? exitCodes.failed : exitCodes.ok;
  },
};

/** Whether `--takeover` was typed. */
function wantsTakeover(command: Command): boolean {
  return command.opts<{ takeover?: boolean }>().takeover === true;
}

/** How long a start that was told to stop may take to close what it has opened, in milliseconds. */
const startStopMs = 2_000;

/**
 * What a start comes to; `undefined` when it was told to stop before. Whatever it hangs on (a file system that does not
 * answer, for example) does not keep the process: nothing that it has opened by then outlives it.
 */
async function unlessStopped<T>(start: Promise<T>, toldToStop: AbortSignal): Promise<T | undefined> {
  const settled = start.catch((error: unknown) => {
    if (!toldToStop.aborted) throw error;
    return undefined;
  });
  const patience = Promise.withResolvers<undefined>();
  let timer: NodeJS.Timeout | undefined;
  const onStop = () => {
    timer = setTimeout(() => patience.resolve(undefined), startStopMs);
  };
  toldToStop.addEventListener("abort", onStop, { once: true });
  try {
    return await Promise.race([settled, patience.promise]);
  } finally {
    clearTimeout(timer);
    toldToStop.removeEventListener("abort", onStop);
  }
}

/** What a log says in place of the summary: everything but the token itself. */
function placesOf({ grpcAddress, webAddress, adminAddress, tokenNotice }: Runner): Record<string, unknown> {
  return {
    version: runnerVersion,
    grpc: addressText(grpcAddress),
    web: webAddress && addressText(webAddress),
    admin: adminAddress && addressText(adminAddress),
    tokenFile: tokenNotice?.file,
  };
}

/** Errors that nobody caught. By default they would end the process at once and leave its workers behind. */
function onBugs(handle: (error: unknown) => void): Disposable {
  process.on("uncaughtException", handle);
  process.on("unhandledRejection", handle);
  return {
    [Symbol.dispose]() {
      process.off("uncaughtException", handle);
      process.off("unhandledRejection", handle);
    },
  };
}

function serverLog(terminal: Terminal, { settings }: LoadedSettings): OpenLog {
  const level = settings.telemetry.logLevel;
  if (!terminal.isStderrTty) return createLog({ level });
  return createLog({ level, write: (line) => void terminal.stderr.write(logText(line, terminal.err)) });
}

/** What signals make of a server. One that comes before the server has started counts when it has. */
export class ServerControl {
  readonly #log: Log;
  readonly #how: { readonly reload: () => Settings; readonly isTerminalGone: () => boolean };
  readonly #toldToStop = new AbortController();
  #runner: Pick<Runner, "stop" | "reload"> | undefined;
  #stopRequestCount = 0;
  #hasFailed = false;
  /** One after another, so that the last one has the last word. */
  #reloading: Promise<void> = Promise.resolve();

  constructor(log: Log, how: { readonly reload: () => Settings; readonly isTerminalGone: () => boolean }) {
    this.#log = log;
    this.#how = how;
  }

  /** Aborted by the first signal to stop, for a start that is under way. */
  get toldToStop(): AbortSignal {
    return this.#toldToStop.signal;
  }

  /** Whether it stops because of a mistake of its own. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** After an error that nobody caught nothing is certain: what runs may end, and whoever watches starts it anew. */
  fail(error: unknown): void {
    this.#log.error({ err: error }, "a bug in claude-runner: it stops, and running turns have 10 seconds left");
    this.#hasFailed = true;
    this.#stopRequestCount = Math.max(2, this.#stopRequestCount);
    this.#stop();
  }

  started(runner: Pick<Runner, "stop" | "reload">): void {
    this.#runner = runner;
    if (this.#stopRequestCount > 0) this.#stop();
  }

  take(signal: StopSignal): void {
    if (signal === "SIGHUP" && !this.#how.isTerminalGone()) {
      this.#reloading = this.#reloading.then(() => this.#reload());
      return;
    }
    this.#stopRequestCount = signal === "SIGQUIT" ? 3 : this.#stopRequestCount + 1;
    const words = stopWords[Math.min(this.#stopRequestCount, 3) - 1];
    this.#log.info({ signal }, words ?? "");
    this.#stop();
  }

  #stop(): void {
    this.#toldToStop.abort();
    const drainTimeoutMs = [undefined, undefined, hurriedDrainMs][this.#stopRequestCount];
    const isNow = this.#stopRequestCount >= 3;
    const options = isNow ? { drainTimeoutMs: 0 } : drainTimeoutMs === undefined ? {} : { drainTimeoutMs };
    // How it ends is told by `stopped`, which `run` waits for.
    this.#runner?.stop(options).catch(() => undefined);
  }

  /** A mistake in the file leaves everything as it is. */
  async #reload(): Promise<void> {
    try {
      const settings = this.#how.reload();
      await this.#runner?.reload(settings);
      const { tokens, insecureNoAuth } = settings.auth;
      this.#log.info(
        { tokenCount: tokens.length, isAuthenticationOn: !insecureNoAuth },
        "tokens, certificates and keys were read again and are in force",
      );
    } catch (error) {
      const why = error instanceof SettingsError ? { violations: error.message.split("\n") } : { err: error };
      this.#log.error(why, "tokens, certificates and keys were not read again: all the old ones stay in force");
    }
  }
}

const stopWords = [
  "stopping: running turns may end; send the signal again to hurry",
  "hurrying: running turns have 10 seconds",
  "ending running turns now",
] as const;
