/**
 * How commands end. The numbers are part of what users script against: they only grow.
 */

export const exitCodes = {
  /** Everything went well; for `serve`: stopped as it was told to. */
  ok: 0,
  /** Something failed: the server, Claude Code or the model API. */
  failed: 1,
  /** The command line or a setting is wrong. */
  usage: 2,
  /** The server cannot be reached, is full or shuts down: trying again later may help. */
  unavailable: 3,
  /** The token is missing, unknown or not good for the profile. */
  denied: 4,
  /** The turn ended without a whole answer: the model refused, or a bound was reached. */
  incomplete: 5,
  /** Interrupted with Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For `--help`. */
export const exitCodeHelp: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [exitCodes.ok, "done"],
  [exitCodes.failed, "failed: the server, Claude Code or the model API"],
  [exitCodes.usage, "the command line or a setting is wrong"],
  [exitCodes.unavailable, "the server cannot be reached or is full: try again later"],
  [exitCodes.denied, "the token is missing, unknown or not valid for the profile"],
  [exitCodes.incomplete, "the turn ended without a complete answer: a refusal or a limit"],
  [exitCodes.interrupted, "interrupted with Ctrl-C"],
];
