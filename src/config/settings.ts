/**
 * Every setting: its name with unit, its meaning, its default, and when to change it.
 *
 * These files (`profile-settings.ts` has those of profiles) are the one place where a setting is described:
 * `docs/operations.md`, `claude-runner settings` and the validation of the YAML file, the environment and the flags are all
 * made from them. Reading those sources is `load.ts`.
 */
import { z } from "zod";
import { forwardedHeaders, isAddressRange } from "../policy/addresses.ts";
import { defaultMemoryBudgetBytes, machineMemory, minMemoryBudgetBytes } from "./machine-memory.ts";
import { credential, profile } from "./profile-settings.ts";
import {
  about,
  collectorUrl,
  cores,
  essential,
  file,
  forTests,
  hostName,
  mebibytes,
  ms,
  name,
  origin,
  port,
} from "./setting-parts.ts";

const addressRange = z
  .string()
  .refine(isAddressRange, "an address or a range of addresses, such as `10.0.0.0/8` or `::1`");

const tls = z.strictObject({
  certFile: essential(file, "The certificate chain, a PEM file."),
  keyFile: essential(file, "The private key, a PEM file."),
  clientCaFile: about(
    file.optional(),
    "The authorities for mutual TLS, a PEM file. Clients must present a certificate that one of them has signed.",
  ),
});

const token = z.strictObject({
  tenant: about(name, "The tenant that the token belongs to."),
  sha256: about(
    z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits in lower case"),
    "The SHA-256 of the token. `claude-runner token` makes a token and its hash.",
  ),
  profiles: about(
    z.array(z.union([name, z.literal("*")])).default(["*"]),
    "The profiles that a caller with this token may name; `*` means all that are not another tenant's.",
  ),
  operator: about(
    z.boolean().default(false),
    "Whether PoolService shows the workers and counts of all tenants, with their names, to callers with this token. It never shows another tenant's turns.",
    "For the people who run the server. Such a token may call nothing that others may not.",
  ),
  weight: about(
    z.number().min(0.01).max(100).default(1),
    "The tenant's share of the workers and of the queue when several tenants want them, relative to the others. The largest weight among a tenant's tokens counts.",
    "Set 2 for a tenant that should get twice as much as each of the others.",
  ),
});

/** Nothing is kept for longer than this, in milliseconds. */
const maxKeepMs = 30 * 24 * 3_600_000;
const maxSessionMs = 365 * 24 * 3_600_000;

export const settingsSchema = z.strictObject({
  grpc: z
    .strictObject({
      host: essential(
        z.string().min(1).default("127.0.0.1"),
        "The address of the gRPC port.",
        "An address other than loopback needs TLS (or `behindProxy`) and a token in the settings.",
      ),
      port: essential(port.default(7433), "The gRPC port. 0 means any free port."),
      tls: about(tls.optional(), "The certificate and key of the gRPC port. Absent: no TLS."),
      maxConcurrentStreams: about(z.number().int().min(1).default(100), "The most calls at once on one connection."),
      maxConnectionAgeMs: about(
        ms().default(1_800_000),
        "The age of a connection, in milliseconds and give or take 10 %, at which the client is asked to connect again. 0: never.",
      ),
      keepaliveTimeMs: forTests(
        ms().min(1000).default(30_000),
        "How long a connection may be silent before it is pinged, in milliseconds.",
      ),
      keepaliveTimeoutMs: forTests(
        ms().min(100).default(20_000),
        "How long a ping may stay unanswered before its connection is closed, in milliseconds.",
      ),
    })
    .prefault({}),
  web: z
    .strictObject({
      enabled: about(z.boolean().default(true), "Whether the web port is opened."),
      host: essential(
        z.string().min(1).default("127.0.0.1"),
        "The address of the web port.",
        "An address other than loopback needs TLS (or `behindProxy`) and a token in the settings.",
      ),
      port: essential(
        port.default(7434),
        "The web port: Connect, gRPC-Web, JSON and gRPC, over HTTP/1.1 and HTTP/2. 0 means any free port.",
      ),
      tls: about(
        tls.optional(),
        "The certificate and key of the web port. Absent: no TLS, and browsers then open at most six connections to the server.",
      ),
      allowedHosts: essential(
        z.array(hostName).default([]),
        "Host names that a request may be addressed to, in addition to the loopback names.",
        "Add the public name of the server. Requests to any other name are refused, so that no other site can point its name at this server.",
      ),
      allowedOrigins: essential(
        z.array(origin).default([]),
        "Web origins that browsers may call from, such as `https://app.example.com`. Exact, without wildcards.",
      ),
      allowUnknownJsonFields: about(
        z.boolean().default(false),
        "Whether unknown fields of a JSON request are ignored. If not, such a request is refused, and the error names the field.",
        "For clients that are newer than the server. A misspelt limit then has no effect.",
      ),
      page: about(
        z.boolean().default(true),
        "Whether the web port serves a page for browsers at `/`, with a chat and a view of the pool. The page calls this server as any client does.",
        "Loading the page needs no token, but everything that it calls does.",
      ),
    })
    .prefault({}),
  admin: z
    .strictObject({
      enabled: about(
        z.boolean().default(true),
        "Whether the admin port is opened. It serves /metrics, /healthz and /readyz, without authentication.",
      ),
      host: about(
        z.string().min(1).default("127.0.0.1"),
        "The address of the admin port.",
        "An address other than loopback needs `admin.allowedAddresses`.",
      ),
      allowedAddresses: about(
        z.array(addressRange).default([]),
        "Addresses that may use the admin port, in addition to loopback. It has no authentication.",
        "For Prometheus, or a cluster's probes, on other machines. Keep the ranges as small as possible.",
      ),
      port: about(port.default(7435), "The admin port. 0 means any free port."),
    })
    .prefault({}),
  behindProxy: essential(
    z.boolean().default(false),
    "Whether a proxy in front of the server does TLS, so that addresses other than loopback may be opened without it.",
  ),
  trustedProxies: about(
    z.array(addressRange).default([]),
    "The addresses of the proxies in front of this server. Traffic from them counts for the address that they forward.",
    "Set it behind a proxy. Connections, calls and bytes are shared by address, so without it all callers behind the proxy count as one.",
  ),
  forwardedHeader: about(
    z.enum(forwardedHeaders).default("x-forwarded-for"),
    "The header in which the `trustedProxies` forward the caller's address. It is trusted only from them, and read from its right end.",
    "The proxy must set or extend exactly this header: a caller can invent whatever the proxy passes on unchanged.",
  ),
  connections: z
    .strictObject({
      maxPerPort: about(
        z.number().int().min(10).max(100_000).default(1_000),
        "The most connections at once on the gRPC port, and on the web port. One address may hold no more than are left free: half of them if it is alone, a third if two addresses want all.",
        "Raise it together with the limit on open files. An IPv6 address counts by its /64; `trustedProxies` are not held to a share.",
      ),
      anonymousIdleTimeoutMs: about(
        ms().min(100).default(20_000),
        "How long a connection on which no call has presented a valid token may be idle before it is closed, in milliseconds. Health checks and open health watches count as activity; pings do not.",
        "Set it above the interval of a load balancer's health checks if the load balancer should keep its connection between them. Connecting again does no harm.",
      ),
    })
    .prefault({}),
  auth: z
    .strictObject({
      tokens: essential(z.array(token).default([]), "The tokens that callers may use. Read again on SIGHUP."),
      tokenFile: about(
        file.optional(),
        "The file for the token that the first start makes. It has mode 0600.",
        undefined,
        "`token` in the state folder",
      ),
      insecureNoAuth: about(
        z.boolean().default(false),
        "Whether calls need no token. Every caller is then the tenant `anonymous`, with an operator's view of the pool. Allowed on loopback addresses only.",
      ),
      maxTurnsInFlightPerTenant: about(
        z
          .number()
          .int()
          .min(1)
          .max(100_000)
          .default(Math.max(16, 8 * cores)),
        "The most turns of one tenant at once, waiting ones included.",
        "One more fails with RESOURCE_EXHAUSTED.",
        "8 per core, at least 16",
      ),
      reflection: about(
        z.enum(["auto", "on", "off"]).default("auto"),
        "Whether server reflection is served. `auto` serves it only while every address is loopback.",
      ),
    })
    .prefault({}),
  cli: z
    .strictObject({
      path: about(
        file.optional(),
        "The Claude Code program. Absent: the one installed with claude-runner, or else `claude` on PATH.",
      ),
      recheckIntervalMs: forTests(
        ms().min(100).default(5_000),
        "How often the server looks again for a missing or unusable program, in milliseconds.",
      ),
      maxTranscriptBytes: about(
        z
          .number()
          .int()
          .min(65_536)
          .default(64 * mebibytes),
        "The longest transcript of a session with tools, in bytes. A session beyond it is suspended.",
        "Each restart of such a session's worker reads it. About 8 KB for a turn with one short command.",
      ),
      maxLineBytes: forTests(
        z
          .number()
          .int()
          .min(65_536)
          .default(32 * mebibytes),
        "The longest line that a worker may write, in bytes. A worker that writes a longer one is ended.",
      ),
      workFolder: about(
        file.optional(),
        "The folder in which the private folders of workers are made.",
        "Use a fast local disk, for instance tmpfs.",
        "the system's temporary folder",
      ),
    })
    .prefault({}),
  credentials: about(
    z
      .record(name, credential)
      .default({ default: { apiKeyEnv: "ANTHROPIC_API_KEY", baseUrlEnv: "ANTHROPIC_BASE_URL", passEnv: [] } }),
    "The addresses of model APIs and what gives access to them, by name.",
  ),
  profiles: about(
    z.record(name, profile).prefault({ default: {} }),
    "The profiles that callers choose from, by name. A request that names none gets `default`.",
  ),
  pool: z
    .strictObject({
      maxStartingWorkers: about(
        z.number().int().min(1).default(cores),
        "The most workers that may be starting at once.",
        "More than there are cores slows down running turns.",
        "the number of cores",
      ),
      memoryBudgetBytes: about(
        z.number().int().min(minMemoryBudgetBytes).default(defaultMemoryBudgetBytes(machineMemory())),
        "The memory that all workers together may use, in bytes. Beyond it idle workers are ended, the least recently used first, and none is started.",
        undefined,
        "half of the machine's memory, or of the container's limit",
      ),
      workerNice: about(
        z.number().int().min(0).max(19).default(5),
        "The nice value of workers: the higher it is, the less of a busy CPU they get compared with the server, which answers callers and health checks for all of them and itself uses little. On Linux with autogroups only.",
        "Set 10 if nothing else runs on the machine: with eight busy workers on two cores, health checks are then answered two to four times as fast at the same number of turns per second. Set 0 if other programs must not take CPU from the workers. `npm run bench -- --only health` measures the difference.",
      ),
      startTimeoutMs: about(
        ms().min(100).default(20_000),
        "How long a worker may take from its start to its first answer, in milliseconds.",
      ),
      startFailuresToBreak: forTests(
        z.number().int().min(1).default(5),
        "After this number of failed starts in a row, whatever their cause, workers of the profile are started one at a time, with a pause before each, until a start succeeds.",
      ),
      startRetryMs: forTests(
        ms().min(100).default(15_000),
        "The pause between start attempts while starts are failing, in milliseconds. If workers of the profile have started before, the first pause is a sixteenth of it and each further one twice as long as the last, and waiting turns are refused only after starts have failed for a minute, or for five minutes if something killed each start.",
      ),
      checkIdleAfterMs: forTests(
        ms().min(100).default(30_000),
        "A worker that has been idle for longer than this, in milliseconds, must answer a check before it is given a turn.",
      ),
      checkTimeoutMs: forTests(
        ms().min(10).default(1_000),
        "How long an idle worker may take to answer the check of `pool.checkIdleAfterMs`, in milliseconds.",
      ),
      resetWaitMs: forTests(
        ms().default(250),
        "How long a turn waits for a suitable worker that is being reset before it takes a spare, in milliseconds.",
      ),
      warmWorkerMs: about(
        ms().default(10_000),
        "How long a tenant's last idle worker is kept for it, in milliseconds, while other tenants that have as many workers need a place.",
        "Raise it if warm workers matter more than the number of turns at once.",
      ),
      maxTurnsPerWorker: about(
        z.number().int().min(1).default(5_000),
        "A worker is ended after this number of turns.",
        "Keep it high: old workers are faster than young ones.",
      ),
      maxWorkerAgeMs: about(
        ms(30 * 24 * 3_600_000)
          .min(1000)
          .default(4 * 3_600_000),
        "A worker is ended at this age, in milliseconds and give or take 10 %, but never mid-turn.",
      ),
      maxWorkerMemoryBytes: about(
        z
          .number()
          .int()
          .min(64 * mebibytes)
          .default(600 * mebibytes),
        "A worker with more private memory than this, in bytes, is ended after its turn.",
      ),
      maxIdleCpuPercent: forTests(
        z.number().min(1).max(100).default(20),
        "An idle worker that uses more than this share of a core, in percent over 10 seconds, is ended.",
      ),
      sampleIntervalMs: forTests(
        ms().min(100).default(10_000),
        "How often the memory and CPU of workers are measured, in milliseconds.",
      ),
      boundIdleTimeoutMs: about(
        ms()
          .min(1000)
          .default(30 * 60_000),
        "A bound worker that has been idle for this long, in milliseconds, is ended.",
      ),
      silenceTimeoutMs: forTests(
        ms().min(1000).default(120_000),
        "A worker that is silent for this long during a turn, in milliseconds, is asked whether it is alive, and is considered dead if it does not answer. If it answers, the turn waits for a silent model as long as the profile's `upstreamIdleTimeoutMs` allows, and for a tool as long as the turn may take. A silent worker that waits for neither is considered dead at once.",
      ),
      controlTimeoutMs: forTests(
        ms().min(100).default(10_000),
        "How long a worker may take to answer a control request or to read a line, in milliseconds.",
      ),
      interruptTimeoutMs: forTests(
        ms().min(100).default(5_000),
        "How long an interrupted turn may take to end before its worker is killed, in milliseconds.",
      ),
      stopTimeoutMs: forTests(
        ms().min(10).default(5_000),
        "How long a worker may take to exit after SIGTERM before it gets SIGKILL, in milliseconds.",
      ),
    })
    .prefault({}),
  queue: z
    .strictObject({
      maxLength: about(
        z.number().int().min(0).max(100_000).default(64),
        "The most turns of a profile that may wait for a worker.",
        "One more fails with UNAVAILABLE and the reason QUEUE_FULL.",
      ),
      timeoutMs: about(
        ms().default(30_000),
        "How long a turn may wait for a worker, in milliseconds. If the call's deadline is shorter, it applies. 0: turns never wait.",
        "Lower it when callers retry elsewhere.",
      ),
      overtakeMs: forTests(
        ms(60_000).default(1_000),
        "How long turns that fit an idle worker may overtake a waiting turn of the same tenant that does not fit it, in milliseconds.",
      ),
      maxOvertakeMs: about(
        ms(60_000).default(10_000),
        "How much more worker time a tenant whose turns fit idle workers may get before a waiting tenant that needs a new worker gets a place, in milliseconds of one worker.",
        "Within this bound the server uses the time of ten starts, so that changes of tenant cost little. Lower it if tenants that seldom call must not wait, at the price of more starts under load.",
      ),
    })
    .prefault({}),
  calls: z
    .strictObject({
      defaultTimeoutMs: about(ms().min(1).default(600_000), "The deadline of calls that set none, in milliseconds."),
      maxTimeoutMs: about(
        ms().min(1).default(3_600_000),
        "The longest deadline that a call may have, in milliseconds. Longer ones are shortened to it.",
      ),
      heartbeatMs: about(
        ms().min(100).default(10_000),
        "How long a turn's stream may be silent before it gets a heartbeat, in milliseconds.",
      ),
      stalledReaderMs: about(
        ms().min(100).default(60_000),
        "How long a caller may hold up a turn by not reading, in milliseconds. After that the turn is ended with the reason CLIENT_STALLED.",
      ),
      sessionQueueTimeoutMs: about(
        ms().min(1).default(30_000),
        "How long a turn with BUSY_POLICY_QUEUE waits for the earlier turns of its session, in milliseconds. One with ON_DISCONNECT_CONTINUE waits up to `calls.maxTimeoutMs`.",
      ),
      maxUnreadTurnsPerTenant: about(
        z.number().int().min(0).max(100_000).default(100),
        "The most turns of one tenant with ON_DISCONNECT_CONTINUE that go on although nobody reads them.",
      ),
      maxTurnReadersPerTenant: about(
        z.number().int().min(1).max(100_000).default(256),
        "The most calls of one tenant at once that read turns of other calls: by AttachTurn, or by sending a `request_id` again. One turn has 64 readers at most.",
      ),
      eventBufferSize: forTests(
        z.number().int().min(16).default(512),
        "The number of events that are held for a slow caller before the server stops reading the worker's output.",
      ),
      maxEventsPerTurn: about(
        z.number().int().min(100).default(200_000),
        "The most that Claude Code may report in one turn, counted in lines and in the blocks within them. Beyond it the turn ends as at its output limit.",
        "Raise it for turns that write more than about half a million tokens. It bounds the cost of a model API that sends its answer byte by byte.",
      ),
      maxRequestBytes: about(
        z
          .number()
          .int()
          .min(1024)
          .default(32 * mebibytes),
        "The largest request of StreamChat and Chat, in bytes, both as sent and uncompressed. Requests of other methods may have 8 KiB.",
        "A compressed request (gzip, deflate) may expand to 1 MiB plus 100 times what was sent, and to this size at most.",
      ),
      maxRequestBytesInFlight: about(
        z
          .number()
          .int()
          .min(1024)
          .default(256 * mebibytes),
        "The most bytes of all requests that are being read, together. Those of one tenant, or of one address, may be no more than are left free: half of them if it is alone.",
        "Must be at least twice `calls.maxRequestBytes`.",
      ),
      requestTimeoutMs: about(
        ms().min(1_000).default(30_000),
        "How long a request may take to arrive, in milliseconds. Streamed requests have no such limit.",
        "Raise it for large pictures and documents on slow lines: 24 MiB within 30 seconds need 6.7 Mbit/s.",
      ),
      maxOpen: about(
        z.number().int().min(10).max(1_000_000).default(4_096),
        "The most calls at once on both ports together. One tenant, or one address, may have no more than are left free: half of them if it is alone.",
        "Turns have a separate limit, `auth.maxTurnsInFlightPerTenant`. Health checks are counted separately.",
      ),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      noticeMs: about(
        ms().default(0),
        "How long the server reports NOT_SERVING before it stops accepting calls, in milliseconds, so that load balancers notice.",
        "Set 5000 behind a load balancer.",
      ),
      drainTimeoutMs: about(
        ms().default(120_000),
        "How long running turns may take to end at shutdown, in milliseconds.",
      ),
    })
    .prefault({}),
  store: z
    .strictObject({
      kind: about(
        z.enum(["auto", "sqlite", "memory"]).default("auto"),
        "Where sessions, and what is known about turns, are kept. `sqlite`: in files, which survive restarts. `memory`: nowhere else. `auto`: in files if `store.folder` can be written and is on a local disk, else in memory, with a warning.",
        "Set `sqlite` if a server that cannot keep its sessions should not start.",
      ),
      folder: about(
        file.optional(),
        "The folder of the store's files. It must be on a local disk, and no other program may write to it.",
        "`claude-runner store backup` makes a copy, also while a server runs.",
        "`store` in the state folder",
      ),
      powerSafeAll: about(
        z.boolean().default(false),
        "Whether everything that is written survives a power cut. If not, turns with a `request_id` and the ends of sessions' turns do, and everything survives the death of the server's process.",
        "Each turn then waits for the disk before its prompt, which is one fsync.",
      ),
      turnRecordMs: about(
        ms(maxKeepMs)
          .min(60_000)
          .default(24 * 3_600_000),
        "How long a turn without a session stays known after its end, in milliseconds: its times, outcome, tokens and cost, without its words.",
      ),
      turnEventsMs: about(
        ms(maxKeepMs).default(600_000),
        "How long the events of a turn can be read after its end, in milliseconds. They are in memory; those of a turn with `on_disconnect: ON_DISCONNECT_CONTINUE` are in the store as well.",
      ),
      maxMemoryEventBytes: about(
        z
          .number()
          .int()
          .min(mebibytes)
          .default(256 * mebibytes),
        "The most memory for the events of all turns together, and for the answers of those that ended, in bytes. Beyond it the turns that ended first leave memory before their time; what the store has of them can still be read.",
      ),
      requestResultMs: about(
        ms(maxKeepMs)
          .min(60_000)
          .default(24 * 3_600_000),
        "How long a `request_id` is remembered with its result after the end of its turn, in milliseconds.",
      ),
      sessionIdleExpiryMs: about(
        ms(maxSessionMs)
          .min(60_000)
          .default(30 * 24 * 3_600_000),
        "How long a session is kept after something last happened in it, in milliseconds, if its caller asks for nothing else.",
      ),
      maxSessionIdleExpiryMs: about(
        ms(maxSessionMs)
          .min(60_000)
          .default(90 * 24 * 3_600_000),
        "The longest expiry that a caller may ask for, in milliseconds.",
      ),
      maxBytes: about(
        z
          .number()
          .int()
          .min(16 * mebibytes)
          .default(10_240 * mebibytes),
        "The most words, results and events of all tenants together, in bytes. The last tenth is kept for the ends of accepted turns. No tenant may hold more than its weight times what is free: half of the store if it is alone, a third if two tenants want everything.",
        "The files are somewhat larger. Keep so much of the disk free.",
      ),
      maxBytesPerTenant: about(
        z
          .number()
          .int()
          .min(mebibytes)
          .default(4_096 * mebibytes),
        "The most words, results and events of one tenant, in bytes. At the limit its oldest events are dropped, then its expired sessions; then what is new fails with QUOTA_EXCEEDED.",
      ),
      maxSessionsPerTenant: about(
        z.number().int().min(1).max(10_000_000).default(100_000),
        "The most sessions of one tenant.",
      ),
      maxRequestIdsPerTenant: about(
        z.number().int().min(1).max(10_000_000).default(200_000),
        "The most `request_id`s of one tenant. Beyond it those are forgotten whose turns ended first; those of running turns never are.",
      ),
      maxTurnsPerTenant: about(
        z.number().int().min(100).max(100_000_000).default(1_000_000),
        "The most turns of one tenant without a session that are known at once. Beyond it those are forgotten that ended first.",
        "A turn takes about 1 kB.",
      ),
    })
    .prefault({}),
  takeover: z
    .strictObject({
      enabled: about(
        z.boolean().default(true),
        "Whether another server of the same user may take the ports over from this one (`claude-runner serve --takeover`).",
      ),
      socketFile: about(
        file.optional(),
        "The Unix socket at which a new server asks the running one for its ports. It has mode 0600. Its path may have 90 bytes.",
        "Name a file for each of several servers that share a state folder. The running server and the new one must have the same.",
        "`takeover.sock` in the state folder",
      ),
      readyTimeoutMs: about(
        ms().min(100).default(60_000),
        "How long a server that takes over may take until every profile has its spares, in milliseconds. After that it takes over if it can serve any turn at all, and otherwise ends and leaves everything to the running server.",
      ),
      drainTimeoutMs: about(
        ms().optional(),
        "How long running turns of a server that was taken over may take to end, in milliseconds. A signal to stop puts `shutdown.drainTimeoutMs` in its place.",
        "Lower it if two servers on one machine need more memory than there is.",
        "`calls.maxTimeoutMs`",
      ),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      otlpEndpoint: essential(
        collectorUrl.optional(),
        "The OTLP collector, over HTTP, that traces and metrics are sent to, such as `http://127.0.0.1:4318`. Absent: they are not sent.",
      ),
      serviceName: about(z.string().min(1).default("claude-runner"), "The service name on traces and metrics."),
      traceSampleRatio: about(
        z.number().min(0).max(1).default(1),
        "The share of turns that are traced, from 0 to 1. If the caller sends a trace context, the caller's decision applies.",
      ),
      cliSpans: about(
        z.boolean().default(false),
        "Whether the spans that Claude Code itself makes (model requests with their retries, tools, sub-agents) join the traces of turns. A beta feature, as it is in Claude Code.",
        "Set it to see what a slow turn did inside Claude Code. Costs 2 to 3 ms of CPU per turn and 9 MB per worker, and needs `telemetry.otlpEndpoint`.",
      ),
      tracesIntervalMs: forTests(ms().min(10).default(5_000), "How often spans are sent, in milliseconds."),
      metricsIntervalMs: forTests(ms().min(100).default(15_000), "How often metrics are sent, in milliseconds."),
      prometheus: about(z.boolean().default(true), "Whether the admin port serves /metrics."),
      logLevel: essential(
        z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
        "The lowest level that is logged. The log is JSON lines on stderr.",
      ),
    })
    .prefault({}),
});

/** Every setting, complete: each default is filled in. */
export type Settings = z.output<typeof settingsSchema>;
export type TlsSettings = z.output<typeof tls>;
