/**
 * Both ports: opened together, told about new certificates together, and drained together.
 *
 * Leaves out the first steps of a shutdown: whoever calls `stop` has already made health say NOT_SERVING, has let load
 * balancers notice, and has told the pool to refuse new turns. The admin port is `admin.ts`.
 */
import { createSecureContext } from "node:tls";
import { type Clock, systemClock } from "../clock.ts";
import type { Settings, TlsSettings } from "../config/settings.ts";
import { TrustedProxies } from "../policy/addresses.ts";
import type { Authenticate, ServedService } from "../service/calls.ts";
import { reflectionServices } from "../service/reflection.ts";
import type { ServerLog } from "./calls/call-errors.ts";
import { CallPlaces } from "./calls/call-places.ts";
import type { ServerCore } from "./calls/core.ts";
import { OpenCalls } from "./calls/open-calls.ts";
import { RequestBytes } from "./calls/request-bytes.ts";
import { Connections } from "./connections/connections.ts";
import {
  type Address,
  type HandedSockets,
  type ListeningPort,
  listen,
  makeTls,
  type PortName,
  readTls,
  ServerStartError,
  socketListener,
} from "./connections/listener.ts";
import { RequestDecoder } from "./decoding/request-decoder.ts";
import { Drain, type RetireOptions } from "./drain.ts";
import { exposureProblems, servesReflection } from "./exposure.ts";
import { checkGrpcInternals } from "./grpc/grpc-internals.ts";
import { grpcServer } from "./grpc/grpc-listener.ts";
import { maxAnonymousCalls, maxAnonymousRequestBytes } from "./limits.ts";
import { openPage } from "./page/page.ts";
import { callsRoute } from "./web/connect-adapter.ts";
import { webHandler } from "./web/web-handler.ts";
import { webListener } from "./web/web-listener.ts";
import { filesRoute } from "./web/web-route.ts";

export interface ServersOptions {
  readonly settings: Settings;
  /** What is served on both ports. Reflection is added where the settings want it. */
  readonly services: readonly ServedService[];
  /** The caller that an `authorization` header names, or UNAUTHENTICATED. */
  readonly authenticate: Authenticate;
  readonly log: ServerLog;
  readonly clock?: Clock;
  /** Settles when no turn runs any more, those that go on without a call among them. Default: there are none. */
  readonly turnsEnded?: () => Promise<void>;
  /** Sockets that listen already. Ports that have none here are opened. */
  readonly sockets?: HandedSockets;
}

export interface StopOptions {
  /** How long running calls may take to end, in milliseconds. Default `shutdown.drainTimeoutMs`. */
  readonly drainTimeoutMs?: number;
}

export interface RunningServers {
  readonly grpc: Address;
  readonly web: Address | undefined;
  /** The ports that accept connections, and what listens on each. */
  listening(): ReadonlyMap<PortName, ListeningPort>;
  /** Calls that are being answered; those that never end by themselves do not count. */
  openCallCount(): number;
  /**
   * Reads certificates and keys again, from where these settings say, and tries them. If that fails, it throws. Nothing
   * has changed until what it gives is called, which cannot fail. TLS as such is not switched on or off.
   */
  prepareTls(settings?: Settings): Promise<() => void>;
  /**
   * Accepts no more connections from when it returns, since another server does so on the same sockets; asks clients to
   * connect anew, and answers what still comes, which ends after 80 s at the latest. Resolves when the last call has
   * ended, or when the time for them is over. The pool has to serve until then.
   */
  retire(options: RetireOptions): Promise<void>;
  /**
   * Accepts nothing more, waits for running calls, ends what is left, closes every connection. A second call waits for
   * the same end, and may only bring it nearer.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** Opens both ports, or neither and throws a ServerStartError. */
export async function startServers(options: ServersOptions): Promise<RunningServers> {
  const { settings, authenticate, log, clock = systemClock, sockets } = options;
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

  const grpcAddress = await listen(grpcListener.server, {
    ...settings.grpc,
    settingsName: "grpc",
    handed: sockets?.get("grpc"),
  });
  let webAddress: Address | undefined;
  try {
    const options = { ...settings.web, settingsName: "web", handed: sockets?.get("web") } as const;
    webAddress = web && (await listen(web.server, options));
  } catch (error) {
    grpcListener.server.close();
    grpc.server.forceShutdown();
    throw error;
  }
  const drain = new Drain({
    grpc,
    grpcListener,
    web,
    connections: [grpcConnections, webConnections],
    openCalls: core.openCalls,
    decoder: core.decoder,
    turnsEnded: options.turnsEnded ?? (() => Promise.resolve()),
    clock,
    log,
  });
  const ports = new Map<PortName, ListeningPort>([["grpc", { address: grpcAddress, server: grpcListener.server }]]);
  if (web !== undefined && webAddress !== undefined) ports.set("web", { address: webAddress, server: web.server });
  return {
    grpc: grpcAddress,
    web: webAddress,
    listening: () => new Map([...ports].filter(([, { server }]) => server.listening)),
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
    retire: (options) => drain.retire(options),
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
