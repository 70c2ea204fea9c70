/**
 * Cases in which the model uses tools: those that run, those that fail, those that are denied, and what they leave.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ScenarioReference } from "../../standin/choose.ts";
import type { AnswerInput } from "../../standin/scenario.ts";
import type { TurnEvent } from "../../turn-event.ts";
import type { CaseGroup, ResetCase } from "../case.ts";
import type { LeaseTurn, PlayedTurn } from "../lease.ts";

const base = { lane: "tools", reset: "clean" } as const;

const results = ({ events }: PlayedTurn) => events.filter((event) => event.kind === "toolResult");

/** One turn with tools. `fits`: whether what the tools gave is what the case is about. */
const using = (
  name: string,
  scenario: ScenarioReference,
  fits: (turn: PlayedTurn) => boolean,
  turn: Partial<LeaseTurn> = {},
): ResetCase => ({
  ...base,
  name,
  async play(lease) {
    const played = await lease.turn({ scenario, ...turn });
    lease.expect(fits(played), "the tools did not do what they were to do");
  },
});

const bash = (command: string): ScenarioReference => ({ name: "bash", options: { command } });
const says = (text: string) => (turn: PlayedTurn) => JSON.stringify(results(turn)).includes(text);
const fails = (turn: PlayedTurn) => results(turn).some(({ isError }) => isError);

/** The tool's use is complete, so it runs. */
const isToolRunning = ({ kind }: TurnEvent) => kind === "toolUse";

export const tools: CaseGroup = {
  name: "Tools",
  cases: [
    using("a shell command", bash("echo hello from the shell"), says("hello from the shell")),
    using("three shell commands at once", "parallel-tools", (turn) => results(turn).length === 3),
    using(
      "a shell command that changes folder and environment",
      bash("cd / && export LEFT=behind && echo $LEFT"),
      (turn) => results(turn).length === 1,
    ),
    {
      ...base,
      name: "a file is read",
      async play(lease) {
        const path = join(lease.workspace, "notes.txt");
        await writeFile(path, `The secret is ${lease.secret}.\n`);
        const played = await lease.turn({ scenario: { name: "read", options: { path } } });
        lease.expect(says(lease.secret)(played), "the file was not read");
      },
    },
    {
      ...base,
      name: "a file is read and changed",
      async play(lease) {
        const path = join(lease.workspace, "notes.txt");
        await writeFile(path, `The secret is ${lease.secret}.\n`);
        const options = { path, oldText: "The secret is", newText: "It is" };
        await lease.turn({ scenario: { name: "edit", options } });
        const text = await readFile(path, "utf8");
        lease.expect(text.startsWith("It is"), "the file was not changed");
      },
    },
    using("a shell command that is denied", "tool-denied", ({ end }) => end.permissionDenials.length === 1),
    using("a tool use that is no JSON", "tool-unparsable", fails),
    using("a tool that does not exist", "tool-unknown", fails),
    {
      ...base,
      name: "tools in three turns of a conversation",
      async play(lease) {
        for (const word of ["one", "two", "three"]) await lease.turn({ scenario: bash(`echo ${word}`) });
      },
    },
    {
      ...base,
      name: "cancelled while a tool runs",
      play: (lease) => lease.turn({ scenario: bash("sleep 20; echo late"), interruptAt: isToolRunning }),
    },
    {
      ...base,
      name: "cancelled while a tool runs, and a turn after it",
      async play(lease) {
        await lease.turn({ scenario: bash("sleep 20; echo late"), interruptAt: isToolRunning });
        await lease.turn();
      },
    },
    using(
      "tools without end, at the limit of model calls",
      { name: "tool-loop", options: { input: { command: "echo again" } } },
      ({ end }) => end.modelCallCount >= 3,
      { limits: { maxModelCallCount: 3 }, outcome: "modelCallLimit" },
    ),
    using(
      "tools without end, at the limit of cost",
      { name: "tool-loop", options: { input: { command: "echo again" } } },
      ({ end }) => end.costUsdMicros > 0,
      { limits: { maxCostUsdMicros: 1 }, outcome: "costLimit" },
    ),
    using("an error of the model API after a tool", afterTool({ answer: "error", status: 400 }), says("begun"), {
      outcome: "upstreamError",
    }),
    using(
      "an answer cut at the output limit after a tool",
      afterTool({ answer: "message", blocks: [{ type: "text", text: "It goes on" }], stopReason: "max_tokens" }),
      says("begun"),
      {
        outcome: "maxOutputTokens",
      },
    ),
  ],
};

function afterTool(play: AnswerInput): ScenarioReference {
  const input = { command: "echo begun", description: "Says that it has begun" };
  return {
    steps: [
      { play: { answer: "message", blocks: [{ type: "tool_use", name: "Bash", input }], stopReason: "tool_use" } },
      { play },
    ],
  };
}
