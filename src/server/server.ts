/**
 * Both ports: opened together, told about new certificates together, and drained together.
 *
 * Leaves out the first steps of a shutdown: whoever calls `stop` has already made health say NOT_SERVING, has let load
 * balancers notice, and has told the pool to refuse new turns. The admin port is `admin.ts`.
 */
import { createSecureContext } from "node:tls";
import type { ConnectError } from "@connectrpc/connect";
import { type Clock, systemClock } from "../clock.ts";
import type { Settings, TlsSettings } from "../config/settings.ts";
import { TrustedProxies } from "../policy/addresses.ts";
import { RunnerError } from "../runner-error.ts";
import type { Authenticate, ServedService } from "../service/calls.ts";
import { toConnectError } from "../service/errors.ts";
import { reflectionServices } from "../service/reflection.ts";
import type { ServerLog } from "./calls/call-errors.ts";
import { CallPlaces } from "./calls/call-places.ts";
import type { ServerCore } from "./calls/core.ts";
import { OpenCalls } from "./calls/open-calls.ts";
import { RequestBytes } from "./calls/request-bytes.ts";
import { Connections } from "./connections/connections.ts";
import {
  type Address,
  listen,
  makeTls,
  readTls,
  ServerStartError,
  type SocketListener,
  socketListener,
} from "./connections/listener.ts";
import { RequestDecoder } from "./decoding/request-decoder.ts";
import { exposureProblems, servesReflection } from "./exposure.ts";
import { checkGrpcInternals } from "./grpc/grpc-internals.ts";
import { grpcServer } from "./grpc/grpc-listener.ts";
import { maxAnonymousCalls, maxAnonymousRequestBytes } from "./limits.ts";
import { openPage } from "./page/page.ts";
import { callsRoute } from "./web/connect-adapter.ts";
import { webHandler } from "./web/web-handler.ts";
import { type WebListener, webListener } from "./web/web-listener.ts";
import { filesRoute } from "./web/web-route.ts";

export interface ServersOptions {
  readonly settings: Settings;
  /** What is served on both ports. Reflection is added where the settings want it. */
  readonly services: readonly ServedService[];
  /** The caller that an `authorization` header names, or UNAUTHENTICATED. */
  readonly authenticate: Authenticate;
  readonly log: ServerLog;
  readonly clock?: Clock;
}

export interface StopOptions {
  /** How long running calls may take to end, in milliseconds. Default `shutdown.drainTimeoutMs`. */
  readonly drainTimeoutMs?: number;
}

export interface RunningServers {
  readonly grpc: Address;
  readonly web: Address | undefined;
  /** Calls that are being answered; those that never end by themselves do not count. */
  openCallCount(): number;
  /**
   * Reads certificates and keys again, from where these settings say, and tries them. If that fails, it throws. Nothing
   * has changed until what it gives is called, which cannot fail. TLS as such is not switched on or off.
   */
  prepareTls(settings?: Settings): Promise<() => void>;
  /**
   * Accepts nothing more, waits for running calls, ends what is left, closes every connection. A second call waits for
   * the same end, and may only bring it nearer.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** How long calls that were ended may take to say so, in milliseconds, before their connections are cut. */
const endGraceMs = 1_000;

/** Opens both ports, or neither and throws a ServerStartError. */
export async function startServers(options: ServersOptions): Promise<RunningServers> {
  const { settings, authenticate, log, clock = systemClock } = options;
  const problems = exposureProblems(settings);
  if (problems.length > 0) throw new ServerStartError(problems.join("\n"));
  await checkGrpcInternals();

  const services = [...options.services, ...(servesReflection(settings) ? reflectionServices(options.services) : [])];
  const core: ServerCore = {
    services,
    authenticate,
    clock,
    log,
    requestBytes: new RequestBytes({
      maxBytes: settings.calls.maxRequestBytesInFlight,
      maxAnonymousBytes: maxAnonymousRequestBytes,
      readTimeoutMs: settings.calls.requestTimeoutMs,
      clock,
    }),
    callPlaces: new CallPlaces({ maxOpen: settings.calls.maxOpen, maxAnonymous: maxAnonymousCalls }),
    decoder: new RequestDecoder({
      services,
      maxRequestBytes: settings.calls.maxRequestBytes,
      allowUnknownJsonFields: settings.web.allowUnknownJsonFields,
      clock,
    }),
    openCalls: new OpenCalls(),
    maxRequestBytes: settings.calls.maxRequestBytes,
  };

  const page = settings.web.enabled && settings.web.page ? openPage(log) : undefined;

  const proxies = new TrustedProxies(settings.trustedProxies, settings.forwardedHeader);
  const connectionsOf = (portName: string) =>
    new Connections({
      maxCount: settings.connections.maxPerPort,
      anonymousIdleTimeoutMs: settings.connections.anonymousIdleTimeoutMs,
      proxies,
      clock,
      log,
      portName,
    });
  const grpcConnections = connectionsOf("grpc");
  const webConnections = connectionsOf("web");

  const grpc = grpcServer(core, settings, grpcConnections);
  const grpcListener = socketListener("grpc", await tlsOf(settings.grpc.tls, "grpc"), grpc.accept);
  grpcConnections.guard(grpcListener.server);
  const routes = [
    callsRoute(core, webConnections),
    ...(page === undefined ? [] : [filesRoute(page, { connections: webConnections, clock })]),
  ];
  const web = settings.web.enabled
    ? webListener(webHandler({ settings, routes, clock, log }), {
        tls: await tlsOf(settings.web.tls, "web"),
        maxConcurrentStreams: settings.grpc.maxConcurrentStreams,
        keepaliveTimeMs: settings.grpc.keepaliveTimeMs,
        keepaliveTimeoutMs: settings.grpc.keepaliveTimeoutMs,
        requestTimeoutMs: settings.calls.requestTimeoutMs,
        connections: webConnections,
        clock,
      })
    : undefined;

  const grpcAddress = await listen(grpcListener.server, { ...settings.grpc, settingsName: "grpc" });
  let webAddress: Address | undefined;
  try {
    webAddress = web && (await listen(web.server, { ...settings.web, settingsName: "web" }));
  } catch (error) {
    grpcListener.server.close();
    grpc.server.forceShutdown();
    throw error;
  }
  const drain = new Drain({ grpc, grpcListener, web, openCalls: core.openCalls, decoder: core.decoder, clock, log });
  return {
    grpc: grpcAddress,
    web: webAddress,
    openCallCount: () => core.openCalls.count,
    async prepareTls(now = settings) {
      const fresh = [
        { renew: settings.grpc.tls && grpcListener.renew, tls: await triedTlsOf(now.grpc.tls, "grpc") },
        { renew: settings.web.tls && web?.renew, tls: await triedTlsOf(now.web.tls, "web") },
      ];
      return () => {
        for (const { renew, tls } of fresh) if (tls !== undefined) renew?.(tls.context);
      };
    },
    stop: ({ drainTimeoutMs = settings.shutdown.drainTimeoutMs } = {}) => drain.stop(drainTimeoutMs),
  };
}

async function tlsOf(settings: TlsSettings | undefined, settingsName: string) {
  return settings && { settings, context: await readTls(settings, settingsName) };
}

/** The same, when certificate and key fit each other. */
async function triedTlsOf(settings: TlsSettings | undefined, settingsName: string) {
  const tls = await tlsOf(settings, settingsName);
  if (tls !== undefined) makeTls(settingsName, () => createSecureContext(tls.context));
  return tls;
}

interface DrainParts {
  readonly grpc: ReturnType<typeof grpcServer>;
  readonly grpcListener: SocketListener;
  readonly web: WebListener | undefined;
  readonly openCalls: OpenCalls;
  readonly decoder: RequestDecoder;
  readonly clock: Clock;
  readonly log: ServerLog;
}

/** The end of both ports, once. */
class Drain {
  readonly #parts: DrainParts;
  /** Aborts when waiting for running calls is over. */
  readonly #patience = new AbortController();
  #stopped: Promise<void> | undefined;

  constructor(parts: DrainParts) {
    this.#parts = parts;
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
