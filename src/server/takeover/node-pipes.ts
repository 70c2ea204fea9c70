/**
 * Everything that is taken from the private parts of Node's sockets, and nothing else does: Unix sockets that pass open
 * descriptors to another process (SCM_RIGHTS). Node does this itself between a process and its children, and has no
 * public way to do it between strangers.
 *
 * Nobody promises that these members stay, so each has a test of its name, and without one of them nothing is handed over
 * (`missingPipeMembers`). See docs/decisions/0014 for what else was tried.
 */
import { type Server, Socket } from "node:net";

/** A listening TCP socket as Node holds it; `net.Server.listen` takes it. */
export type ListeningHandle = object & { close(): void };

/** What is behind a socket that is connected to a Unix socket. */
interface PipeHandle {
  readonly fd: number;
  /** 0, or an error's number. */
  open(fd: number): number;
  /** The third argument travels with the bytes. */
  writeUtf8String(request: object, text: string, handle?: object): number;
  constructor: unknown;
  /** Node puts here what came with the bytes that were read last. */
  pendingHandle?: ListeningHandle | undefined;
}

/** The kind of pipe that takes descriptors: `PipeConstants.IPC` of Node. */
const passesDescriptors = 2;

/** How each member is recognised. */
export const pipeMembers: Readonly<Record<string, (value: unknown) => boolean>> = {
  fd: (value) => typeof value === "number",
  open: (value) => typeof value === "function",
  writeUtf8String: (value) => typeof value === "function",
  constructor: (value: unknown) => typeof value === "function" && value.name === "Pipe",
};

/** The members that are not as they were, by name. `socket`: one that is connected to a Unix socket. */
export function missingPipeMembers(socket: Socket): readonly string[] {
  const handle = handleOf(socket) as Readonly<Record<string, unknown>> | undefined;
  if (handle === undefined) return ["_handle"];
  return Object.entries(pipeMembers)
    .filter(([name, isThere]) => !isThere(handle[name]))
    .map(([name]) => name);
}

/** Not connected yet: `connect` it. `like`: a socket that is, or was about to be, connected to a Unix socket. */
export function passingSocket(like: Socket): PassingSocket {
  return new PassingSocket(newPipe(like));
}

/**
 * The same for a connection that a server accepted with `pauseOnConnect`. From here on nothing else may touch `accepted`:
 * Node accepts connections as pipes that pass nothing, so a second pipe gets its descriptor. The first one is never
 * closed, which would close the same number twice, and by the second time it may be another file's.
 */
export function passingSocketOf(accepted: Socket): PassingSocket {
  const pipe = newPipe(accepted);
  const failure = pipe.open((handleOf(accepted) as PipeHandle).fd);
  if (failure !== 0) throw new Error(`a Unix socket could not be opened for descriptors (${failure})`);
  return new PassingSocket(pipe);
}

/** A connection to another process that carries text, and descriptors with it. */
export class PassingSocket {
  readonly socket: Socket;
  readonly #pipe: PipeHandle;

  constructor(pipe: PipeHandle) {
    this.#pipe = pipe;
    // `handle` and `manualStart` are options of Node's own. A pipe that is not connected yet must not be read.
    const options: object = { handle: pipe, manualStart: true };
    this.socket = new Socket(options).setEncoding("utf8");
  }

  /** Sends text, and with it the socket that `server` listens on. Both processes listen on it from then on. */
  send(text: string, server: Server | undefined): void {
    const handle = server && handleOf(server);
    if (handle === undefined) {
      this.socket.write(text);
      return;
    }
    const pipe = this.#pipe;
    const write = pipe.writeUtf8String;
    let isSent = false;
    pipe.writeUtf8String = (request, data) => {
      isSent = true;
      return write.call(pipe, request, data, handle);
    };
    try {
      this.socket.write(text, "utf8");
    } finally {
      delete (pipe as Partial<PipeHandle>).writeUtf8String;
    }
    // Text that has to wait would leave without its descriptor. One message at a time never waits.
    if (!isSent) this.socket.destroy();
  }

  /** What came with the text that was read last, once. */
  takeHandle(): ListeningHandle | undefined {
    const handle = this.#pipe.pendingHandle;
    this.#pipe.pendingHandle = undefined;
    return handle;
  }
}

function newPipe(like: Socket): PipeHandle {
  const Pipe = (handleOf(like) as PipeHandle).constructor as new (kind: number) => PipeHandle;
  return new Pipe(passesDescriptors);
}

function handleOf(owner: Socket | Server): object | undefined {
  return (owner as unknown as { readonly _handle: object | null })._handle ?? undefined;
}
