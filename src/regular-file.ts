/**
 * Reads a small file that a person named or left in its usual place: settings, tokens, certificates.
 *
 * Never waits: a pipe that nobody writes to would hold a start for ever, and the signals that should end it. What cannot
 * be read is an error whose words fit behind the file's name.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from "node:fs";

/** A file that is there and cannot be read, or is not there. */
export class UnreadableFileError extends Error {
  override readonly name = "UnreadableFileError";
  /** What is wrong with it, such as `is a folder`; goes on from the file's name. */
  readonly problem: string;
  /** Whether nothing has this name. A link that leads nowhere is something. */
  readonly isMissing: boolean;

  constructor(path: string, problem: string, isMissing = false) {
    super(`${path} ${problem}`);
    this.problem = problem;
    this.isMissing = isMissing;
  }
}

export interface RegularFile {
  readonly bytes: Buffer;
  readonly stat: Stats;
}

/** Links are followed. Throws UnreadableFileError. */
export function readRegularFile(path: string, { maxBytes }: { readonly maxBytes: number }): RegularFile {
  let descriptor: number;
  try {
    // A pipe without a writer opens at once, and is refused below.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unopened(path, error);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw new UnreadableFileError(path, `is ${kindOf(stat)}, not a file`);
    if (stat.size > maxBytes) throw tooLarge(path, maxBytes);
    return { bytes: readUpTo(descriptor, path, maxBytes), stat };
  } catch (error) {
    throw error instanceof UnreadableFileError ? error : unopened(path, error);
  } finally {
    closeSync(descriptor);
  }
}

/** Not `readFileSync`: a file may grow while it is read, and some report no size at all. */
function readUpTo(descriptor: number, path: string, maxBytes: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const part = Buffer.alloc(Math.min(65_536, maxBytes + 1 - length));
    const count = readSync(descriptor, part);
    if (count === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, count));
    length += count;
    if (length > maxBytes) throw tooLarge(path, maxBytes);
  }
}

function tooLarge(path: string, maxBytes: number): UnreadableFileError {
  return new UnreadableFileError(path, `is larger than ${maxBytes.toLocaleString("en-US")} bytes`);
}

function unopened(path: string, error: unknown): UnreadableFileError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  switch (code) {
    case "ENOENT":
      return isLink(path)
        ? new UnreadableFileError(path, "is a link that leads nowhere")
        : new UnreadableFileError(path, "does not exist", true);
    case "ENOTDIR":
      return new UnreadableFileError(path, "does not exist", true);
    case "ELOOP":
      return new UnreadableFileError(path, "is a link that leads to itself");
    case "EISDIR":
      return new UnreadableFileError(path, "is a folder, not a file");
    case "EACCES":
      return new UnreadableFileError(path, "may not be read by this user");
    case "ENXIO":
      return new UnreadableFileError(path, "is a socket or a device, not a file");
    default:
      return new UnreadableFileError(path, `cannot be read (${code})`);
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // It is not there, or its folder may not be searched.
  }
}

function kindOf(stat: Stats): string {
  if (stat.isDirectory()) return "a folder";
  if (stat.isFIFO()) return "a pipe";
  return stat.isSocket() ? "a socket" : "a device";
}
