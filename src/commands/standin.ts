/**
 * `claude-runner standin`: the stand-in for the model API by itself, to point a Claude Code or a gateway at.
 */
import { portArgument } from "./arguments.ts";
import { type CommandEntry, CommandError, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { onSignals } from "./signals.ts";

interface StandinCommandOptions {
  readonly port: number;
  readonly scenarios?: string;
  readonly list?: true;
}

export const standin: CommandEntry = {
  usage: "standin",
  summary: "run the stand-in for the model API",
  group: "Develop",
  declare(command) {
    command
      .description(
        "Answers like the model API on a loopback port: scripted, without a key, without cost. A prompt that " +
          "contains [[scenario NAME]] gets the scenario of that name.",
      )
      .option("-p, --port <port>", "the port; 0 means any free port", portArgument, 0)
      .option("--scenarios <file>", "your own rules and scenarios, in YAML or JSON")
      .option("--list", "list the built-in scenarios")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner standin --list",
          "claude-runner standin --port 8787",
          "ANTHROPIC_BASE_URL=http://127.0.0.1:8787 ANTHROPIC_API_KEY=stand-in claude-runner serve",
        ]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<StandinCommandOptions>();
    const { listScenarios } = await import("../standin/scenarios.ts");
    const { bold, dim, cyan } = terminal.out;
    if (options.list) {
      const scenarios = listScenarios();
      const width = Math.max(...scenarios.map(({ name }) => name.length));
      for (const { name, description } of scenarios) {
        terminal.stdout.write(`${bold(name.padEnd(width))}  ${description}\n`);
      }
      return exitCodes.ok;
    }
    const { startStandin } = await import("../standin/standin-server.ts");
    const running = await startStandin({
      port: options.port,
      ...(options.scenarios !== undefined && { scenarios: options.scenarios }),
    }).catch((error: NodeJS.ErrnoException) => {
      throw portError(error, options.port);
    });
    const told = Promise.withResolvers<void>();
    using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"], () => told.resolve());
    terminal.stdout.write(`${cyan(running.url)}\n`);
    terminal.stderr.write(
      `${dim(terminal.asTyped(`ANTHROPIC_BASE_URL=${running.url} ANTHROPIC_API_KEY=stand-in claude-runner serve`))}\n` +
        `${dim("`--list` lists the scenarios; Ctrl-C stops it.")}\n`,
    );
    await told.promise;
    await running.close();
    return exitCodes.ok;
  },
};

function portError(error: NodeJS.ErrnoException, port: number): Error {
  if (error.syscall !== "listen") return error;
  const why = error.code === "EADDRINUSE" ? "is in use by another program" : `cannot be opened (${error.code})`;
  return new CommandError(`port ${port} of 127.0.0.1 ${why}; choose another with --port, or 0 for any free one`);
}
