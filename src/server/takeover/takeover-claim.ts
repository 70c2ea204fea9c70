/**
 * The new server's side of a takeover: asks the running one for its listening sockets, and says when it is ready.
 */
import { lstat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { type HandedSocket, type PortName, ServerStartError } from "../connections/listener.ts";
import { type FromNew, type FromOld, fromOld, type OfferedPort, Talk, takeoverProtocol } from "./messages.ts";
import { type ListeningHandle, missingPipeMembers, passingSocket } from "./node-pipes.ts";

export interface ClaimOptions {
  /** `takeover.socketFile`. */
  readonly file: string;
  readonly version: string;
  readonly clock: Clock;
}

/** A takeover that the running server has granted. Until `ready` it goes on as if nothing had been. */
export interface Claim {
  readonly from: { readonly pid: number; readonly version: string; readonly generation: number };
  readonly ports: readonly OfferedPort[];
  /** The socket of a port that was offered. */
  take(name: PortName): Promise<HandedSocket>;
  /** To be called when this server accepts calls. Resolves when the other one accepts none any more. */
  ready(): Promise<void>;
  /** Leaves everything to the other server. */
  leave(): void;
}

/** How long the running server may take for an answer, in milliseconds. */
const answerTimeoutMs = 5_000;

/** Asks for the takeover; `undefined` if no server listens at the file. Throws a ServerStartError. */
export async function claimTakeover(options: ClaimOptions): Promise<Claim | undefined> {
  const { file, version, clock } = options;
  const like = await connected(file);
  if (like === undefined) return undefined;
  try {
    const missing = missingPipeMembers(like);
    if (missing.length > 0) {
      throw new ServerStartError(
        `takeover: this version of Node has no ${missing.join(", ")} on its Unix sockets, so it cannot be handed ` +
          "listening sockets; let systemd keep them, or stop the running server first",
      );
    }
    const talk = new ClaimTalk(file, like, clock);
    const answer = await talk.ask({ type: "claim", protocol: takeoverProtocol, pid: process.pid, version });
    if (answer?.type !== "granted") {
      talk.close();
      throw new ServerStartError(answer?.type === "refused" ? refusalText(answer) : hungText(file));
    }
    const { pid, generation, ports } = answer;
    return {
      from: { pid, version: answer.version, generation },
      ports,
      take: (name) => talk.take(name, ports),
      async ready() {
        // Without an answer the other one is gone, and so are its connections: there is nothing to wait for.
        await talk.ask({ type: "ready" });
        talk.close();
      },
      leave: () => talk.close(),
    };
  } finally {
    like.destroy();
  }
}

/** A connection to the socket; `undefined` if there is none, or nobody behind it. */
async function connected(file: string): Promise<Socket | undefined> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isSocket() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    const what = found.isSocket() ? "belongs to another user" : "is no socket";
    throw new ServerStartError(`takeover.socketFile: ${file} ${what}; a server is taken over by its own user only`);
  }
  return new Promise((resolve, reject) => {
    const socket = connect(file);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(undefined);
      else reject(new ServerStartError(`takeover.socketFile: ${file}: ${error.message}`, { cause: error }));
    });
  });
}

/** One question at a time. */
class ClaimTalk {
  readonly #talk: Talk<FromOld, FromNew>;
  readonly #clock: Clock;
  #answer: ((message: FromOld | undefined, handle?: ListeningHandle) => void) | undefined;

  constructor(file: string, like: Socket, clock: Clock) {
    this.#clock = clock;
    const pipe = passingSocket(like);
    pipe.socket.connect(file);
    this.#talk = new Talk<FromOld, FromNew>(
      pipe,
      fromOld,
      (message, handle) => this.#answer?.(message, handle),
      () => this.#answer?.(undefined),
    );
  }

  /** `undefined`: there was no answer in time, or the other end closed. */
  async ask(question: FromNew): Promise<FromOld | undefined> {
    return (await this.#exchange(question)).message;
  }

  async take(name: PortName, ports: readonly OfferedPort[]): Promise<HandedSocket> {
    const { message, handle } = await this.#exchange({ type: "send", name });
    const port = ports.find((one) => one.name === name);
    if (message?.type !== "socket" || handle === undefined || port === undefined) {
      throw new ServerStartError(`takeover: the running server did not hand over the socket of its ${name} port`);
    }
    return { address: { host: port.host, port: port.port }, source: handle, close: () => handle.close() };
  }

  close(): void {
    this.#answer = undefined;
    this.#talk.close();
  }

  #exchange(question: FromNew): Promise<{ readonly message: FromOld | undefined; readonly handle?: ListeningHandle }> {
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.after(answerTimeoutMs, () => this.#answer?.(undefined));
      this.#answer = (message, handle) => {
        this.#answer = undefined;
        cancelTimer();
        resolve({ message, ...(handle && { handle }) });
      };
      this.#talk.say(question);
    });
  }
}

function refusalText({ pid, reason, to }: FromOld & { type: "refused" }): string {
  switch (reason) {
    case "busy":
      return `takeover: process ${to} is about to take over from the running server (process ${pid}): wait for it, or end it`;
    case "retired":
      return `takeover: process ${to} has just taken over from process ${pid}: try again to take over from that one`;
    case "stopping":
      return `takeover: the running server (process ${pid}) is stopping and has closed its ports: start again without --takeover`;
    case "protocol":
      return `takeover: the running server (process ${pid}) is of a version that hands over in another way: stop it, and start again without --takeover`;
    default:
      return reason satisfies never;
  }
}

const hungText = (file: string) =>
  `takeover: the running server listens at ${file} and does not answer within ${answerTimeoutMs / 1_000} s: stop it ` +
  "(SIGTERM, then SIGKILL), and start again without --takeover";
