/**
 * The options that say which server is called and with which token, alike for every command that calls one.
 */
import type { Command } from "commander";

/** For a call that needs no token. */
export interface AddressOptions {
  readonly url?: string;
  readonly caFile?: string;
}

export interface ServerOptions extends AddressOptions {
  readonly token?: string;
  readonly tokenFile?: string;
}

const url = ["-u, --url <url>", "host:port, or a URL (CLAUDE_RUNNER_ADDRESS, else 127.0.0.1:7433)"] as const;
const caFile = ["--ca-file <file>", "trust this certificate authority, a PEM file (CLAUDE_RUNNER_CA_FILE)"] as const;

export function addAddressOptions(command: Command): Command {
  return command
    .optionsGroup("Server:")
    .option(...url)
    .option(...caFile)
    .optionsGroup("Options:");
}

export function addServerOptions(command: Command): Command {
  return command
    .optionsGroup("Server:")
    .option(...url)
    .option(
      "--token-file <file>",
      "the file that holds the token (CLAUDE_RUNNER_TOKEN_FILE, else the one of this machine's first start)",
    )
    .option("--token <token>", "the token; others on this machine can see it here (better: CLAUDE_RUNNER_TOKEN)")
    .option(...caFile);
}
