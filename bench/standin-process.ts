/**
 * The stand-in for the model API in a process of its own, so that it does not stand in the way of the clock that
 * measures. Answers every prompt without a marker with the same text, at once.
 */
import { type Standin, startStandin } from "../src/standin/standin-server.ts";
import { type Commands, serveCommands } from "./child-commands.ts";
import { answerScenario } from "./workload.ts";

let standin: Standin | undefined;

const commands = {
  async start(): Promise<{ readonly url: string }> {
    standin = await startStandin({ defaultScenario: answerScenario, maxRecordedRequests: 1 });
    return { url: standin.url };
  },
} satisfies Commands;

export type StandinCommands = typeof commands;

serveCommands(commands, () => standin?.close());
