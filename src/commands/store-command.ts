/**
 * `claude-runner store`: looks after the store of a server, beside it or without one.
 */
import { systemClock } from "../clock.ts";
import { type CommandEntry, CommandError, helpSection, UsageError } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { addSettingsOptions, settingsOf } from "./settings-options.ts";
import { counted, sizeText, type Terminal, withoutControls } from "./terminal.ts";

interface StoreOptions {
  readonly folder?: string;
  readonly content?: true;
  readonly tenant?: string;
  readonly to?: string;
  readonly json?: true;
}

const actions = ["check", "backup", "export", "compact", "adopt"] as const;
type Action = (typeof actions)[number];

export const store: CommandEntry = {
  usage: "store <action>",
  summary: "check, back up, export, compact or adopt the store of sessions and turns",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Looks after the store in which a server keeps sessions and turns. All actions but `adopt` may run beside a " +
          "server.",
      )
      .option("--folder <path>", "the store's folder (default: store.folder of the settings)")
      .option("--to <path>", "backup: the folder of the copy, in which there must be no store")
      .option("--content", "export: also the words of prompts, answers, results, events and transcripts")
      .option("--tenant <name>", "export: only the records of this tenant")
      .option("--json", "print one JSON object (export always prints JSON, one record a line)");
    addSettingsOptions(command);
    command.addHelpText(
      "after",
      helpSection("Actions:", [
        "check    reads the whole store and names what is not as it must be; exits with 1 if there is anything",
        "backup   copies the store, as it is at this moment, into a folder that a server can open. To restore it,",
        "         stop the server, move the store's folder away and put the copy in its place. Turns that were open",
        "         end as lost in it",
        "export   prints sessions and turns as JSON lines, without their words unless you ask for them. They are",
        "         for reading and for other programs: nothing reads them back into a store, use `backup` for that",
        "compact  gives free room back to the disk: all of it, or, beside a server, only whole free pages",
        "adopt    accepts a store that a server refuses: a copy that was made while a server had it open, one",
        "         without its -wal file, or one of another machine. What was written last may be missing, and",
        "         turns that were open end as lost. Make a copy of the folder before",
      ]) +
        helpSection("\nExamples:", [
          "claude-runner store check",
          "claude-runner store backup --to /backups/claude-runner/2026-12-01",
          "claude-runner store export --tenant billing > turns.jsonl",
          "claude-runner store export --content | jq 'select(.record == \"part\")'",
        ]),
    );
  },
  async run(terminal, command) {
    const [action] = command.processedArgs as [string];
    if (!isAction(action)) throw new UsageError(`store ${action}: must be one of ${actions.join(", ")}`);
    const options = command.opts<StoreOptions>();
    if (action !== "export" && (options.content || options.tenant !== undefined)) {
      throw new UsageError("--content and --tenant are for `store export`");
    }
    if ((action === "backup") !== (options.to !== undefined)) {
      throw new UsageError("`store backup` needs --to, and no other action has it");
    }
    const folder = options.folder ?? settingsOf(terminal, command).settings.store.folder;
    if (folder === undefined) throw new UsageError("no folder of a store is known here: name one with --folder");
    return await runners[action](terminal, folder, options).catch(inWords);
  },
};

const isAction = (text: string): text is Action => (actions as readonly string[]).includes(text);

type Runner = (terminal: Terminal, folder: string, options: StoreOptions) => Promise<ExitCode>;

const runners: Readonly<Record<Action, Runner>> = {
  async check(terminal, folder, options) {
    const { checkStore } = await import("../store/sqlite/store-check.ts");
    await using visit = await visited(folder);
    const say = progress(terminal);
    const problems = checkStore(visit.sql, (rule) => say(`checking: ${rule}`));
    if (options.json) {
      print(terminal, { folder, problemCount: problems.length, problems, serverPids: visit.serverPids });
    } else {
      for (const problem of problems) terminal.stdout.write(`${terminal.out.red("✗")} ${withoutControls(problem)}\n`);
      const verdict =
        problems.length === 0 ? terminal.out.green("The store is as it must be.") : counted(problems.length, "problem");
      terminal.stdout.write(`${verdict}${besideServer(visit.serverPids)}\n`);
    }
    return problems.length === 0 ? exitCodes.ok : exitCodes.failed;
  },

  async backup(terminal, folder, options) {
    const { backUpStore } = await import("../store/sqlite/store-backup.ts");
    await using visit = await visited(folder);
    const to = options.to as string;
    const { bytes, lostTurnCount, freedSessionCount } = backUpStore(visit, to, systemClock.wallNow());
    if (options.json) {
      print(terminal, { folder, to, bytes, lostTurnCount, freedSessionCount, serverPids: visit.serverPids });
      return exitCodes.ok;
    }
    const lost =
      lostTurnCount === 0 ? "" : `; ${counted(lostTurnCount, "turn")} that ran or waited ended as lost in it`;
    terminal.stdout.write(`The store is copied to ${to}: ${sizeText(bytes)}${lost}.\n`);
    return exitCodes.ok;
  },

  async export(terminal, folder, { tenant, content }) {
    const { exportRecords } = await import("../store/sqlite/store-export.ts");
    await using visit = await visited(folder);
    const say = progress(terminal);
    let count = 0;
    for (const record of exportRecords(visit.sql, { tenant, withContent: content === true })) {
      await written(terminal, `${JSON.stringify(record)}\n`);
      count += 1;
      if (count % 1_000 === 0) say(`${counted(count, "record")} exported`);
    }
    return exitCodes.ok;
  },

  async compact(terminal, folder, options) {
    const { compactStore } = await import("../store/sqlite/store-upkeep.ts");
    await using visit = await visited(folder);
    const say = progress(terminal);
    const { beforeBytes, afterBytes, how } = compactStore(visit, (left) => say(`${counted(left, "free page")} left`));
    if (options.json) {
      print(terminal, { folder, beforeBytes, afterBytes, how, serverPids: visit.serverPids });
      return exitCodes.ok;
    }
    const partly =
      how === "whole"
        ? ""
        : "; a server has the store open and would stand still while the file is written anew, so only free pages were given back";
    terminal.stdout.write(`${sizeText(beforeBytes)} before, ${sizeText(afterBytes)} now${partly}\n`);
    return exitCodes.ok;
  },

  async adopt(terminal, folder, options) {
    const { adoptStore } = await import("../store/sqlite/store-upkeep.ts");
    const { storePaths } = await import("../store/sqlite/store-files.ts");
    const { lostTurnCount, freedSessionCount } = adoptStore(storePaths(folder), systemClock.wallNow());
    if (options.json) print(terminal, { folder, lostTurnCount, freedSessionCount });
    else {
      terminal.stdout.write(
        `The store in ${folder} is adopted: ${counted(lostTurnCount, "open turn")} ended as lost, ${counted(freedSessionCount, "session")} freed.\n`,
      );
    }
    return exitCodes.ok;
  },
};

/** What SQLite refuses, for the person who asked for it. */
async function inWords(error: unknown): Promise<never> {
  const { faultOf, faultText } = await import("../store/sqlite/sqlite-faults.ts");
  const fault = faultOf(error);
  if (fault === undefined) throw error;
  const what = fault === "corrupt" ? "the store is damaged; put it back from a backup" : faultText(fault);
  throw new CommandError(`${what} (${(error as Error).message})`);
}

async function visited(folder: string) {
  const { visitStore } = await import("../store/sqlite/store-visit.ts");
  const visit = visitStore(folder);
  return { ...visit, [Symbol.asyncDispose]: async () => visit.close() };
}

function besideServer(pids: readonly number[]): string {
  return pids.length === 0 ? "" : ` A server has it open (process ${pids.join(", ")}).`;
}

/** After this long somebody who waits is told what is done, in milliseconds. */
const quietMs = 2_000;

/** Lines on stderr for a person who waits: none in the beginning, then one in a while. */
function progress({ stderr, isStderrTty, err }: Terminal): (text: string) => void {
  let lastMs = systemClock.now();
  return (text) => {
    if (!isStderrTty || systemClock.now() - lastMs < quietMs) return;
    lastMs = systemClock.now();
    stderr.write(`${err.dim(`${text} …`)}\n`);
  };
}

function print({ stdout }: Terminal, report: object): void {
  stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
}

/** Waits for a reader that is slower than the store. */
async function written({ stdout }: Terminal, line: string): Promise<void> {
  if (stdout.write(line)) return;
  if (stdout.destroyed) throw new CommandError("nobody reads the export any more");
  await new Promise((resolve) => stdout.once("drain", resolve).once("close", resolve));
}
