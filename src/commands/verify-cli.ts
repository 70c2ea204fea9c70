/**
 * `claude-runner verify`: proves on the installed Claude Code that nothing crosses from one turn of a worker to the next,
 * nor from one tenant to another. What it does is `verify/`.
 */
import { resolve } from "node:path";
import { systemClock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { VerifyReport } from "../verify/run.ts";
import { type CommandEntry, helpSection, UsageError } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { passedOverText, settingsOf } from "./settings-options.ts";
import { onSignals } from "./signals.ts";
import { type Terminal, withoutControls } from "./terminal.ts";

interface VerifyCommandOptions {
  readonly cli?: string;
  readonly only?: string;
  readonly seed?: string;
  readonly clear?: true;
  readonly json?: true;
}

export const verify: CommandEntry = {
  usage: "verify",
  summary: "prove that nothing crosses from one turn to the next",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Plays a hundred situations on the installed Claude Code and compares, byte by byte, what the model API gets " +
          "from a worker that was reset with what it gets from a fresh one. Works offline: a stand-in on this machine takes " +
          "the place of the model API. Exits with 1 if something is left over.",
      )
      .option("--cli <path>", "the Claude Code program to verify; by default the one that the server would use")
      .option("--only <text>", "only cases whose name or group contains this")
      .option("--seed <number>", "the seed of the random walks; by default a new one, which is printed")
      .option("--clear", "reset by /clear, as `acceptClearResidue` allows; fails, because it shows what /clear leaves")
      .option("--json", "print one JSON object")
      .option("-c, --config <file>", "the settings file, which names the program")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner verify",
          "claude-runner verify --cli /opt/claude/claude",
          'claude-runner verify --only "random walk" --seed 7',
        ]),
      );
  },
  async run(terminal, command) {
    const loaded = settingsOf(terminal, command);
    const passedOver = passedOverText(loaded);
    if (passedOver !== undefined) terminal.stderr.write(`${terminal.err.yellow(passedOver)}\n`);
    const { cli, only, seed, clear, json } = command.opts<VerifyCommandOptions>();
    if (seed !== undefined && !/^\d{1,9}$/.test(seed)) throw new UsageError(`--seed ${seed}: must be a number`);
    const report = await verifyInstalled(terminal, loaded.settings, {
      // A bare name is looked for on PATH.
      cliPath: cli?.includes("/") ? resolve(terminal.workingFolder, cli) : cli,
      only,
      seed: seed === undefined ? undefined : Number(seed),
      resetByClear: clear,
    });
    if (typeof report === "number") return report;
    if (report.results.length === 0) throw new UsageError(`--only ${only}: there is no such case`);
    const { reportData, reportText } = await import("../verify/report.ts");
    terminal.stdout.write(
      json ? `${JSON.stringify(reportData(report), undefined, 2)}\n` : reportText(report, terminal.out),
    );
    return report.hasPassed ? exitCodes.ok : exitCodes.failed;
  },
};

export interface VerifyInstalledOptions {
  readonly cliPath?: string | undefined;
  readonly only?: string | undefined;
  readonly seed?: number | undefined;
  readonly resetByClear?: boolean | undefined;
}

/** Runs the suite, with its progress on stderr. An exit code where there is nothing to report. */
export async function verifyInstalled(
  terminal: Terminal,
  settings: Settings,
  { cliPath = settings.cli.path, only, seed, resetByClear }: VerifyInstalledOptions = {},
): Promise<VerifyReport | ExitCode> {
  const { CliLocator } = await import("../cli/program/locate.ts");
  const { verifyCli } = await import("../verify/run.ts");
  const { progressText } = await import("../verify/report.ts");
  const cli = await new CliLocator({ path: cliPath, env: terminal.env, clock: systemClock }).locate();
  if (cli.kind === "unavailable") {
    terminal.stderr.write(`${terminal.err.red("error:")} ${cli.why}; ${cli.whatToDo}\n`);
    return exitCodes.failed;
  }
  const abort = new AbortController();
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    abort.abort();
  });
  try {
    return await verifyCli({
      cli,
      only,
      seed,
      resetByClear,
      signal: abort.signal,
      onProgress: (progress) => showProgress(terminal, progressText(progress)),
    });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    return exitCodes.interrupted;
  } finally {
    showProgress(terminal, "");
  }
}

/** On one line that is written again and again, for a person only. */
function showProgress({ stderr, err, isStderrTty }: Terminal, text: string): void {
  if (!isStderrTty) return;
  const columns = Math.max(20, ((stderr as { columns?: number }).columns ?? 80) - 1);
  stderr.write(`\r\x1b[K${err.dim(withoutControls(text).slice(0, columns))}`);
}
