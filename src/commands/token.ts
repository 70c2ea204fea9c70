/**
 * `claude-runner token`: makes a token for a tenant, and the lines of the settings that let it in.
 *
 * Nothing is stored: whoever loses the token makes a new one.
 */
import { InvalidArgumentError } from "commander";
import { isName } from "../config/catalog.ts";
import { sha256Of } from "../policy/auth.ts";
import { makeToken } from "../server/token-file.ts";
import { type CommandEntry, helpSection } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";

interface TokenOptions {
  readonly tenant: string;
  readonly profile?: readonly string[];
  readonly operator?: true;
  readonly json?: true;
}

export const token: CommandEntry = {
  usage: "token",
  summary: "make a token and its lines for the settings file",
  group: "Set up",
  declare(command) {
    command
      .description(
        "Makes a random token. The settings have only its SHA-256, so that a settings file gives nothing away.",
      )
      .option("-t, --tenant <name>", "the tenant that the token belongs to", nameArgument, "default")
      .option("-p, --profile <name...>", "the profiles that it may name (default: all)", namesArgument)
      .option("--operator", "an operator's token, which shows the pool's counts and workers of all tenants")
      .option("--json", "print one JSON object")
      .addHelpText(
        "after",
        helpSection("Examples:", [
          "claude-runner token --tenant billing --profile default fast",
          "claude-runner token --tenant ops --operator",
          "claude-runner token --json | jq -r .token > billing.token",
        ]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<TokenOptions>();
    const made = makeToken();
    const entry = {
      tenant: options.tenant,
      sha256: sha256Of(made),
      profiles: options.profile ?? ["*"],
      operator: options.operator ?? false,
    };
    if (options.json) {
      terminal.stdout.write(`${JSON.stringify({ token: made, ...entry })}\n`);
      return exitCodes.ok;
    }
    const profiles = options.profile === undefined ? "" : `\n      profiles: [${options.profile.join(", ")}]`;
    const operator = entry.operator ? "\n      operator: true" : "";
    terminal.stdout.write(
      [
        `${terminal.out.bold("Token")}  ${terminal.out.green(made)}`,
        terminal.out.dim("Give it to the caller; it is not stored anywhere."),
        "",
        terminal.out.bold("Settings"),
        "auth:",
        "  tokens:",
        `    - tenant: ${entry.tenant}`,
        `      sha256: ${entry.sha256}${profiles}${operator}`,
        "",
        terminal.out.dim("A running server takes new tokens on SIGHUP."),
        "",
      ].join("\n"),
    );
    return exitCodes.ok;
  },
};

const rule = "Must be a name of characters from a-z, 0-9, - and _.";

function nameArgument(text: string): string {
  if (!isName(text)) throw new InvalidArgumentError(rule);
  return text;
}

function namesArgument(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!isName(text) && text !== "*") throw new InvalidArgumentError(rule);
  return [...(before ?? []), text];
}
