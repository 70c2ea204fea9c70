/**
 * The TypeScript client's driver for the behaviour suite: reads commands, carries them out one after another, answers.
 * What the lines hold is told in `clients/suite/protocol.ts`.
 */
import type { AnswerLine, CommandLine, Commands, Hello } from "../../suite/protocol.ts";
import { bench } from "./bench.ts";
import { attach, chat, conversation, info, pool, stream, text } from "./calls.ts";
import { Connections } from "./connections.ts";
import { kept, session } from "./kept.ts";
import { health, reflect } from "./standard-services.ts";
import { connectVersion } from "./versions.ts";

const connections = new Connections();

function write(line: AnswerLine | Hello): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function carryOut(command: CommandLine): Promise<Commands[keyof Commands][1]> {
  switch (command.do) {
    case "stream":
      return stream(command, connections);
    case "text":
      return text(command, connections);
    case "chat":
      return chat(command, connections);
    case "conversation":
      return conversation(command, connections);
    case "session":
      return session(command, connections);
    case "attach":
      return attach(command, connections);
    case "kept":
      return kept(command, connections);
    case "info":
      return info(command, connections);
    case "pool":
      return pool(command, connections);
    case "health":
      return health(command, connections);
    case "reflect":
      return reflect(command, connections);
    case "bench":
      return bench(command, connections);
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
}

write({
  hello: {
    language: "typescript",
    runtime: `Connect ${connectVersion()}`,
    languageVersion: `Node ${process.versions.node}`,
  },
});
for await (const line of linesOf(process.stdin.setEncoding("utf8"))) {
  const command = JSON.parse(line) as CommandLine;
  try {
    write({ id: command.id, answer: await carryOut(command) });
  } catch (error) {
    write({ id: command.id, bug: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}
connections.close();

/** Lines end at a line feed and nowhere else: `readline` would cut at U+2028 as well, which JSON may hold. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
