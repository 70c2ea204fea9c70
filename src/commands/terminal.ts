/**
 * What a command may touch of the world it was started in: streams, environment, folder. Tests hand in their own.
 */
import type { Readable, Writable } from "node:stream";
import { withoutUnseen } from "../unseen.ts";
import { asTyped, thisInvocation } from "./invocation.ts";

/** Changes how a text looks, or does not where that would end up in a file. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  strike(text: string): string;
}

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: NodeJS.ProcessEnv;
  readonly workingFolder: string;
  /** Whether a person types. */
  readonly isStdinTty: boolean;
  readonly isStdoutTty: boolean;
  /** Whether a person reads. */
  readonly isStderrTty: boolean;
  /** For what is written to stdout, and to stderr. */
  readonly out: Style;
  readonly err: Style;
  /** A text of ours with its command lines as they are typed here (`invocation.ts`). */
  asTyped(text: string): string;
}

/** The terminal that this process was started in. */
export function processTerminal(): Terminal {
  const { env, stdin, stdout, stderr } = process;
  // Whoever read our output may go at any time; the next write is then nobody's business.
  for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  const folder = workingFolder();
  const invocation = thisInvocation({ env, workingFolder: folder });
  return {
    stdin,
    stdout,
    stderr,
    env,
    workingFolder: folder,
    isStdinTty: stdin.isTTY === true,
    isStdoutTty: stdout.isTTY === true,
    isStderrTty: stderr.isTTY === true,
    out: styleFor(stdout.isTTY === true, env),
    err: styleFor(stderr.isTTY === true, env),
    asTyped: (text) => asTyped(text, invocation),
  };
}

/** Relative paths start here. A folder that was removed meanwhile has no name any more; then they start at the root. */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    return "/"; // ENOENT: whatever does not need a relative path still works.
  }
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

/** Colours only for a person who has not said no (https://no-color.org). */
export function styleFor(isTty: boolean, env: NodeJS.ProcessEnv): Style {
  const isColoured = isTty && !env.NO_COLOR && env.TERM !== "dumb";
  const paint =
    ([on, off]: readonly [number, number]) =>
    (text: string) =>
      isColoured ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    bold: paint(codes.bold),
    dim: paint(codes.dim),
    red: paint(codes.red),
    green: paint(codes.green),
    yellow: paint(codes.yellow),
    cyan: paint(codes.cyan),
    strike: paint([9, 29]),
  };
}

/** Text from elsewhere without what would move the cursor, change colours, turn words round or write to the clipboard. */
export function withoutControls(text: string): string {
  return withoutUnseen(text);
}

/** The same in one line, whatever it was. */
export function singleLine(text: string): string {
  return withoutControls(text).replace(/[\t\n]/g, " ");
}

/** `1 turn`, `2 turns`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** A number of bytes for a person. */
export function sizeText(bytes: number): string {
  const gibibytes = bytes / 1024 ** 3;
  return gibibytes >= 1 ? `${gibibytes.toFixed(1)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`;
}

/** How many characters a line of the terminal has; `unknown` where nobody can tell, as for a file. */
export function columnsOf({ stdout }: Pick<Terminal, "stdout">, unknown: number): number {
  return (stdout as { readonly columns?: number }).columns ?? unknown;
}
