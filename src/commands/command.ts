/**
 * What a command is: one file exports one of these, and one line in `registry.ts` makes it known.
 */
import type { Command } from "commander";
import type { ExitCode } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

/** What every command has, and every one of the commands below it. */
interface Described {
  /** Name and arguments, such as `chat [prompt]`. */
  readonly usage: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Adds description, options and examples. Imports nothing heavy: every `--help` comes through here. */
  declare(command: Command): void;
}

/** One that does something. */
export interface CommandAction extends Described {
  /** Does it. `command` has what was typed. */
  run(terminal: Terminal, command: Command): Promise<ExitCode>;
}

/** One that has commands below it, such as `sessions list`, and does nothing without them. */
export interface CommandFamily extends Described {
  readonly actions: readonly CommandAction[];
}

export type CommandEntry = (CommandAction | CommandFamily) & {
  /** The heading that it stands under in the list. */
  readonly group: "Run" | "Set up" | "Develop";
};

/** A mistake of the person who typed: shown as it is, without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something of this machine is in the way: told in a line that says what to do, without a stack. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** A section at the end of a command's help. */
export function helpSection(title: string, lines: readonly string[]): string {
  return `\n${title}\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
