/**
 * `claude-runner pool`: what the pool of a running server does, as a live view, once, or as JSON.
 */
import { InvalidArgumentError } from "commander";
import { secondsArgument } from "./arguments.ts";
import { type CommandEntry, helpSection, UsageError } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { addServerOptions, type ServerOptions } from "./server-options.ts";
import { onSignals } from "./signals.ts";

interface PoolOptions extends ServerOptions {
  readonly watch?: true;
  readonly once?: true;
  readonly json?: true;
  readonly turns?: number;
  readonly interval?: number;
}

export const pool: CommandEntry = {
  usage: "pool",
  summary: "watch the pool of a running server",
  group: "Run",
  declare(command) {
    command
      .description(
        "Shows the workers of each profile, the queue, how turns got their workers, and where the time of your tenant's " +
          "recent turns went. In a terminal it continues until Ctrl-C; elsewhere it prints the current state.",
      )
      .optionsGroup("Output:")
      .option("-w, --watch", "continue outside a terminal too: print a state after each change")
      .option("--once", "print the current state and exit, in a terminal too")
      .option("--json", "print GetPoolResponse as JSON; with --watch a line of JSON for each state")
      .option("--turns <count>", "how many recent turns to ask for, 0 to 100 (20)", turnsArgument)
      .option("--interval <seconds>", "the shortest time between two states, 0.1 to 60 (1)", secondsArgument);
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Whose:", [
          "your tenant's workers and turns, and workers that belong to nobody yet; with an operator's",
          "token (auth.tokens[].operator), the workers and counts of all tenants",
        ]) +
          helpSection("\nExamples:", [
            "claude-runner pool",
            "claude-runner pool --url runner.example:7433 --token-file ops.token",
            "claude-runner pool --json | jq '.pool.profiles[] | {profile, waitingCount}'",
          ]),
      );
  },
  async run(terminal, command) {
    const { watch, once, json, turns, interval, ...server } = command.opts<PoolOptions>();
    if (watch && once) throw new UsageError("--watch and --once exclude each other");
    const isTerminal = terminal.isStdoutTty && terminal.env.TERM !== "dumb";
    const { connect } = await import("./connection.ts");
    const views = await import("./pool-views.ts");
    const connection = await connect({ ...server, env: terminal.env });
    if (connection.notice !== undefined) terminal.stderr.write(`${terminal.err.dim(connection.notice)}\n`);
    const abort = new AbortController();
    using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
      if (abort.signal.aborted) process.exit(exitCodes.interrupted);
      abort.abort();
    });
    // Whoever read the output has gone, and with it the reason to go on.
    terminal.stdout.once("error", () => abort.abort());
    const options = {
      terminal,
      connection,
      signal: abort.signal,
      recentTurnCount: turns,
      minIntervalMs: interval === undefined ? undefined : interval * 1000,
    };
    // Awaited here, so that signals are taken until the view is left.
    if (json) return await (watch ? views.watchAsJson(options) : views.onceAsJson(options));
    if (once || !(watch || isTerminal)) return await views.once(options);
    return await (isTerminal ? views.live(options) : views.watchAsText(options));
  },
};

function turnsArgument(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count > 100) throw new InvalidArgumentError("Must be a whole number from 0 to 100.");
  return count;
}
