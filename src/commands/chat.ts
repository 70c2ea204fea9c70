/**
 * `claude-runner chat`: asks a running server from the command line, once or in a conversation.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Option } from "commander";
import { secondsArgument } from "./arguments.ts";
import type { Talk } from "./chat-talk.ts";
import { type CommandEntry, helpSection, UsageError } from "./command.ts";
import type { Connection } from "./connection.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { addServerOptions, type ServerOptions } from "./server-options.ts";
import { onSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

interface ChatOptions extends ServerOptions {
  readonly profile?: string;
  readonly model?: string;
  readonly effort?: keyof typeof efforts;
  readonly system?: string;
  readonly schema?: string;
  readonly history?: string;
  readonly session?: string;
  readonly continue?: true;
  readonly timeout?: number;
  readonly json?: true;
  readonly quiet?: true;
}

/** The numbers of `Effort` in runner.proto, so that `--help` does not load it. */
const efforts = { low: 1, medium: 2, high: 3, xhigh: 4, max: 5 } as const;

/** What the server takes as a prompt, in bytes; more is not even read. */
const maxPromptBytes = 1024 * 1024;

export const chat: CommandEntry = {
  usage: "chat [prompt...]",
  summary: "ask a running server",
  group: "Run",
  declare(command) {
    command
      .description(
        "Sends the prompt and streams the answer to stdout; tools, retries, time and cost go to stderr. " +
          "Without a prompt it reads one from a pipe, or starts a conversation in a terminal.",
      )
      .optionsGroup("Request:")
      .option("-p, --profile <name>", "the profile to run under")
      .option("-m, --model <name>", "the model, by its full name")
      .addOption(new Option("-e, --effort <level>", "how much effort the model spends").choices(Object.keys(efforts)))
      .option("-s, --system <text>", "the system prompt")
      .option("--schema <file>", "a JSON Schema that the answer must follow; prints the JSON")
      .option("--session <id>", "the session to go on with; it is made if it is not there")
      .option("-c, --continue", "go on with the session that was used last with this server")
      .option("--history <file>", "continue the conversation in this file, and keep it there")
      .option("--timeout <seconds>", "the call's deadline", secondsArgument)
      .optionsGroup("Output:")
      .option("--json", "print every event as a line of JSON")
      .option("-q, --quiet", "print the answer only");
    addServerOptions(command)
      .optionsGroup("Options:")
      .addHelpText(
        "after",
        helpSection("Keys:", [
          "Ctrl-C   interrupts the turn; a second one, or one between turns, leaves",
          "Ctrl-D   leaves the conversation",
        ]) +
          helpSection("\nSessions:", [
            "The server keeps a session's conversation, on its disk, until `claude-runner sessions delete` or its expiry.",
            "When the connection breaks, the turn goes on and is read again; when this program ends, it goes on as well.",
          ]) +
          helpSection("\nExamples:", [
            'claude-runner chat "Name three rivers"',
            "git diff | claude-runner chat -q --system 'Write a commit message.' > message.txt",
            "claude-runner chat --schema person.json 'Invent a person' | jq .name",
            'claude-runner chat --session trip "Three days in Rome?"',
            'claude-runner chat --continue "And by train?"',
            "claude-runner chat --history talk.json 'And the longest of them?'",
          ]),
      );
  },
  async run(terminal, command) {
    const options = command.opts<ChatOptions>();
    const words = command.args.join(" ");
    const isConversation = words === "" && terminal.isStdinTty;
    const prompt = isConversation ? "" : words === "" || words === "-" ? await readPrompt(terminal) : words;
    if (!isConversation && prompt.trim() === "") throw new UsageError("the prompt is empty");
    const ways = [
      options.session !== undefined && "--session",
      options.continue && "--continue",
      options.history && "--history",
    ];
    const chosen = ways.filter(Boolean);
    if (chosen.length > 1) throw new UsageError(`${chosen.join(" and ")} exclude each other`);

    const chatter = await Chatter.open(terminal, options);
    return isConversation ? chatter.converse() : (await chatter.ask(prompt)).exitCode;
  },
};

async function readPrompt({ stdin }: Terminal): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    const buffer = Buffer.from(part as Buffer | string);
    bytes += buffer.length;
    if (bytes > maxPromptBytes) throw new UsageError("the prompt on stdin is longer than 1 MiB");
    parts.push(buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Asks one server, turn after turn. */
class Chatter {
  readonly #terminal: Terminal;
  readonly #options: ChatOptions;
  readonly #outputSchemaJson: string;
  readonly #talk: Talk;
  readonly #connection: Connection;

  private constructor(
    terminal: Terminal,
    options: ChatOptions,
    { talk, connection }: { readonly talk: Talk; readonly connection: Connection },
  ) {
    this.#terminal = terminal;
    this.#options = options;
    this.#outputSchemaJson = options.schema === undefined ? "" : readSchema(options.schema);
    this.#talk = talk;
    this.#connection = connection;
  }

  static async open(terminal: Terminal, options: ChatOptions): Promise<Chatter> {
    const { connect } = await import("./connection.ts");
    const { Conversation } = await import("./chat-history.ts");
    const { LocalTalk, SessionTalk, sessionToContinue } = await import("./chat-talk.ts");
    const local = new LocalTalk(new Conversation(options.history));
    const { env } = terminal;
    const connection = await connect({ ...options, env });
    if (connection.notice !== undefined) terminal.stderr.write(`${terminal.err.dim(connection.notice)}\n`);
    const id = options.continue ? sessionToContinue(env, connection.url) : options.session;
    const mayMake = options.session !== undefined;
    const talk = id === undefined ? local : new SessionTalk(id, { mayMake, connection, env });
    return new Chatter(terminal, options, { talk, connection });
  }

  async ask(prompt: string): Promise<{ readonly exitCode: ExitCode }> {
    const { profile = "", model = "", effort, system, timeout, json, quiet } = this.#options;
    const abort = new AbortController();
    using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
      if (abort.signal.aborted || signal !== "SIGINT") process.exit(exitCodes.interrupted);
      abort.abort();
    });
    // Awaited here, so that signals are taken until the turn is over.
    return await this.#talk.ask(prompt, {
      terminal: this.#terminal,
      connection: this.#connection,
      request: {
        prompt,
        profile,
        model,
        outputSchemaJson: this.#outputSchemaJson,
        ...(effort !== undefined && { effort: efforts[effort] }),
        ...(system !== undefined && { systemPrompt: system }),
      },
      signal: abort.signal,
      timeoutMs: timeout === undefined ? undefined : timeout * 1000,
      isQuiet: quiet === true,
      isJson: json === true,
    });
  }

  /** Until the person leaves. A failed turn does not end a conversation. */
  async converse(): Promise<ExitCode> {
    const { stderr, err } = this.#terminal;
    const standing = await this.#talk.standing();
    stderr.write(err.dim(`${this.#connection.url}, Ctrl-D leaves${standing === "" ? "" : `, ${standing}`}\n`));
    const lines: string[] = [];
    for (;;) {
      const prompt = await readLines(this.#terminal, lines);
      if (prompt === undefined) return exitCodes.ok;
      if (prompt.trim() === "") continue;
      lines.unshift(prompt.split("\n")[0] ?? "");
      await this.ask(prompt);
      stderr.write("\n");
    }
  }
}

function readSchema(file: string): string {
  try {
    const text = readFileSync(file, "utf8");
    JSON.parse(text);
    return text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === undefined ? `--schema: ${file} is not JSON` : `--schema: cannot read ${file} (${code})`,
    );
  }
}

/**
 * One prompt from the keyboard; several lines when they were pasted together. `undefined` at Ctrl-D and Ctrl-C.
 *
 * The line editor lives for one prompt only: while it does, Ctrl-C is a key and no signal.
 */
function readLines(terminal: Terminal, history: readonly string[]): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const editor = createInterface({
    input: terminal.stdin,
    output: terminal.stderr as NodeJS.WritableStream,
    prompt: terminal.err.bold("› "),
    history: [...history],
    terminal: true,
  });
  const lines: string[] = [];
  const settle = (prompt: string | undefined): void => {
    resolve(prompt);
    editor.close();
  };
  editor.on("line", (line) => {
    lines.push(line);
    // The lines of a paste come in one go, the last one without its line end.
    setImmediate(() => {
      if (editor.line === "") settle(lines.join("\n"));
    });
  });
  editor.on("SIGINT", () => settle(undefined));
  editor.on("close", () => resolve(undefined));
  editor.prompt();
  return promise;
}
