/**
 * Built-in scenarios in which the model uses tools: Claude Code's own, client tools, and the one for structured output.
 */
import { z } from "zod";
import type { AnswerInput, BlockInput } from "../scenario.ts";
import { always, builtIn, message, text } from "./define.ts";

const input = z.record(z.string(), z.json());

export const tools = [
  builtIn(
    "tool",
    "One use of the named tool with the given input, then text.",
    {
      name: z.string().min(1),
      input: input.default({}),
      before: z.string().default(""),
      text: z.string().default("The tool is done."),
    },
    (options) => ({
      steps: [
        { play: uses([{ type: "tool_use", name: options.name, input: options.input }], options.before) },
        { play: text(options.text) },
      ],
    }),
  ),
  builtIn(
    "bash",
    "One shell command, then text.",
    { command: z.string().default("echo hi"), text: z.string().default("The command ran.") },
    (options) => ({
      steps: [{ play: uses([bash(options.command)], "I will run a command.") }, { play: text(options.text) }],
    }),
  ),
  builtIn("tool-denied", "A shell command that is denied where nobody may be asked, then text.", {}, () => ({
    steps: [{ play: uses([bash("touch denied-by-permission.txt")]) }, { play: text("I may not do that.") }],
  })),
  builtIn(
    "read",
    "Reads a file, then text.",
    { path: z.string().min(1), text: z.string().default("I have read the file.") },
    (options) => ({ steps: [{ play: uses([read(options.path)]) }, { play: text(options.text) }] }),
  ),
  builtIn(
    "edit",
    "Reads a file, replaces a text in it, then text.",
    {
      path: z.string().min(1),
      oldText: z.string().min(1),
      newText: z.string(),
      text: z.string().default("I have edited the file."),
    },
    (options) => ({
      steps: [
        { play: uses([read(options.path)]) },
        {
          play: uses([
            {
              type: "tool_use",
              name: "Edit",
              input: { file_path: options.path, old_string: options.oldText, new_string: options.newText },
            },
          ]),
        },
        { play: text(options.text) },
      ],
    }),
  ),
  builtIn("parallel-tools", "Three shell commands at once, then text.", {}, () => ({
    steps: [{ play: uses([bash("echo one"), bash("echo two"), bash("echo three")]) }, { play: text("All three ran.") }],
  })),
  builtIn(
    "tool-unparsable",
    "A tool use whose input is no JSON, then text.",
    { name: z.string().default("Bash") },
    (options) => ({
      steps: [
        { play: uses([{ type: "tool_use", name: options.name, inputJson: '{"command": "echo hi' }]) },
        { play: text("That went wrong.") },
      ],
    }),
  ),
  builtIn("tool-unknown", "A use of a tool that does not exist, then text.", {}, () => ({
    steps: [
      { play: uses([{ type: "tool_use", name: "Teleport", input: { to: "moon" } }]) },
      { play: text("There is no such tool.") },
    ],
  })),
  builtIn(
    "tool-loop",
    "The same tool in every model call, without end. For limits.",
    { name: z.string().default("Bash"), input: input.default({ command: "true" }) },
    (options) => always(uses([{ type: "tool_use", name: options.name, input: options.input }])),
  ),
  builtIn(
    "structured",
    "The given value as structured output.",
    { value: input.default({ answer: "42" }) },
    (options) => ({ steps: [{ play: uses([structuredOutput(options.value)]) }, { play: text("That was it.") }] }),
  ),
  builtIn("structured-invalid", "Structured output that fits no schema with a required member, every time.", {}, () =>
    // It ends by itself where no schema was given: then the CLI does not count the attempts.
    ({
      steps: [
        ...Array.from({ length: 10 }, () => ({ play: uses([structuredOutput({ "not-in-any-schema": true })]) })),
        { play: text("I give up.") },
      ],
    }),
  ),
  builtIn(
    "structured-second",
    "Structured output that is invalid first and the given value then.",
    { value: input.default({ answer: "42" }) },
    (options) => ({
      steps: [
        { play: uses([structuredOutput({ "not-in-any-schema": true })]) },
        { play: uses([structuredOutput(options.value)]) },
      ],
    }),
  ),
  builtIn("structured-missing", "Text where structured output was asked for, also when reminded.", {}, () =>
    always(text("I would rather answer in prose.")),
  ),
];

function uses(blocks: readonly BlockInput[], before = ""): AnswerInput {
  const introduction: readonly BlockInput[] = before === "" ? [] : [{ type: "text", text: before }];
  return message([...introduction, ...blocks], { stopReason: "tool_use" });
}

function bash(command: string): BlockInput {
  return { type: "tool_use", name: "Bash", input: { command, description: "Runs a command of the stand-in" } };
}

function read(path: string): BlockInput {
  return { type: "tool_use", name: "Read", input: { file_path: path } };
}

function structuredOutput(value: z.output<typeof input>): BlockInput {
  return { type: "tool_use", name: "StructuredOutput", input: value };
}
