/**
 * A CLI process, real or fake, driven by hand in stream-json: for tests of what the project's driver is built upon, so
 * nothing of the driver is used.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";

export interface CliMessage {
  readonly type: string;
  readonly subtype?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever the CLI writes
  readonly [member: string]: any;
}

export interface ProcessOptions {
  readonly path: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** The whole environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class StreamJsonProcess implements AsyncDisposable {
  /** Settles when the process is gone. What it wrote may still be on its way. */
  readonly exited: Promise<Exit>;
  /** Settles when the process is gone and all that it wrote was read. */
  readonly closed: Promise<Exit>;
  /** Every line that was JSON, in order. */
  readonly messages: CliMessage[] = [];
  /** Every line that was not. */
  readonly garbage: string[] = [];
  stderr = "";
  /** What followed the last line end. */
  unfinishedLine = "";
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();

  constructor({ path, args = [], cwd, env = {} }: ProcessOptions) {
    this.#child = spawn(path, [...args], { cwd, env: { PATH: "/usr/bin:/bin", ...env } });
    const settled = (event: "exit" | "close") =>
      new Promise<Exit>((resolve) => this.#child.once(event, (code, signal) => resolve({ code, signal })));
    this.exited = settled("exit");
    this.closed = settled("close");
    // Its end is told by `exited`.
    this.#child.stdin!.on("error", () => undefined);
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  write(line: object | string): void {
    this.#child.stdin!.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`);
  }

  endInput(): void {
    this.#child.stdin!.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Everything from now up to a message. Rejects when the process ends before it. */
  until(isLast: (message: CliMessage) => boolean): Promise<readonly CliMessage[]> {
    const from = this.messages.length;
    return new Promise((resolve, reject) => {
      let looked = from;
      const look = () => {
        for (; looked < this.messages.length; looked++) {
          if (!isLast(this.messages[looked]!)) continue;
          this.#listeners.delete(look);
          resolve(this.messages.slice(from, looked + 1));
          return;
        }
      };
      this.#listeners.add(look);
      void this.closed.then(({ code, signal }) => reject(new Error(`it ended with ${signal ?? code} before that`)));
    });
  }

  /** Sends a control request and returns its reply. */
  async control(request: object): Promise<CliMessage> {
    const id = randomUUID();
    const replied = this.until((message) => message.type === "control_response" && message.response.request_id === id);
    this.write({ type: "control_request", request_id: id, request });
    return (await replied).at(-1)!.response;
  }

  /** Writes a user line; returns its uuid. */
  ask(prompt: string, members: object = {}): string {
    const uuid = randomUUID();
    this.write({
      type: "user",
      message: { role: "user", content: prompt },
      parent_tool_use_id: null,
      session_id: "",
      uuid,
      client_composed: true,
      ...members,
    });
    return uuid;
  }

  untilIdle(): Promise<readonly CliMessage[]> {
    return this.until((message) => message.subtype === "session_state_changed" && message.state === "idle");
  }

  /** Runs one turn and returns everything that was written in it. */
  turn(prompt: string, members?: object): Promise<readonly CliMessage[]> {
    const idle = this.untilIdle();
    this.ask(prompt, members);
    return idle;
  }

  /** Ends it, whatever it does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    const killing = setTimeout(() => this.#child.kill("SIGKILL"), 500);
    await this.exited;
    clearTimeout(killing);
    this.#child.stdout!.destroy();
    this.#child.stderr!.destroy();
  }

  #read(text: string): void {
    const lines = (this.unfinishedLine + text).split("\n");
    this.unfinishedLine = lines.pop()!;
    for (const line of lines) {
      try {
        this.messages.push(JSON.parse(line) as CliMessage);
      } catch {
        this.garbage.push(line);
      }
    }
    for (const listener of [...this.#listeners]) listener();
  }
}

export function resultsOf(messages: readonly CliMessage[]): readonly CliMessage[] {
  return messages.filter(({ type }) => type === "result");
}

/** The text deltas of a turn that were not taken back. */
export function streamedText(messages: readonly CliMessage[]): string {
  let text = "";
  let ofMessage = "";
  for (const { event, abandoned_blocks: abandoned } of messages.filter(({ type }) => type === "stream_event")) {
    if (event.type === "message_start") ofMessage = "";
    if (event.delta?.type === "text_delta") ofMessage += event.delta.text;
    if (event.type === "message_stop" && abandoned === undefined) text += ofMessage;
  }
  return text;
}
