/**
 * `claude-runner turns`: turns as things of their own: listed, looked up, read again while they run, and stopped.
 */
import { InvalidArgumentError, Option } from "commander";
import { countArgument } from "./arguments.ts";
import { type CommandAction, type CommandEntry, helpSection, UsageError } from "./command.ts";
import type { KeptContext } from "./kept-calls.ts";
import { addServerOptions, type ServerOptions } from "./server-options.ts";
import type { Terminal } from "./terminal.ts";
import type { ListTurnsOptions } from "./turn-views.ts";

interface NamedOptions extends ServerOptions {
  readonly requestId?: string;
  readonly json?: true;
}
interface AttachOptions extends NamedOptions {
  readonly after?: number;
  readonly quiet?: true;
}

const list: CommandAction = {
  usage: "list",
  summary: "list turns, the newest first; those of a session from its first on",
  declare(command) {
    command
      .description(
        "Lists the turns that the server knows: those that wait or run, and those that ended in the last 24 hours (by default), " +
          "the newest first. Turns of a session are known as long as the session; with --session they are listed in order.",
      )
      .optionsGroup("Which:")
      .option("-s, --session <id>", "only the turns of this session, from its first on")
      .addOption(new Option("--state <state>", "only those in this state").choices(["waiting", "running", "ended"]))
      .option("--all-tenants", "those of all tenants; needs an operator's token")
      .option("-n, --limit <count>", "the most to list (50)", countArgument)
      .option("--page-token <token>", "go on after an earlier list that was cut")
      .optionsGroup("Output:")
      .option("--full", "with prompts and answers; needs --json")
      .option("--json", "print ListTurnsResponse as JSON");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner turns list --state running",
          "claude-runner turns list --all-tenants --token-file ops.token",
          "claude-runner turns list --session trip --full --json | jq -r '.turns[].answer[].text'",
        ]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<ServerOptions & ListTurnsOptions>();
    if (options.full && !options.json) throw new UsageError("--full needs --json; `sessions show` shows what was said");
    if (options.full && options.allTenants)
      throw new UsageError("nobody may read the words of all tenants: leave out --full");
    const { listTurns } = await import("./turn-views.ts");
    return listTurns(await open(terminal, options), options);
  },
};

const show: CommandAction = {
  usage: "show [turn]",
  summary: "show a turn: what came of it, what it cost, what was said",
  declare(command) {
    command
      .description(
        "Shows a turn: how it ended, what it cost, and, if they are kept, its prompt and its answer. That includes turns that were " +
          "cancelled or lost.",
      )
      .optionsGroup("Which:")
      .option("-r, --request-id <id>", "the turn of this request_id")
      .optionsGroup("Output:")
      .option("--json", "print GetTurnResponse as JSON");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", ["claude-runner turns show 0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10"]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<NamedOptions>();
    const which = turnOf(command.processedArgs, options);
    const { showTurn } = await import("./turn-views.ts");
    return showTurn(await open(terminal, options), which, options.json === true);
  },
};

const attach: CommandAction = {
  usage: "attach [turn]",
  summary: "read a turn again, from its beginning or from an event on",
  declare(command) {
    command
      .description(
        "Streams a turn as `chat` does: what was streamed before, then what comes, to its end. A connection that breaks is made " +
          "again without losing anything. Ctrl-C leaves; the turn goes on.",
      )
      .optionsGroup("Which:")
      .option("-r, --request-id <id>", "the turn of this request_id")
      .option("--after <sequence>", "begin after this event (0)", sequenceArgument)
      .optionsGroup("Output:")
      .option("--json", "print every event as a line of JSON")
      .option("-q, --quiet", "print the answer only");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner turns list --state running",
          "claude-runner turns attach 0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10",
        ]),
      );
  },
  async run(terminal, command) {
    const { after = 0, json, quiet, ...options } = command.opts<AttachOptions>();
    const which = turnOf(command.processedArgs, options);
    const { attachTurn } = await import("./turn-views.ts");
    const asked = { afterSequence: after, isJson: json === true, isQuiet: quiet === true };
    return attachTurn(await open(terminal, options), which, asked);
  },
};

const stop: CommandAction = {
  usage: "stop <turn...>",
  summary: "stop turns; what they said and cost up to then stands",
  declare(command) {
    command
      .description(
        "Stops turns. What they said and cost up to then stands. An operator's token stops turns of other tenants too.",
      )
      .optionsGroup("Output:")
      .option("--json", "print an InterruptTurnResponse as a line of JSON for each");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", ["claude-runner turns stop 0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10"]),
      );
  },
  async run(terminal, command) {
    const { json, ...server } = command.opts<ServerOptions & { readonly json?: true }>();
    const [ids] = command.processedArgs as [string[]];
    const { stopTurns } = await import("./turn-views.ts");
    return stopTurns(await open(terminal, server), ids, json === true);
  },
};

export const turns: CommandEntry = {
  usage: "turns",
  summary: "list, read again and stop the turns of a server",
  group: "Run",
  actions: [list, show, attach, stop],
  declare(command) {
    command
      .description("A turn is one prompt and everything that comes of it. A server knows it from its acceptance on.")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner turns list --state running",
          "claude-runner turns attach 0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10",
          "claude-runner turns stop 0198f3d2-5c1e-7d61-9c0e-2f6b8a1f0f10",
        ]),
      );
  },
};

function turnOf([turnId]: readonly string[], { requestId }: NamedOptions) {
  if (turnId !== undefined && requestId !== undefined) throw new UsageError("name a turn or a --request-id, not both");
  if (turnId !== undefined) return { case: "turnId" as const, value: turnId };
  if (requestId !== undefined) return { case: "requestId" as const, value: requestId };
  throw new UsageError("name a turn, or a request with --request-id; `claude-runner turns list` lists turns");
}

function sequenceArgument(text: string): number {
  const sequence = Number(text);
  if (!/^\d+$/.test(text) || sequence > 2 ** 31 - 1)
    throw new InvalidArgumentError("Must be the number of an event, or 0.");
  return sequence;
}

async function open(terminal: Terminal, options: ServerOptions): Promise<KeptContext> {
  const { openContext } = await import("./kept-calls.ts");
  return openContext(terminal, options);
}
