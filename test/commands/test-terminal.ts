/**
 * A terminal without a screen: what a command writes can be read, what it reads is given.
 */
import { PassThrough, Readable, Writable } from "node:stream";
import { styleFor, type Terminal } from "../../src/commands/terminal.ts";

export interface TestTerminal extends Terminal {
  readonly written: { readonly stdout: string; readonly stderr: string };
}

export interface TestTerminalOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly workingFolder?: string;
  /** What is piped in. Absent: a person who types nothing. */
  readonly input?: string;
  /** Whether stdout and stderr are read by a person. */
  readonly isTty?: boolean;
}

export function testTerminal(options: TestTerminalOptions = {}): TestTerminal {
  const { env = {}, workingFolder = "/nonexistent", input, isTty = false } = options;
  const written = { stdout: "", stderr: "" };
  const into = (name: keyof typeof written) =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  // Colours would only be in the way of what is looked for; those that matter are tested by themselves.
  const plain = styleFor(false, env);
  return {
    stdin: input === undefined ? new PassThrough() : Readable.from([Buffer.from(input)]),
    stdout: into("stdout"),
    stderr: into("stderr"),
    env,
    workingFolder,
    isStdinTty: input === undefined && isTty,
    isStdoutTty: isTty,
    isStderrTty: isTty,
    out: plain,
    err: plain,
    asTyped: (text) => text,
    written,
  };
}
