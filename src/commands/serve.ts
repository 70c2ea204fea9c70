/**
 * `claude-runner serve`: starts the server, tells where it is, and stops it when told to.
 */
import { isatty } from "node:tty";
import type { Command } from "commander";
import type { LoadedSettings } from "../config/load.ts";
import { SettingsError } from "../config/source.ts";
import { runnerVersion } from "../config/version.ts";
import type { Runner } from "../main.ts";
import { createLog, type OpenLog } from "../telemetry/log.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { logText } from "./log-text.ts";
import { addressText, startSummary } from "./serve-summary.ts";
import { addSettingsOptions, settingsOf } from "./settings-options.ts";
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
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Signals:", [
        "SIGTERM, SIGINT   accept no more, let running turns end (120 s), stop",
        "  once more       give them 10 s; a third time, end them now",
        "SIGQUIT           end them now",
        "SIGHUP            read tokens and certificates again",
      ]) +
        helpSection("\nExamples:", [
          "claude-runner serve",
          "claude-runner serve --grpc-port 0 --no-web --set profiles.default.minSpares=4",
          "claude-runner serve --config /etc/claude-runner.yaml --otlp-endpoint http://127.0.0.1:4318",
        ]),
    );
  },
  async run(terminal, command) {
    const loaded = settingsOf(terminal, command);
    const log = serverLog(terminal, loaded);
    // Loaded late: help and mistakes in the settings are told without the servers' libraries.
    const { startRunner } = await import("../main.ts");
    const runner = await startRunner({ settings: loaded.settings, env: terminal.env, log });
    if (terminal.isStderrTty) terminal.stderr.write(startSummary(loaded, runner, terminal.err));
    else log.info(placesOf(runner), "claude-runner has started");

    let stopRequests = 0;
    const stop = (signal: StopSignal): void => {
      stopRequests = signal === "SIGQUIT" ? 3 : stopRequests + 1;
      log.info({ signal }, stopWords(stopRequests));
      const drainTimeoutMs = stopRequests === 1 ? undefined : stopRequests === 2 ? hurriedDrainMs : 0;
      // Its end is awaited below, and so is its failure.
      void runner.stop({ ...(drainTimeoutMs !== undefined && { drainTimeoutMs }) }).catch(() => undefined);
    };
    const reload = async (): Promise<void> => {
      // The terminal was closed: nobody means "reload" by that.
      if (terminal.isStdinTty && !isatty(0)) return stop("SIGHUP");
      await reloadSettings(terminal, command, log, (settings) => runner.reload(settings));
    };
    const signals = onSignals(["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"], (signal) =>
      signal === "SIGHUP" ? void reload() : stop(signal),
    );
    await runner.stopped;
    signals[Symbol.dispose]();
    log.flush();
    return exitCodes.ok;
  },
};

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

function serverLog(terminal: Terminal, { settings }: LoadedSettings): OpenLog {
  const level = settings.telemetry.logLevel;
  if (!terminal.isStderrTty) return createLog({ level });
  return createLog({ level, write: (line) => void terminal.stderr.write(logText(line, terminal.err)) });
}

function stopWords(stopRequests: number): string {
  if (stopRequests === 1) return "stopping: running turns may end; once more to hurry";
  return stopRequests === 2 ? "hurrying: running turns have 10 seconds" : "ending running turns now";
}

/** A mistake in the file leaves everything as it is. */
async function reloadSettings(
  terminal: Terminal,
  command: Command,
  log: OpenLog,
  apply: (settings: LoadedSettings["settings"]) => Promise<void>,
): Promise<void> {
  try {
    const { settings } = settingsOf(terminal, command);
    await apply(settings);
    log.info({ tokenCount: settings.auth.tokens.length }, "tokens and certificates were read again");
  } catch (error) {
    const violations = error instanceof SettingsError ? { violations: error.message.split("\n") } : { err: error };
    log.error(violations, "tokens and certificates were not read again: the old ones stay");
  }
}
