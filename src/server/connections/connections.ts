/**
 * The connections of one port: how many each address may hold, and how long one may do nothing before a call on it has
 * shown a token.
 *
 * Such a connection also makes way: where there is no place left, the one that has rested longest ends, first of the
 * newcomer's own address. So silent connections keep nobody out, wherever they come from.
 *
 * A proxy that the settings name holds as many as it needs and may rest: its connections are those of its clients, whose
 * calls are counted in `call-places.ts`. What is spoken on a connection is `listener.ts`'s and `web-listener.ts`'s matter.
 */
import type { ServerHttp2Session } from "node:http2";
import type { Server, Socket } from "node:net";
import type { Clock } from "../../clock.ts";
import { addressKey, type ForwardedHeader, type TrustedProxies } from "../../policy/addresses.ts";
import type { ServerLog } from "../calls/call-errors.ts";
import { Share } from "../calls/share.ts";
import { closingLingerMs } from "../limits.ts";
import { sayFarewell } from "./farewell.ts";

export interface ConnectionsOptions {
  /** `connections.maxPerPort`. */
  readonly maxCount: number;
  /** `connections.anonymousIdleTimeoutMs`. */
  readonly anonymousIdleTimeoutMs: number;
  readonly proxies: TrustedProxies;
  readonly clock: Clock;
  readonly log: ServerLog;
  /** `grpc` or `web`, for the log. */
  readonly portName: string;
}

/** What is known of a connection's two ends: of a socket, of an HTTP/2 session's, or as grpc-js tells it. */
export interface Ends {
  readonly localAddress?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export interface Connection {
  /** Whom a call is counted for: the connection's address, or the one that a proxy of ours forwards. */
  clientOf(headerOf: (name: ForwardedHeader) => string | undefined): string;
  /** A call has been let in, or something else is answered. The returned function says that it is over; twice is fine. */
  began(): () => void;
  /** A call has shown a token: from now on the connection may rest as long as it likes. */
  authenticated(): void;
}

/** How often the log says that connections are refused, in milliseconds. */
const logIntervalMs = 60_000;

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #share: Share;
  readonly #open = new Map<string, OpenConnection>();
  /** The connections that rest and have shown no token, the longest first: all, and those of each address. */
  readonly #resting = new Set<OpenConnection>();
  readonly #restingOf = new Map<string, Set<OpenConnection>>();
  /** Looks at what somebody waits for, and ends the waiting if it is so. */
  readonly #looks = new Set<() => void>();
  #isRetired = false;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #refusedCount = 0;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#share = new Share(options.maxCount);
  }

  /** Looks at each connection of a server before anybody else does, its TLS handshake included. */
  guard(server: Server): void {
    server.maxConnections = this.#options.maxCount;
    server.prependListener("connection", (socket: Socket) => this.#admit(socket));
  }

  /** The connection with these ends. One that is gone by now is counted as an unknown address. */
  of(ends: Ends): Connection {
    return this.#open.get(keyOf(ends)) ?? gone;
  }

  /** From now on the connection is closed as HTTP/2 does it. */
  speaksHttp2(session: ServerHttp2Session): void {
    const { socket } = session;
    if (socket !== undefined) this.#open.get(keyOf(socket))?.setSession(session);
  }

  /**
   * Asks every client to connect anew, at once over HTTP/2, and resolves when no connection is left that may bring a
   * call. Those of HTTP/1.1 cannot be asked and may bring calls until they end: the listener has to see to it that they do.
   */
  retire(): Promise<void> {
    this.#isRetired = true;
    for (const connection of this.#open.values()) connection.retire();
    return this.#untilNone(({ mayBringCalls }) => mayBringCalls);
  }

  /** Resolves when no call is under way. */
  idle(): Promise<void> {
    return this.#untilNone(({ isBusy }) => isBusy);
  }

  #untilNone(isSo: (connection: OpenConnection) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        for (const connection of this.#open.values()) if (isSo(connection)) return;
        this.#looks.delete(look);
        resolve();
      };
      this.#looks.add(look);
      look();
    });
  }

  #changed(): void {
    for (const look of this.#looks) look();
  }

  #admit(socket: Socket): void {
    const { proxies, clock, anonymousIdleTimeoutMs } = this.#options;
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) {
      socket.destroy(); // it has gone already
      return;
    }
    const isProxy = proxies.has(remoteAddress);
    const holders = isProxy ? [] : [addressKey(remoteAddress)];
    const refusal = this.#share.take(holders, 1);
    if (refusal !== undefined) {
      const resting = refusal.holder === undefined ? this.#resting : (this.#restingOf.get(refusal.holder) ?? []);
      const [longest] = resting;
      longest?.end();
      if (longest === undefined || this.#share.take(holders, 1) !== undefined) {
        socket.on("error", () => {});
        socket.destroy();
        this.#say(holders[0] ?? remoteAddress, refusal.limit);
        return;
      }
    }
    const key = keyOf(socket);
    const connection = new OpenConnection({
      socket,
      address: remoteAddress,
      proxies,
      clock,
      idleTimeoutMs: isProxy ? undefined : anonymousIdleTimeoutMs,
      onRest: (one) => this.#rests(holders, one),
      onChange: () => this.#changed(),
      onEnd: () => {
        this.#open.delete(key);
        this.#share.give(holders, 1);
        this.#changed();
      },
    });
    this.#open.set(key, connection);
    // Accepted a moment before the port closed.
    if (this.#isRetired) connection.retire();
  }

  /** Puts a connection among those that may end for others; the returned function takes it out. */
  #rests(holders: readonly string[], connection: OpenConnection): () => void {
    this.#resting.add(connection);
    for (const holder of holders) {
      const ofHolder = this.#restingOf.get(holder) ?? new Set();
      this.#restingOf.set(holder, ofHolder.add(connection));
    }
    return () => {
      this.#resting.delete(connection);
      for (const holder of holders) {
        const ofHolder = this.#restingOf.get(holder);
        ofHolder?.delete(connection);
        if (ofHolder?.size === 0) this.#restingOf.delete(holder);
      }
    };
  }

  #say(address: string, limit: number): void {
    const { clock, log, portName, maxCount } = this.#options;
    this.#refusedCount += 1;
    const nowMs = clock.now();
    if (nowMs - this.#saidAtMs < logIntervalMs) return;
    this.#saidAtMs = nowMs;
    const fields = { port: portName, address, refusedCount: this.#refusedCount, limit, maxPerPort: maxCount };
    log.warn(fields, "connections are refused: one address may hold no more than are left free");
  }
}

interface ConnectionParts {
  readonly socket: Socket;
  readonly address: string;
  readonly proxies: TrustedProxies;
  readonly clock: Clock;
  /** Absent: it may rest. */
  readonly idleTimeoutMs: number | undefined;
  /** Called when it begins to rest without having shown a token; what it returns, when that is over. */
  readonly onRest: (connection: OpenConnection) => () => void;
  /** Called when `mayBringCalls` or `isBusy` may say something else. */
  readonly onChange: () => void;
  /** Called once. */
  readonly onEnd: () => void;
}

class OpenConnection implements Connection {
  readonly #parts: ConnectionParts;
  #session: ServerHttp2Session | undefined;
  #mayRest: boolean;
  #isRetiring = false;
  #hasEnded = false;
  #busyCount = 0;
  #wake: (() => void) | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#mayRest = parts.idleTimeoutMs === undefined;
    parts.socket.once("close", () => this.end());
    this.#rest();
  }

  setSession(session: ServerHttp2Session): void {
    this.#session = session;
    if (this.#isRetiring) void this.#farewell(session);
  }

  retire(): void {
    this.#isRetiring = true;
    if (this.#session !== undefined) void this.#farewell(this.#session);
  }

  /** Over HTTP/2: until the last GOAWAY. Over HTTP/1.1: until it ends. */
  get mayBringCalls(): boolean {
    return this.#session === undefined || (!this.#session.closed && !this.#session.destroyed);
  }

  get isBusy(): boolean {
    return this.#busyCount > 0;
  }

  async #farewell(session: ServerHttp2Session): Promise<void> {
    await sayFarewell(session, this.#parts.clock);
    this.#parts.onChange();
  }

  clientOf(headerOf: (name: ForwardedHeader) => string | undefined): string {
    return addressKey(this.#parts.proxies.clientOf(this.#parts.address, headerOf));
  }

  began(): () => void {
    this.#busyCount += 1;
    this.#wake?.();
    this.#parts.onChange();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#busyCount -= 1;
      if (this.#busyCount > 0) return;
      this.#rest();
      this.#parts.onChange();
    };
  }

  authenticated(): void {
    this.#mayRest = true;
    this.#wake?.();
  }

  /** Ends it now. Its place is free at once. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#wake?.();
    this.#parts.onEnd();
    this.#parts.socket.destroy();
  }

  #rest(): void {
    const { clock, idleTimeoutMs, onRest } = this.#parts;
    if (this.#mayRest || this.#hasEnded) return;
    const leave = onRest(this);
    const cancelTimer = clock.after(idleTimeoutMs ?? 0, () => this.#close());
    this.#wake = () => {
      this.#wake = undefined;
      cancelTimer();
      leave();
    };
  }

  #close(): void {
    const session = this.#session;
    if (session === undefined || session.destroyed) {
      this.end();
      return;
    }
    session.close(); // says so, for a client that is just about to call
    this.#parts.clock.after(closingLingerMs, () => this.end());
  }
}

const gone: Connection = { clientOf: () => "unknown", began: () => () => {}, authenticated: () => {} };

function keyOf({ localAddress, remoteAddress, remotePort }: Ends): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
