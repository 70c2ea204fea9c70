/**
 * A process for each turn, as most programs call Claude Code: start the CLI with the same flags, hand it the prompt with
 * its start, read to the result.
 *
 * In its favour: the folders are made beforehand and kept, and its end, some 30 ms of it, is not part of the turn.
 */
import { randomUUID } from "node:crypto";
import { promptLine, RawCli, type RawCliOptions, type TurnTimes, timesOfTurn } from "./raw-cli.ts";

export interface OneTurn {
  readonly times: TurnTimes;
  /** Settles when the process is gone. */
  readonly exited: Promise<void>;
}

export async function turnInProcessOfItsOwn(prompt: string, options: RawCliOptions): Promise<OneTurn> {
  const startedAtMs = performance.now();
  const cli = new RawCli(options);
  const result = cli.until(timesOfTurn(startedAtMs));
  cli.write(promptLine(randomUUID(), prompt));
  cli.endInput();
  return { times: await result, exited: cli.exited };
}
