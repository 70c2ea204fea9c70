/**
 * The running server's side of a takeover: a Unix socket at which a new server of the same user asks for the listening
 * sockets. One at a time is given them, and as long as that one has not said that it is ready, nothing has changed here.
 *
 * Leaves out how the old server ends (`drain.ts`). Node tells nobody who a peer is, so the rights of the file and its
 * folder are what keeps others away.
 */
import { chmod, lstat, rename, stat, unlink } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import type { ServerLog } from "../calls/call-errors.ts";
import type { ListeningPort, PortName } from "../connections/listener.ts";
import { isOpenToOthers, makeFolder } from "../private-folder.ts";
import { type FromNew, type FromOld, fromNew, Talk, takeoverProtocol } from "./messages.ts";
import { missingPipeMembers, passingSocketOf } from "./node-pipes.ts";

export interface TakeoverSocketOptions {
  /** `takeover.socketFile`. */
  readonly file: string;
  readonly version: string;
  /** 1, and one more with each takeover. */
  readonly generation: number;
  /** The ports that are open; none once the server is stopping. */
  readonly ports: () => ReadonlyMap<PortName, ListeningPort>;
  /** Accepts nothing more, from when it returns, and finishes what there is. */
  readonly retire: () => void;
  /** Whether the server that listens at the file now has just been taken over by this one. */
  readonly replaces: boolean;
  readonly log: ServerLog;
}

export interface TakeoverSocket {
  /** No longer lets anybody take over. A file that is another server's by now stays. */
  close(): Promise<void>;
}

/** The longest path that every system's Unix sockets take, with what is appended to it below. */
const maxPathBytes = 90;

/** Who the ports go to. */
type Phase =
  | { readonly kind: "open" }
  | { readonly kind: "claimed"; readonly by: number; readonly talk: object }
  | { readonly kind: "retired"; readonly by: number };

/** Opens the socket; `undefined`, with a word in the log, where that is not possible: a server can do without. */
export async function openTakeoverSocket(options: TakeoverSocketOptions): Promise<TakeoverSocket | undefined> {
  const { file, log } = options;
  try {
    const problem = await placeProblem(options);
    if (problem === undefined) return await listenAt(options);
    log.warn({ file }, `this server cannot be taken over: ${problem}`);
  } catch (error) {
    log.warn({ file, err: error }, "this server cannot be taken over: its socket cannot be made");
  }
  return undefined;
}

async function placeProblem({ file, replaces }: TakeoverSocketOptions): Promise<string | undefined> {
  if (Buffer.byteLength(file) > maxPathBytes) {
    return `a Unix socket's path may have ${maxPathBytes} bytes; name a shorter takeover.socketFile`;
  }
  const folder = dirname(file);
  await makeFolder(folder);
  if (isOpenToOthers(await stat(folder))) return `other users may write to ${folder}: use chmod 700`;
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isSocket()) return "takeover.socketFile is there and is no socket; name another file";
  if (replaces || !(await isListenedTo(file))) return undefined;
  return "another server that runs has this takeover.socketFile; name another file for one of the two";
}

/** Not at the place itself: renamed to it, so that there is never a moment without one, nor one that others may open. */
async function listenAt(options: TakeoverSocketOptions): Promise<TakeoverSocket> {
  const { file } = options;
  const phase = new PhaseHolder(options);
  const server = createServer({ pauseOnConnect: true }, (socket) => phase.accept(socket));
  const draft = `${file}.${process.pid}`;
  await unlink(draft).catch(() => {}); // of an earlier process of this number
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(draft, resolve);
  });
  server.on("error", () => {});
  server.unref();
  await chmod(draft, 0o600);
  await rename(draft, file);
  const { ino } = await lstat(file);
  return {
    async close() {
      server.close();
      phase.end();
      const found = await lstat(file).catch(() => undefined);
      if (found?.ino === ino) await unlink(file).catch(() => {});
    },
  };
}

/** Whether a server accepts connections at a Unix socket. */
export function isListenedTo(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

class PhaseHolder {
  readonly #options: TakeoverSocketOptions;
  readonly #talks = new Set<Talk<FromNew, FromOld>>();
  #phase: Phase = { kind: "open" };

  constructor(options: TakeoverSocketOptions) {
    this.#options = options;
  }

  accept(socket: Socket): void {
    const missing = missingPipeMembers(socket);
    if (missing.length > 0) {
      const why = `this version of Node has no ${missing.join(", ")} on its Unix sockets`;
      this.#options.log.warn({}, `${why}: listening sockets cannot be handed over, only systemd can keep them`);
      socket.destroy();
      return;
    }
    const talk: Talk<FromNew, FromOld> = new Talk(
      passingSocketOf(socket),
      fromNew,
      (message) => this.#hear(message, talk),
      () => this.#ended(talk),
    );
    this.#talks.add(talk);
  }

  end(): void {
    for (const talk of this.#talks) talk.close();
  }

  #hear(message: FromNew, talk: Talk<FromNew, FromOld>): void {
    switch (message.type) {
      case "claim":
        this.#claim(message, talk);
        return;
      case "send": {
        const port = this.#holds(talk) ? this.#options.ports().get(message.name) : undefined;
        if (port === undefined) talk.close();
        else talk.say({ type: "socket", name: message.name }, port.server);
        return;
      }
      case "ready":
        if (this.#phase.kind !== "claimed" || this.#phase.talk !== talk) {
          talk.close();
          return;
        }
        this.#phase = { kind: "retired", by: this.#phase.by };
        this.#options.log.info({ pid: process.pid, byPid: this.#phase.by }, "another server has taken over");
        this.#options.retire();
        talk.say({ type: "retired" });
        return;
      default:
        message satisfies never;
    }
  }

  #claim({ pid, protocol }: FromNew & { type: "claim" }, talk: Talk<FromNew, FromOld>): void {
    const { version, generation, ports, log } = this.#options;
    const offered = [...ports()].flatMap(([name, { address, server }]) => {
      const bound = server.address();
      return bound === null || typeof bound === "string"
        ? []
        : [{ name, host: address.host, address: bound.address, port: bound.port }];
    });
    const refusal = this.#refusal(protocol, offered.length);
    if (refusal !== undefined) {
      talk.say({ type: "refused", pid: process.pid, ...refusal });
      talk.close();
      return;
    }
    this.#phase = { kind: "claimed", by: pid, talk };
    log.info({ pid: process.pid, byPid: pid }, "another server is about to take over");
    talk.say({ type: "granted", pid: process.pid, version, generation, ports: offered });
  }

  #refusal(protocol: number, portCount: number): Pick<FromOld & { type: "refused" }, "reason" | "to"> | undefined {
    if (protocol !== takeoverProtocol) return { reason: "protocol" };
    if (this.#phase.kind === "claimed") return { reason: "busy", to: this.#phase.by };
    if (this.#phase.kind === "retired") return { reason: "retired", to: this.#phase.by };
    return portCount === 0 ? { reason: "stopping" } : undefined;
  }

  #holds(talk: object): boolean {
    return this.#phase.kind === "claimed" && this.#phase.talk === talk;
  }

  #ended(talk: Talk<FromNew, FromOld>): void {
    this.#talks.delete(talk);
    if (!this.#holds(talk)) return;
    this.#phase = { kind: "open" };
    this.#options.log.warn({ pid: process.pid }, "the other server did not take over: this one goes on as before");
  }
}
