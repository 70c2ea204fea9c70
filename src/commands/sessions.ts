/**
 * `claude-runner sessions`: the conversations that a running server keeps: listed, read, copied, named and deleted.
 */
import { Option } from "commander";
import { countArgument, labelArgument } from "./arguments.ts";
import { type CommandAction, type CommandEntry, helpSection, UsageError } from "./command.ts";
import type { KeptContext } from "./kept-calls.ts";
import { addServerOptions, type ServerOptions } from "./server-options.ts";
import type { ListSessionsOptions } from "./session-views.ts";
import type { Terminal } from "./terminal.ts";

interface ShowOptions extends ServerOptions {
  readonly turns: boolean;
  readonly json?: true;
}
interface ForkOptions extends ServerOptions {
  readonly until?: string;
  readonly before?: string;
  readonly title?: string;
  readonly json?: true;
}
interface DeleteOptions extends ServerOptions {
  readonly yes?: true;
  readonly force?: true;
  readonly json?: true;
}

const list: CommandAction = {
  usage: "list",
  summary: "list sessions, the one that changed last first",
  declare(command) {
    command
      .description("Lists the sessions of your tenant, the one that changed last first.")
      .optionsGroup("Which:")
      .option("-t, --title <text>", "only those with this text in the title")
      .option("-p, --profile <name>", "only those of this profile")
      .addOption(new Option("--state <state>", "only those in this state").choices(["idle", "running", "suspended"]))
      .option("-l, --label <key=value>", "only those with this label; may be repeated", labelArgument)
      .option("-n, --limit <count>", "the most to list (50)", countArgument)
      .option("--page-token <token>", "go on after an earlier list that was cut")
      .optionsGroup("Output:")
      .option("--json", "print ListSessionsResponse as JSON");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner sessions list",
          "claude-runner sessions list --title trip --state idle",
          "claude-runner sessions list --json -n 1000 | jq -r '.sessions[].id'",
        ]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<ServerOptions & ListSessionsOptions>();
    const { listSessions } = await import("./session-views.ts");
    return listSessions(await open(terminal, options), options);
  },
};

const show: CommandAction = {
  usage: "show <session>",
  summary: "show a session and what was said in it",
  declare(command) {
    command
      .description(
        "Shows a session and what was said in it. Turns that are not part of the conversation, because they did not complete, " +
          "are shown and marked.",
      )
      .optionsGroup("Output:")
      .option("--no-turns", "leave out what was said")
      .option("--json", "print GetSessionResponse as JSON; `turns list --session` has its turns");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText("after", helpSection("Examples:", ["claude-runner sessions show trip"]));
  },
  async run(terminal, command) {
    const options = command.opts<ShowOptions>();
    const { showSession } = await import("./session-views.ts");
    const [id] = command.processedArgs as [string];
    return showSession(await open(terminal, options), id, { hasTurns: options.turns, isJson: options.json === true });
  },
};

const fork: CommandAction = {
  usage: "fork <session> [new-id]",
  summary: "copy a conversation into a new session",
  declare(command) {
    command
      .description(
        "Copies a conversation into a new session, up to one of its turns or all of it. Neither changes with the other, and no " +
          "model call is made. Prints the id of the copy.",
      )
      .optionsGroup("How much:")
      .option("--until <turn>", "the last turn to copy")
      .option("--before <turn>", "the first turn that is not copied")
      .optionsGroup("Output:")
      .option("-t, --title <text>", "the title of the copy (default: that of the session)")
      .option("--json", "print ForkSessionResponse as JSON");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner sessions fork trip trip-by-train",
          'claude-runner chat --session "$(claude-runner sessions fork trip)" "And by train?"',
        ]),
      );
  },
  async run(terminal, command) {
    const { until, before, title, json, ...server } = command.opts<ForkOptions>();
    if (until !== undefined && before !== undefined) throw new UsageError("--until and --before exclude each other");
    const { forkSession } = await import("./session-views.ts");
    const [id, newId = ""] = command.processedArgs as [string, string?];
    return forkSession(await open(terminal, server), { id, newId, until, before, title, isJson: json === true });
  },
};

const rename: CommandAction = {
  usage: "rename <session> <title...>",
  summary: "give a session another title",
  declare(command) {
    command
      .description("Gives a session another title. Its id stays.")
      .optionsGroup("Output:")
      .option("--json", "print UpdateSessionResponse as JSON");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText("after", helpSection("Examples:", ['claude-runner sessions rename trip "Three days in Rome"']));
  },
  async run(terminal, command) {
    const { json, ...server } = command.opts<ServerOptions & { readonly json?: true }>();
    const { renameSession } = await import("./session-views.ts");
    const [id, title] = command.processedArgs as [string, string[]];
    return renameSession(await open(terminal, server), id, title.join(" "), json === true);
  },
};

const remove: CommandAction = {
  usage: "delete <session...>",
  summary: "delete sessions and all their words",
  declare(command) {
    command
      .description(
        "Deletes sessions with everything that was said in them, from the server's disk too. It cannot be undone. In a terminal " +
          "it asks first.",
      )
      .optionsGroup("How:")
      .option("-y, --yes", "do not ask; required without a terminal")
      .option("-f, --force", "interrupt a running turn of the session first")
      .optionsGroup("Output:")
      .option("--json", "print a DeleteSessionResponse as a line of JSON for each");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Examples:", ["claude-runner sessions delete trip", "claude-runner sessions delete --yes a b c"]),
      );
  },
  async run(terminal, command) {
    const { yes, force, json, ...server } = command.opts<DeleteOptions>();
    const [ids] = command.processedArgs as [string[]];
    if (yes !== true && !terminal.isStdinTty) throw new UsageError("nobody can be asked here: add --yes to delete");
    const { deleteSessions } = await import("./session-views.ts");
    const asked = { isSure: yes === true, isForced: force === true, isJson: json === true };
    return deleteSessions(await open(terminal, server), ids, asked);
  },
};

export const sessions: CommandEntry = {
  usage: "sessions",
  summary: "list, read, copy, rename and delete the conversations that a server keeps",
  group: "Run",
  actions: [list, show, fork, rename, remove],
  declare(command) {
    command
      .description("Sessions are the conversations that a server keeps. `claude-runner chat --session NAME` makes one.")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          'claude-runner chat --session trip "Three days in Rome?"',
          "claude-runner sessions list",
          "claude-runner sessions show trip",
          "claude-runner sessions delete trip",
        ]),
      );
  },
};

async function open(terminal: Terminal, options: ServerOptions): Promise<KeptContext> {
  const { openContext } = await import("./kept-calls.ts");
  return openContext(terminal, options);
}
