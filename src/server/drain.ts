/**
 * The end of both ports, once: at a shutdown, or after another server has taken over the listening sockets.
 *
 * Leaves out who decides it: health, the pool and the notice to load balancers come before (`main.ts`).
 */
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import { toConnectError } from "../service/errors.ts";
import type { ServerLog } from "./calls/call-errors.ts";
import type { OpenCalls } from "./calls/open-calls.ts";
import type { Connections } from "./connections/connections.ts";
import { acceptNoMore, type SocketListener } from "./connections/listener.ts";
import type { RequestDecoder } from "./decoding/request-decoder.ts";
import type { GrpcServer } from "./grpc/grpc-listener.ts";
import type { WebListener } from "./web/web-listener.ts";

/** How long calls that were ended may take to say so, in milliseconds, before their connections are cut; a busy machine is slow. */
const endGraceMs = 5_000;

/**
 * How long connections may take to bring no more calls after a takeover, in milliseconds. An idle one of HTTP/1.1 is
 * left open for as long as it was promised (75 s, or its next call), since its client may be sending one at any moment.
 */
const retireTimeoutMs = 80_000;

export interface RetireOptions {
  /** How long running calls may take to end, in milliseconds. */
  readonly drainTimeoutMs: number;
  /** Called when no connection is left that may bring a call, or when that has taken too long. */
  readonly nothingMoreComes: () => void;
}

interface DrainParts {
  readonly grpc: GrpcServer;
  readonly grpcListener: SocketListener;
  readonly web: WebListener | undefined;
  /** Those of both ports. */
  readonly connections: readonly Connections[];
  readonly openCalls: OpenCalls;
  readonly decoder: RequestDecoder;
  /** Settles when no turn runs any more, those that go on without a call among them. */
  readonly turnsEnded: () => Promise<void>;
  readonly clock: Clock;
  readonly log: ServerLog;
}

export class Drain {
  readonly #parts: DrainParts;
  /** Aborts when waiting for running calls is over. */
  readonly #patience = new AbortController();
  #retired: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** See `RunningServers.retire`. */
  retire(options: RetireOptions): Promise<void> {
    this.#retired ??= this.#retire(options);
    return this.#retired;
  }

  async #retire({ drainTimeoutMs, nothingMoreComes }: RetireOptions): Promise<void> {
    const { grpcListener, web, connections, openCalls, log } = this.#parts;
    acceptNoMore(grpcListener.server);
    web?.retire();
    const retired = Promise.all(connections.map((of) => of.retire()));
    // Watches move to the other server.
    openCalls.endEndless(shuttingDown());
    log.info({ openCallCount: openCalls.count }, "the ports accept no new connections");
    await this.#atMost(retireTimeoutMs, retired);
    nothingMoreComes();
    log.info({ openCallCount: openCalls.count }, "every client has been asked to connect anew");
    const quiet = () => Promise.all([...connections.map((of) => of.idle()), this.#parts.turnsEnded()]);
    await this.#atMost(drainTimeoutMs, quiet());
    // Connections of HTTP/1.1 whose answers took longer than all others may: they can be used once more, like any other, and
    // end behind that call, which gets its time as well.
    await this.#atMost(retireTimeoutMs, retired);
    await this.#atMost(drainTimeoutMs, quiet());
  }

  /** Waits for something, but not for longer than this, nor for longer than a stop allows. */
  async #atMost(limitMs: number, work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const cancelTimer = this.#parts.clock.after(limitMs, () => over.abort());
    await Promise.race([work, aborted(over.signal), aborted(this.#patience.signal)]);
    cancelTimer();
  }

  stop(drainTimeoutMs: number): Promise<void> {
    const cancelTimer = this.#parts.clock.after(drainTimeoutMs, () => this.#patience.abort());
    this.#stopped ??= this.#run();
    return this.#stopped.finally(cancelTimer);
  }

  async #run(): Promise<void> {
    const { grpc, grpcListener, web, openCalls, decoder, clock, log } = this.#parts;
    log.info({ openCallCount: openCalls.count }, "the ports accept no new calls");
    grpcListener.server.close();
    const grpcClosed = new Promise<void>((resolve) => grpc.server.tryShutdown(() => resolve()));
    web?.close();
    openCalls.endEndless(shuttingDown());

    await openCalls.none(this.#patience.signal);
    await Promise.race([this.#parts.turnsEnded(), aborted(this.#patience.signal)]);
    if (openCalls.count > 0) {
      log.warn({ openCallCount: openCalls.count }, "calls were still running when the drain ended: they are ended now");
      openCalls.endAll(drained());
    }
    const graceOver = new AbortController();
    const cancelGrace = clock.after(endGraceMs, () => graceOver.abort());
    await openCalls.none(graceOver.signal);
    web?.closeIdle();
    await Promise.race([Promise.all([grpcClosed, web?.closed]), aborted(graceOver.signal)]);
    cancelGrace();
    grpc.server.forceShutdown();
    web?.destroy();
    await web?.closed;
    await decoder.stop();
    log.info({}, "the ports are closed");
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

/** For calls that can simply be made again, elsewhere. */
const shuttingDown = (): ConnectError =>
  toConnectError(new RunnerError("POOL_DRAINING", "the server is shutting down"));

/** For turns; the service tells those that had not begun from those that had. */
const drained = (): ConnectError =>
  toConnectError(new RunnerError("DRAINED", "the server shut down before the call ended"));
