/**
 * The program `claude-runner`: reads the command line, runs the command, turns what goes wrong into words and an exit
 * code. `bin/claude-runner.js` calls `main`.
 */
import { type Argument, Command, CommanderError } from "commander";
import { SettingsError, violationText } from "../config/source.ts";
import { runnerVersion } from "../config/version.ts";
import { redactSecrets } from "../redact.ts";
import { type CommandAction, type CommandFamily, helpSection, UsageError } from "./command.ts";
import { type ExitCode, exitCodeHelp, exitCodes } from "./exit-codes.ts";
import { commands } from "./registry.ts";
import { columnsOf, processTerminal, type Terminal, withoutControls } from "./terminal.ts";

/** Runs what this process was started with, and ends it. */
export async function main(): Promise<never> {
  const exitCode = await runProgram(process.argv.slice(2), processTerminal());
  // Connections to a collector that is gone would keep the process for seconds.
  process.exit(exitCode);
}

/** Runs one command line. Does not throw and does not end the process. */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const program = declareProgram(terminal, async (entry, command) => {
    exitCode = await entry.run(terminal, command);
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    return tell(error, terminal);
  }
}

function declareProgram(terminal: Terminal, run: (entry: CommandAction, command: Command) => Promise<void>): Command {
  const program = new Command("claude-runner")
    .description("Claude Code as a typed gRPC service: streaming turns from a warm pool of Claude Code processes.")
    .version(runnerVersion, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help; also for a command")
    .helpCommand(false)
    .usage("<command> [options]");
  applyStyle(program, terminal);
  for (const entry of commands) {
    declareCommand(program, entry, run).helpGroup(`${entry.group}:`);
  }
  const width = Math.max(...exitCodeHelp.map(([code]) => String(code).length));
  program.addHelpText(
    "after",
    helpSection(
      "Exit codes:",
      exitCodeHelp.map(([code, meaning]) => `${String(code).padEnd(width)}  ${meaning}`),
    ) +
      helpSection("\nStart here:", [
        "claude-runner demo                 see it work",
        "claude-runner doctor               what is missing on this machine?",
        "claude-runner serve                start the server, then in another terminal",
        'claude-runner chat "Say hello"     ask it',
      ]),
  );
  return program;
}

function declareCommand(
  parent: Command,
  entry: CommandAction | CommandFamily,
  run: (entry: CommandAction, command: Command) => Promise<void>,
): Command {
  const command = parent.command(entry.usage).summary(entry.summary).helpOption("-h, --help", "show this help");
  if ("actions" in entry) {
    command.helpCommand(false).usage("<command> [options]");
    for (const action of entry.actions) declareCommand(command, action, run);
    entry.declare(command);
  } else {
    entry.declare(command);
    command.action(async () => run(entry, command));
  }
  return command;
}

function applyStyle(program: Command, terminal: Terminal): void {
  const { out, err } = terminal;
  program
    .exitOverride()
    .configureHelp({
      // Every command has options; saying so on each line helps nobody.
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(argumentText)].join(" "),
      styleTitle: out.bold,
      styleCommandText: out.cyan,
      styleSubcommandText: out.cyan,
      styleOptionText: out.cyan,
    })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(terminal.asTyped(text)),
      writeErr: (text) => void terminal.stderr.write(terminal.asTyped(text)),
      outputError: (text, write) => write(text.replace(/^error:/, err.red("error:"))),
      getOutHelpWidth: () => helpColumns(terminal),
      getOutHasColors: () => true, // `out` knows
      getErrHasColors: () => true,
    });
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function helpColumns(terminal: Terminal): number {
  return Math.min(120, Math.max(60, columnsOf(terminal, 100)));
}

/** What went wrong, in words; never a secret, and a stack only when it is a mistake of ours. */
function tell(error: unknown, { stderr, err, asTyped }: Terminal): ExitCode {
  // Help and version end this way as well; commander has written what there is to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof UsageError) {
    stderr.write(`${err.red("error:")} ${asTyped(shown(error.message))}\n`);
    return exitCodes.usage;
  }
  if (error instanceof SettingsError) {
    const count = error.violations.length;
    stderr.write(`${err.red("error:")} ${count === 1 ? "a setting is" : `${count} settings are`} wrong\n`);
    for (const violation of error.violations.slice(0, maxShown)) {
      stderr.write(`  ${asTyped(shown(violationText(violation)))}\n`);
    }
    if (count > maxShown) stderr.write(`  and ${count - maxShown} more\n`);
    return exitCodes.usage;
  }
  const isExpected = error instanceof Error && (expectedErrors.has(error.name) || isOfTheSystem(error));
  const text = error instanceof Error ? ((isExpected ? undefined : error.stack) ?? error.message) : String(error);
  stderr.write(`${err.red("error:")} ${asTyped(shown(text))}\n`);
  return exitCodes.failed;
}

/** Text that may be from a file or a server, for a terminal. */
function shown(text: string): string {
  return withoutControls(redactSecrets(text));
}

/** Mistakes in the settings that are listed; who mends these sees the next. */
const maxShown = 50;

/** Errors whose message was written for the person at the terminal; named, so that nothing is loaded for it. */
const expectedErrors: ReadonlySet<string> = new Set([
  "CommandError",
  "RunnerError",
  "ScenarioError",
  "ServerStartError",
  "TokenFileError",
  "UnreadableFileError",
]);

/** What the system refused, such as a folder that may not be written: a fact of this machine, which its words name. */
function isOfTheSystem(error: NodeJS.ErrnoException): boolean {
  return typeof error.code === "string" && typeof error.syscall === "string";
}
