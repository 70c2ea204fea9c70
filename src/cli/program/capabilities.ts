/**
 * What a CLI can do of the things that it does not document, as the start-up probe found it.
 */
export interface CliCapabilities {
  readonly cliVersion: string;
  /** Whether a conversation can be taken back so that the next request is, byte for byte, a first one. */
  readonly rewind: boolean;
  /** Whether history can be handed over without model calls, in order, and taken back. */
  readonly seeding: boolean;
  /** Whether a prompt that looks like a command reaches the model as it is. */
  readonly literalPrompts: boolean;
  /** In words, for logs: what was not as expected. Empty when everything was. */
  readonly detail: string;
}
