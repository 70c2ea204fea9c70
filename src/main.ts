/**
 * The composition root: builds the parts in order, starts them, and stops them in reverse. No logic of its own.
 */

import { tmpdir } from "node:os";
import { probeCli } from "./cli/probe.ts";
import { CliKeeper, type CliState } from "./cli/program/keeper.ts";
import { CliLocator } from "./cli/program/locate.ts";
import { Credentials, type MissingCredential } from "./cli/start/credentials.ts";
import { tiedToServer } from "./cli/start/tied-to-server.ts";
import { WorkFolders } from "./cli/start/worker-folders.ts";
import { createWorkerFactory } from "./cli/worker-factory.ts";
import { openCliSpans } from "./cli-spans/cli-spans.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { checkSettings, noAuthentication } from "./config/checks.ts";
import { machineDisk } from "./config/disk.ts";
import { probeSettings } from "./config/probe-settings.ts";
import { workerBounds, workerUse } from "./config/profile-settings.ts";
import type { Settings } from "./config/settings.ts";
import { runnerVersion } from "./config/version.ts";
import { isNameOf } from "./conversations/kept-names.ts";
import { ModelWindows } from "./conversations/model-windows.ts";
import { profileDigests } from "./conversations/profile-digest.ts";
import { Authenticator, type AuthRules, defaultToken } from "./policy/auth.ts";
import { TurnReaders, TurnsInFlight } from "./policy/quota.ts";
import { Tenants } from "./policy/tenants.ts";
import type { WorkerPool } from "./pool/claim.ts";
import { shedReasons } from "./pool/shed-reason.ts";
import { untilWarm } from "./pool/warm.ts";
import { Pool } from "./pool/worker-pool.ts";
import { RunnerError } from "./runner-error.ts";
import { startAdmin } from "./server/admin.ts";
import {
  type Address,
  type HandedSockets,
  type ListeningPort,
  type PortName,
  ServerStartError,
} from "./server/connections/listener.ts";
import { exposureProblems } from "./server/exposure.ts";
import { startServers } from "./server/server.ts";
import { ensureTokenFile, type TokenFile } from "./server/token-file.ts";
import { healthService } from "./service/health-service.ts";
import { encodeResult, type ServedResult } from "./service/out/turn-encoder.ts";
import { poolService } from "./service/pool/pool-service.ts";
import { runnerService } from "./service/runner.ts";
import { sessionService } from "./service/sessions/session-service.ts";
import { readinessOf } from "./service/turn-readiness.ts";
import { turnService } from "./service/turns/turn-service.ts";
import { measuredStore } from "./sessions/measured-store.ts";
import { SessionLines, sessionKey } from "./sessions/session-lines.ts";
import { TranscriptCopies } from "./sessions/transcript-copies.ts";
import { TurnDesk } from "./sessions/turn-desk.ts";
import { openProbeSink } from "./standin/probe-sink.ts";
import { openStore } from "./store/open-store.ts";
import { storageReport } from "./store/storage-report.ts";
import type { StoreLimits } from "./store/store-limits.ts";
import { systemPromptOf } from "./system-prompt.ts";
import { observePool } from "./telemetry/gauges.ts";
import { observeKept } from "./telemetry/kept-gauges.ts";
import type { Log } from "./telemetry/log.ts";
import { startTelemetry } from "./telemetry/sdk.ts";
import { withoutRepeats } from "./telemetry/without-repeats.ts";
import { beginAtZero } from "./telemetry/zeros.ts";
import { LiveTurns } from "./turns/live-turns.ts";
import { RecentTurns } from "./turns/observers/recent-turns.ts";

/** How long the same reason why workers do not start is not repeated in the log, in milliseconds. */
const repeatedWarningMs = 60_000;

/** How long the last turns may take to be written down when their workers have ended, in milliseconds. */
const lastEndsMs = 5_000;

/** Ended turns that are in memory at once: what each takes beside its events is about 2 KB. */
const maxEndedInMemory = 20_000;

export interface RunnerOptions {
  readonly settings: Settings;
  /** Where the settings' environment variables are looked up. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  /** Ends a start that is under way. */
  readonly signal?: AbortSignal;
  /** Sockets that listen already; their addresses are those of the settings. Ports that have none here are opened. */
  readonly sockets?: HandedSockets;
  /** Whether the ports open before there are workers, or when `takeover.readyTimeoutMs` says. Default "at once". */
  readonly openPorts?: "at once" | "when warm";
}

/** How a server is stopped. */
export interface RunnerStopOptions {
  /** How long running turns may take, in milliseconds. Default `shutdown.drainTimeoutMs`. */
  readonly drainTimeoutMs?: number;
}

/** A running server. */
export interface Runner {
  readonly grpcAddress: Address;
  readonly webAddress: Address | undefined;
  readonly adminAddress: Address | undefined;
  /** The token that opens it, when the settings name none. */
  readonly tokenNotice: { readonly token: string; readonly file: string; readonly isNew: boolean } | undefined;
  /** Why turns cannot be served although the server is up: missing keys. */
  readonly missingCredentials: readonly MissingCredential[];
  readonly pool: Pool;
  /** The Claude Code program as it was found last. */
  cli(): CliState;
  /**
   * Takes new tokens, certificates and keys: all of them, or none. Throws when one of them cannot be used, or would open
   * the ports further than a start would; then everything is as it was.
   */
  reload(settings: Settings): Promise<void>;
  /** The ports that accept connections, and what listens on each. */
  listening(): ReadonlyMap<PortName, ListeningPort>;
  /**
   * Accepts no more connections from when it returns, since another server does so on the same sockets. Goes on to serve
   * what comes on the connections that there are until their clients have connected anew, and then stops as `stop` does,
   * with the time of `takeover.drainTimeoutMs`.
   */
  retire(): void;
  /** Finishes running turns, ends the rest, and leaves nothing running. A second call may only bring it nearer. */
  stop(options?: RunnerStopOptions): Promise<void>;
  /** Settles when the server has stopped. */
  readonly stopped: Promise<void>;
}

/** Starts a server, or throws and leaves nothing behind. Settings that contradict each other are refused. */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { settings, env, log, clock = systemClock, signal } = options;
  const { broken, warnings } = checkSettings(settings, machineDisk);
  if (broken.length > 0) {
    throw new Error(broken.map(({ path, problem }) => `${path.join(".")}: ${problem}`).join("\n"));
  }
  for (const warning of warnings) log.warn({}, warning);

  // What is opened is closed in reverse, also when something further down does not start.
  await using opened = new AsyncDisposableStack();

  const telemetry = startTelemetry({ settings: settings.telemetry, version: runnerVersion, log, clock });
  opened.defer(() => telemetry.stop());

  const cliSpans = await openCliSpans({ settings: settings.telemetry, log, clock });
  if (cliSpans !== undefined) opened.defer(() => cliSpans.stop());

  const folders = await openWorkFolders(settings, log);
  opened.defer(() => folders.close());

  const keeper = new CliKeeper({
    locator: new CliLocator({ path: settings.cli.path, env, clock }),
    probe: async (cli, signal) => {
      await using sink = await openProbeSink();
      return await probeCli({ cli, sink, settings: probeSettings(sink.url), folders, clock, log, signal });
    },
    log,
  });
  opened.defer(async () => void (await keeper.stop()));

  const credentials = new Credentials({ settings: settings.credentials, env, clock, log });
  const missingCredentials = await credentials.open(
    new Set(Object.values(settings.profiles).map(({ credential }) => credential)),
  );
  opened.defer(() => credentials.stop());

  const tenants = new Tenants(settings.auth.tokens, (profile) => settings.profiles[profile]?.tenant);
  // After the folders: what an earlier server left running is ended before a turn of it is.
  const openedStore = await openStore({
    kind: settings.store.kind,
    folder: settings.store.folder,
    clock,
    log,
    limits: storeLimits(settings.store),
    powerSafeAll: settings.store.powerSafeAll,
    weightOf: (tenant) => tenants.weightOf(tenant),
  });
  const store = measuredStore(openedStore.store, clock);
  const storage = () => storageReport(openedStore);
  opened.defer(() => store[Symbol.asyncDispose]());
  const live = new LiveTurns<ServedResult>(clock, {
    retentionMs: settings.store.turnEventsMs,
    maxEventBytes: settings.store.maxMemoryEventBytes,
    maxEndedCount: maxEndedInMemory,
  });
  // After the workers have ended, and before the store does: each turn's end is still written down.
  opened.defer(async () => {
    live.stopAll(new RunnerError("DRAINED", "the server is shutting down"));
    await Promise.race([live.idle(), sleep(clock, lastEndsMs)]);
    live.close();
  });

  const tie = await tiedToServer(clock);
  const factory = createWorkerFactory({
    cli: () => keeper.locate(),
    profiles: settings.profiles,
    credentials,
    pool: settings.pool,
    maxLineBytes: settings.cli.maxLineBytes,
    maxTranscriptBytes: settings.cli.maxTranscriptBytes,
    eventBufferSize: settings.calls.eventBufferSize,
    maxEventsPerTurn: settings.calls.maxEventsPerTurn,
    capabilities: (cli) => keeper.capabilitiesOf(cli),
    folders,
    // The tie goes round all that the others put round the command.
    resources: [cliSpans, tie].filter((resource) => resource !== undefined),
    clock,
    log,
  });
  signal?.throwIfAborted();
  const pool = new Pool({
    profiles: Object.fromEntries(
      Object.entries(settings.profiles).map(([name, profile]) => [
        name,
        {
          ...workerBounds(profile),
          ...workerUse(profile),
          keptPlaces: profile.keptPlaces,
        },
      ]),
    ),
    settings,
    tenants,
    startWorker: (profile, signal, session) => factory.start(profile, signal, session),
    clock,
    random: Math.random,
    // Workers are tried again and again; why they do not start is said once in a while.
    log: withoutRepeats(log, {
      clock,
      intervalMs: repeatedWarningMs,
      alreadyTold: missingCredentials.map(({ why }) => why),
    }),
  });
  opened.defer(() => pool.stop());
  credentials.watch(() => pool.replaceOutdated());
  const turnsPool: WorkerPool = {
    async claim(request) {
      const refusal = pool.refusalAtOnce(request);
      if (refusal !== undefined) throw refusal;
      // A key that was just replaced is not to be used once more.
      const profile = settings.profiles[request.profile];
      if (profile !== undefined) await credentials.look(profile.credential);
      return pool.claim(request);
    },
  };

  const inFlight = new TurnsInFlight(settings.auth.maxTurnsInFlightPerTenant);
  opened.defer(observePool(pool, inFlight, settings.pool.memoryBudgetBytes));
  const readers = new TurnReaders(settings.calls.maxTurnReadersPerTenant);
  opened.defer(observeKept({ store, live, readers, maxContentBytes: settings.store.maxBytes }));
  beginAtZero(Object.keys(settings.profiles), shedReasons);

  const { rules, found: tokenNotice } = await authRules(settings);
  for (const warning of tokenNotice?.warnings ?? []) log.warn({}, warning);
  const authenticator = new Authenticator(rules);
  signal?.throwIfAborted();
  const authenticate = (authorization: string | undefined) => authenticator.authenticate(authorization);
  const recentTurns = new RecentTurns();
  if (options.openPorts === "when warm") {
    pool.start();
    const { readyTimeoutMs } = settings.takeover;
    if (!(await untilWarm(pool, { timeoutMs: readyTimeoutMs, clock, signal }))) {
      throw new ServerStartError(
        `takeover: no turn could be served within ${readyTimeoutMs / 1_000} s (takeover.readyTimeoutMs), for the reasons ` +
          "in the log; the running server goes on",
      );
    }
  }
  const readiness = readinessOf({ pool, store, clock });
  const admin = settings.admin.enabled
    ? await startAdmin({
        settings: settings.admin,
        isReady: () => readiness.isServing(),
        problem: () => storage().problem?.forOperators,
        socket: options.sockets?.get("admin"),
        ...(telemetry.metricsHandler && { metrics: telemetry.metricsHandler }),
      })
    : undefined;
  if (admin !== undefined) opened.defer(() => admin.stop());

  const desk = new TurnDesk<ServedResult>({
    store,
    live,
    lines: new SessionLines(),
    clock,
    log,
    limits: {
      sessionQueueTimeoutMs: settings.calls.sessionQueueTimeoutMs,
      detachedQueueTimeoutMs: settings.calls.maxTimeoutMs,
      maxUnreadTurnsPerTenant: settings.calls.maxUnreadTurnsPerTenant,
      powerSafeAll: settings.store.powerSafeAll,
    },
    enter: (tenant) => inFlight.enter(tenant),
    encodeResult,
    cliVersion: () => keeper.info().version ?? "",
    transcripts: new TranscriptCopies(store),
    toolSessions: (profile) => settings.profiles[profile] ?? { onIncomplete: "keep", onContextFull: "compact" },
    contextLimits: (profile) => settings.profiles[profile] ?? {},
    profileDigest: profileDigests(settings.profiles),
    systemPrompt: (profile, asked) => {
      const of = settings.profiles[profile];
      if (of === undefined) throw new Error(`bug: a turn of the profile ${profile}, which there is not`);
      return systemPromptOf(of, asked);
    },
    windows: new ModelWindows(),
  });

  const servers = await startServers({
    settings,
    turnsEnded: () => live.idle(),
    services: [
      runnerService({
        pool: turnsPool,
        desk,
        live,
        store,
        readers,
        authenticate,
        clock,
        spans: cliSpans,
        profiles: settings.profiles,
        log,
        recentTurns,
        settings,
        serverVersion: runnerVersion,
        cli: () => keeper.info(),
        storage,
      }),
      sessionService({
        store,
        live,
        profiles: settings.profiles,
        expiry: settings.store,
        clock,
        log,
        forgetConversation: (session) => pool.forget((name) => isNameOf(name, sessionKey(session))),
      }),
      turnService({
        store,
        live,
        readers,
        profiles: settings.profiles,
        calls: settings.calls,
        authenticate,
        clock,
        log,
      }),
      poolService({ pool, recentTurns, clock, profiles: settings.profiles, authenticate }),
      healthService(readiness),
    ],
    authenticate,
    log,
    clock,
    ...(options.sockets && { sockets: options.sockets }),
  });
  opened.defer(() => servers.stop({ drainTimeoutMs: 0 }));
  signal?.throwIfAborted();
  if (options.openPorts !== "when warm") pool.start();

  const parts = opened.move();
  let stopping: Promise<void> | undefined;
  let isRetiring = false;
  const stop = async (noticeMs: number, drainTimeoutMs: number) => {
    void pool.drain(); // health says so at once
    if (noticeMs > 0) await new Promise<void>((resolve) => clock.after(noticeMs, resolve));
    await servers.stop({ drainTimeoutMs });
    await parts.disposeAsync();
  };
  const stopped = Promise.withResolvers<void>();
  const stopOnce = (noticeMs: number, drainTimeoutMs: number) => {
    stopping ??= stop(noticeMs, drainTimeoutMs).then(stopped.resolve, stopped.reject);
    return stopping;
  };
  return {
    grpcAddress: servers.grpc,
    webAddress: servers.web,
    adminAddress: admin?.address,
    tokenNotice,
    missingCredentials,
    pool,
    cli: () => keeper.state(),
    async reload(fresh) {
      // Addresses stay as they are, so what may be opened to whom is asked of them.
      const problems = exposureProblems({ ...settings, auth: fresh.auth });
      if (problems.length > 0) throw new Error(problems.join("\n"));
      const { rules: freshRules } = await authRules(fresh);
      const takeTls = await servers.prepareTls(fresh);
      await credentials.check();
      // All of it can be used. From here on nothing fails.
      takeTls();
      authenticator.reload(freshRules);
      tenants.reload(fresh.auth.tokens);
      await credentials.lookAtAll();
      if (fresh.auth.insecureNoAuth) log.warn({}, noAuthentication);
    },
    listening() {
      const ports = new Map(servers.listening());
      if (admin?.server.listening) ports.set("admin", admin);
      return ports;
    },
    retire() {
      if (isRetiring) return;
      isRetiring = true;
      admin?.retire();
      const { drainTimeoutMs = settings.calls.maxTimeoutMs } = settings.takeover;
      // How it ends is said by `stopped`.
      void servers
        .retire({ drainTimeoutMs, nothingMoreComes: () => pool.windDown() })
        .then(() => stopOnce(0, 0).catch(() => undefined));
    },
    stop({ drainTimeoutMs } = {}) {
      const { shutdown } = settings;
      const ended = stopOnce(isRetiring ? 0 : shutdown.noticeMs, shutdown.drainTimeoutMs);
      if (drainTimeoutMs !== undefined) void servers.stop({ drainTimeoutMs });
      return ended;
    },
    stopped: stopped.promise,
  };
}

/** The settings of the store as it takes them. */
function storeLimits(store: Settings["store"]): StoreLimits {
  const { turnRecordMs, turnEventsMs, requestResultMs } = store;
  const { maxBytes, maxBytesPerTenant, maxSessionsPerTenant, maxRequestIdsPerTenant, maxTurnsPerTenant } = store;
  return {
    retention: { turnRecordMs, turnEventsMs, requestResultMs },
    caps: { maxBytes, maxBytesPerTenant, maxSessionsPerTenant, maxRequestIdsPerTenant, maxTurnsPerTenant },
  };
}

async function openWorkFolders({ cli }: Settings, log: Log): Promise<WorkFolders> {
  try {
    return await WorkFolders.open(cli.workFolder, log);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    const which = cli.workFolder ?? `the system's temporary folder ${tmpdir()}`;
    const why = code === "ENOENT" || code === "ENOTDIR" ? "is no folder" : `cannot be written (${code})`;
    throw new ServerStartError(`cli.workFolder: ${which} ${why}; name another folder`, { cause: error });
  }
}

const noTokenPlace =
  "auth.tokenFile: this user has no home folder to keep the token of the first start in; name a file in auth.tokenFile, " +
  "or put tokens into auth.tokens (`claude-runner token` makes one)";

/** Who may call: the tokens of the settings, or else the one of the token file, which is made if it is missing. */
async function authRules({
  auth,
}: Settings): Promise<{ rules: AuthRules; found?: TokenFile & { readonly file: string } }> {
  if (auth.tokens.length > 0 || auth.insecureNoAuth) return { rules: auth };
  if (auth.tokenFile === undefined) throw new ServerStartError(noTokenPlace);
  const found = await ensureTokenFile(auth.tokenFile);
  const rules = { tokens: [defaultToken(found.token)], insecureNoAuth: false };
  return { rules, found: { ...found, file: auth.tokenFile } };
}
