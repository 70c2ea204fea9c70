/**
 * A driver as the suite holds it: a process that is sent commands and answers them, one at a time.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { folderOf, type Language } from "./languages.ts";
import type { AnswerLine, Commands, Hello } from "./protocol.ts";

/** How long an answer may take, in milliseconds. Far beyond what any command takes: it tells a hang from a wait. */
const answerTimeoutMs = 90_000;
/** How long a driver may take to end after the end of its input, in milliseconds. */
const endTimeoutMs = 20_000;
/** How much of its stderr is kept, in characters. */
const maxStderrChars = 16_384;

type Answer = Commands[keyof Commands][1];

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class Driver {
  readonly hello: Promise<Hello["hello"]>;
  readonly #language: Language;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<string>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeting = Promise.withResolvers<Hello["hello"]>();
  #lastId = 0;
  #stderr = "";
  /** Why nothing more can be asked of it. */
  #failure: Error | undefined;

  constructor(language: Language) {
    this.#language = language;
    this.hello = this.#greeting.promise;
    this.hello.catch(() => {}); // a driver may be discarded before anybody asks
    // Nothing of the environment may say where a server is: that is the commands' business.
    const { CLAUDE_RUNNER_ADDRESS: _, CLAUDE_RUNNER_TOKEN: __, ...env } = process.env;
    this.#process = spawn(join(folderOf(language), "driver.sh"), language.driverArguments ?? [], {
      stdio: ["pipe", "pipe", "pipe"],
      env,
    });
    this.#process.stdin.on("error", () => {}); // told by its end
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-maxStderrChars);
    });
    eachLine(this.#process.stdout, (line) => this.#read(line));
    this.#exited = new Promise((resolve) => {
      this.#process.once("error", (error) => resolve(error.message));
      this.#process.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    void this.#exited.then((how) => this.#fail(`it has ended (${how})`));
  }

  /** The end of what it wrote to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  call<K extends keyof Commands>(command: Commands[K][0]): Promise<Commands[K][1]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#fail(`no answer to \`${command.do}\` in ${answerTimeoutMs} ms`),
        answerTimeoutMs,
      );
      const settle =
        <T>(how: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          how(value);
        };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.#process.stdin.write(`${JSON.stringify({ id, ...command })}\n`);
    });
  }

  /** Ends its input and waits for its end, which has to be a good one. */
  async end(): Promise<void> {
    this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), endTimeoutMs);
    const how = await this.#exited;
    clearTimeout(timer);
    if (how !== "exit code 0") throw this.#error(`it should end well at the end of its input, and ended with ${how}`);
  }

  /** Ends it in the midst of whatever it does. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#exited;
  }

  #read(line: string): void {
    let said: AnswerLine | Hello;
    try {
      said = JSON.parse(line) as AnswerLine | Hello;
    } catch {
      this.#fail(`it wrote something to stdout that is no answer: ${line.slice(0, 200)}`);
      return;
    }
    if ("hello" in said) {
      this.#greeting.resolve(said.hello);
      return;
    }
    const waiting = this.#waiting.get(said.id);
    if (waiting === undefined) {
      this.#fail(`it answered a command that was not given: ${line.slice(0, 200)}`);
      return;
    }
    this.#waiting.delete(said.id);
    if ("bug" in said) waiting.reject(this.#error(`a mistake of its own: ${said.bug}`));
    else waiting.resolve(said.answer);
  }

  #fail(why: string): void {
    const error = this.#error(why);
    this.#failure = error;
    this.#greeting.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #error(why: string): Error {
    return new Error(`the ${this.#language.title} driver: ${why}`);
  }
}

/** Lines end at a line feed and nowhere else: `readline` would cut at U+2028 as well, which JSON may hold. */
function eachLine(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  });
}
