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
    "Clients need a certificate signed by one of these authorities (mutual TLS), a PEM file.",
  ),
});

const token = z.strictObject({
  tenant: about(name, "The tenant that the token stands for."),
  sha256: about(
    z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits in lower case"),
    "The SHA-256 of the token; `claude-runner token` makes both.",
  ),
  profiles: about(
    z.array(z.union([name, z.literal("*")])).default(["*"]),
    "The profiles that the token may name; `*` for all that are not another tenant's.",
  ),
  operator: about(
    z.boolean().default(false),
    "Whether PoolService tells its holder about all tenants: their names, workers and counts, never their turns.",
    "For whoever runs the server. It gives nothing else.",
  ),
  weight: about(
    z.number().min(0.01).max(100).default(1),
    "How large a part of the workers and of the queue the tenant gets when several want them, in comparison with other tenants. The largest weight of a tenant's tokens counts.",
    "2 for a tenant that is to get twice what each of the others gets.",
  ),
});

export const settingsSchema = z.strictObject({
  grpc: z
    .strictObject({
      host: essential(
        z.string().min(1).default("127.0.0.1"),
        "The address of the gRPC port.",
        "Anything but a loopback address needs TLS (or `behindProxy`) and a configured token.",
      ),
      port: essential(port.default(7433), "The gRPC port. 0 takes any free one."),
      tls: about(tls.optional(), "TLS of the gRPC port."),
      maxConcurrentStreams: about(z.number().int().min(1).default(100), "Calls at once on one connection."),
      maxConnectionAgeMs: about(
        ms().default(1_800_000),
        "After this time, in milliseconds and with a jitter of 10 %, a client is asked to connect anew. 0: never.",
      ),
      keepaliveTimeMs: forTests(
        ms().min(1000).default(30_000),
        "A silent connection is pinged after this time, in milliseconds.",
      ),
      keepaliveTimeoutMs: forTests(
        ms().min(100).default(20_000),
        "A ping without an answer for this long, in milliseconds, ends the connection.",
      ),
    })
    .prefault({}),
  web: z
    .strictObject({
      enabled: about(z.boolean().default(true), "Whether the web port is opened."),
      host: essential(z.string().min(1).default("127.0.0.1"), "The address of the web port.", "As for `grpc.host`."),
      port: essential(
        port.default(7434),
        "The web port: Connect, gRPC-Web, JSON and gRPC, over HTTP/1.1 and HTTP/2. 0 takes any free one.",
      ),
      tls: about(tls.optional(), "TLS of the web port. Browsers hold only six connections per server without it."),
      allowedHosts: essential(
        z.array(hostName).default([]),
        "Host names that a request may be addressed to, beside the loopback names.",
        "Add the public name; it keeps other sites' names from being pointed at this server.",
      ),
      allowedOrigins: essential(
        z.array(origin).default([]),
        "Web origins, such as `https://app.example.com`, that browsers may call from. Exact; no wildcards.",
      ),
      allowUnknownJsonFields: about(
        z.boolean().default(false),
        "Whether a field that a JSON request has and its type does not is ignored. Without it such a request is refused, and the answer names the field.",
        "For clients that are newer than the server. A misspelt limit is then no limit.",
      ),
      page: about(
        z.boolean().default(true),
        "Whether the web port has a page for a browser at `/`: chat and the pool. It calls this server as any client does.",
        "It needs no token to load; everything that it calls does.",
      ),
    })
    .prefault({}),
  admin: z
    .strictObject({
      enabled: about(
        z.boolean().default(true),
        "Whether the admin port is opened: /metrics, /healthz, /readyz. It has no authentication.",
      ),
      host: about(
        z.string().min(1).default("127.0.0.1"),
        "The address of the admin port.",
        "Anything but a loopback address needs `admin.allowedAddresses`.",
      ),
      allowedAddresses: about(
        z.array(addressRange).default([]),
        "Addresses, beside loopback, that may read /metrics, /healthz and /readyz: there is nothing else, and no authentication.",
        "For Prometheus or a cluster's probes on other machines; keep the ranges as small as they are.",
      ),
      port: about(port.default(7435), "The admin port. 0 takes any free one."),
    })
    .prefault({}),
  behindProxy: essential(
    z.boolean().default(false),
    "Whether a proxy in front does TLS, so that addresses other than loopback may be opened without it.",
  ),
  trustedProxies: about(
    z.array(addressRange).default([]),
    "The addresses of the proxies in front of this server. What comes from them counts for the address that they forward.",
    "Set it behind a proxy: connections, calls and bytes are shared out by address, and without it all callers behind the proxy are one.",
  ),
  forwardedHeader: about(
    z.enum(forwardedHeaders).default("x-forwarded-for"),
    "The header in which the `trustedProxies` name that address. It is believed from them only, and from its right end.",
    "The proxy must set or extend this very header: what it passes on untouched, a caller can invent.",
  ),
  connections: z
    .strictObject({
      maxPerPort: about(
        z.number().int().min(10).max(100_000).default(1_000),
        "Connections at once on each of the gRPC and the web port. An address may hold no more than are left free: half of them if it comes alone, a third if two want all.",
        "Raise it with the limit on open files. An IPv6 address counts by its /64; `trustedProxies` are not held to the share.",
      ),
      anonymousIdleTimeoutMs: about(
        ms().min(100).default(20_000),
        "A connection on which no call has shown a good token ends when it has done nothing for this long, in milliseconds. Pings are nothing; health checks and open health watches count.",
        "Longer than the interval of a load balancer's health checks, if it should keep its connection between them; connecting anew does no harm.",
      ),
    })
    .prefault({}),
  auth: z
    .strictObject({
      tokens: essential(z.array(token).default([]), "Who may call. Read again on SIGHUP."),
      tokenFile: about(
        file.optional(),
        "Where the token that is made at first start is kept, with mode 0600.",
        undefined,
        "`token` in the state folder",
      ),
      insecureNoAuth: about(
        z.boolean().default(false),
        "Whether anybody may call, as the tenant `anonymous` and with an operator's view of the pool. Loopback addresses only.",
      ),
      maxTurnsInFlightPerTenant: about(
        z
          .number()
          .int()
          .min(1)
          .max(100_000)
          .default(Math.max(16, 8 * cores)),
        "Turns of one tenant at once, waiting ones included.",
        "More than that is RESOURCE_EXHAUSTED.",
        "8 per core, at least 16",
      ),
      reflection: about(
        z.enum(["auto", "on", "off"]).default("auto"),
        "Whether server reflection is served. `auto`: only while every address is loopback.",
      ),
    })
    .prefault({}),
  cli: z
    .strictObject({
      path: about(
        file.optional(),
        "The Claude Code program. Absent: the one that was installed with claude-runner, else `claude` on PATH.",
      ),
      recheckIntervalMs: forTests(
        ms().min(100).default(5_000),
        "How often a missing or unusable program is looked for again, in milliseconds.",
      ),
      maxLineBytes: forTests(
        z
          .number()
          .int()
          .min(65_536)
          .default(32 * mebibytes),
        "The longest line that a worker may write, in bytes. A longer one ends the worker.",
      ),
      workFolder: about(
        file.optional(),
        "Where the private folders of the workers are made.",
        "A fast local disk; tmpfs is good.",
        "the system's temporary folder",
      ),
    })
    .prefault({}),
  credentials: about(
    z
      .record(name, credential)
      .default({ default: { apiKeyEnv: "ANTHROPIC_API_KEY", baseUrlEnv: "ANTHROPIC_BASE_URL", passEnv: [] } }),
    "Where the model API is and what opens it, by name.",
  ),
  profiles: about(
    z.record(name, profile).prefault({ default: {} }),
    "What callers choose from, by name. A request that names none gets `default`.",
  ),
  pool: z
    .strictObject({
      maxStartingWorkers: about(
        z.number().int().min(1).default(cores),
        "Workers that start at once.",
        "More than there are cores slows running turns down.",
        "the number of cores",
      ),
      memoryBudgetBytes: about(
        z.number().int().min(minMemoryBudgetBytes).default(defaultMemoryBudgetBytes(machineMemory())),
        "The memory that all workers together may use. Beyond it idle ones end, the least recently used first, and none is started.",
        undefined,
        "half of the machine's memory, or of the container's limit",
      ),
      workerNice: about(
        z.number().int().min(0).max(19).default(5),
        "How much less of a busy CPU a worker gets than the server, as a nice value; on Linux with autogroups. The server answers callers and health checks for all workers, and uses little itself.",
        "10 where nothing else runs on the machine: with eight busy workers on two cores health checks are then answered two to four times as fast, at the same turns per second. 0 where other programs must not take from the workers. `npm run bench -- --only health` shows what it changes.",
      ),
      startTimeoutMs: about(
        ms().min(100).default(20_000),
        "How long a worker may take until it answers, in milliseconds.",
      ),
      startFailuresToBreak: forTests(
        z.number().int().min(1).default(5),
        "After so many failed starts in a row, whatever ended them, workers of the profile are started one at a time, with a pause before each. A start that succeeds ends it.",
      ),
      startRetryMs: forTests(
        ms().min(100).default(15_000),
        "That pause, in milliseconds. Where workers have started before, the first pause is a sixteenth of it, and each further one twice as long as the last; waiting turns are refused only after a minute of failing, or five while each start was killed by somebody.",
      ),
      checkIdleAfterMs: forTests(
        ms().min(100).default(30_000),
        "A worker that has been idle for longer than this, in milliseconds, has to answer before it is given out.",
      ),
      checkTimeoutMs: forTests(ms().min(10).default(1_000), "How long it may take to, in milliseconds."),
      resetWaitMs: forTests(
        ms().default(250),
        "How long a turn waits, in milliseconds, for a fitting worker that is just being reset, before it takes a spare.",
      ),
      warmWorkerMs: about(
        ms().default(10_000),
        "For how long a tenant's last idle worker is kept, in milliseconds, from tenants that have as many workers.",
        "Raise it where warm workers matter more than turns at once.",
      ),
      maxTurnsPerWorker: about(
        z.number().int().min(1).default(5_000),
        "A worker ends after so many turns.",
        "Old workers are faster than young ones: recycle rarely.",
      ),
      maxWorkerAgeMs: about(
        ms(30 * 24 * 3_600_000)
          .min(1000)
          .default(4 * 3_600_000),
        "A worker ends at this age, in milliseconds, give or take 10 %; never in mid-turn.",
      ),
      maxWorkerMemoryBytes: about(
        z
          .number()
          .int()
          .min(64 * mebibytes)
          .default(600 * mebibytes),
        "A worker with more private memory than this ends after its turn.",
      ),
      maxIdleCpuPercent: forTests(
        z.number().min(1).max(100).default(20),
        "A worker that uses more of a core than this while idle, in percent over 10 seconds, ends.",
      ),
      sampleIntervalMs: forTests(
        ms().min(100).default(10_000),
        "How often the workers' memory and CPU are looked at, in milliseconds.",
      ),
      boundIdleTimeoutMs: about(
        ms()
          .min(1000)
          .default(30 * 60_000),
        "A bound worker that nobody has used for this long, in milliseconds, ends.",
      ),
      silenceTimeoutMs: forTests(
        ms().min(1000).default(120_000),
        "A worker that says nothing for this long in a turn, in milliseconds, is asked whether it is there, and taken for dead when it does not answer. While it answers, a silent model is waited for as long as the profile's `upstreamIdleTimeoutMs` allows, and a tool as long as the turn may take. A worker that waits for neither is taken for dead at once.",
      ),
      controlTimeoutMs: forTests(
        ms().min(100).default(10_000),
        "How long a worker may take to answer a control request or to take a line, in milliseconds.",
      ),
      interruptTimeoutMs: forTests(
        ms().min(100).default(5_000),
        "How long an interrupted turn may take to end, in milliseconds, before its worker is killed.",
      ),
      stopTimeoutMs: forTests(
        ms().min(10).default(5_000),
        "How long a worker may take to end after SIGTERM, in milliseconds, before SIGKILL.",
      ),
    })
    .prefault({}),
  queue: z
    .strictObject({
      maxLength: about(
        z.number().int().min(0).max(100_000).default(64),
        "Turns that may wait for a worker, per profile.",
        "More than that is UNAVAILABLE with the reason QUEUE_FULL.",
      ),
      timeoutMs: about(
        ms().default(30_000),
        "How long a turn may wait for a worker, in milliseconds. A shorter deadline on the call wins. 0: never wait.",
        "Lower it when callers retry elsewhere.",
      ),
      overtakeMs: forTests(
        ms(60_000).default(1_000),
        "For how long turns that fit an idle worker may overtake a waiting one of the same tenant that does not, in milliseconds.",
      ),
      maxOvertakeMs: about(
        ms(60_000).default(10_000),
        "How much more of the workers a tenant whose turns fit idle ones may get, in milliseconds of one worker, before a waiting tenant that needs a new worker gets a place.",
        "Within this bound it is the time of ten starts, so that changes of tenant cost little. Lower it where tenants that seldom call must not wait, at the price of more starts under load.",
      ),
    })
    .prefault({}),
  calls: z
    .strictObject({
      defaultTimeoutMs: about(ms().min(1).default(600_000), "The deadline of a call that sets none, in milliseconds."),
      maxTimeoutMs: about(
        ms().min(1).default(3_600_000),
        "The longest deadline, in milliseconds; longer ones are shortened to it.",
      ),
      heartbeatMs: about(
        ms().min(100).default(10_000),
        "A stream that has been silent for this long, in milliseconds, gets a heartbeat.",
      ),
      stalledReaderMs: about(
        ms().min(100).default(60_000),
        "A caller who keeps a turn from going on by not reading for this long, in milliseconds, is given up.",
      ),
      eventBufferSize: forTests(
        z.number().int().min(16).default(512),
        "Events that are held for a slow caller before the worker's output is no longer read.",
      ),
      maxEventsPerTurn: about(
        z.number().int().min(100).default(200_000),
        "What Claude Code may report in one turn: its lines, and the blocks in them. Beyond it the turn ends as at its limit of output.",
        "Raise it for turns that write more than about half a million tokens. It bounds what a model API can cost that sends its answer byte by byte.",
      ),
      maxRequestBytes: about(
        z
          .number()
          .int()
          .min(1024)
          .default(32 * mebibytes),
        "The largest request of StreamChat and Chat, in bytes, as sent and unpacked. Other methods take 8 KiB.",
        "A packed request (gzip, deflate) may unpack to 1 MiB and 100 times what was sent, and to this at most.",
      ),
      maxRequestBytesInFlight: about(
        z
          .number()
          .int()
          .min(1024)
          .default(256 * mebibytes),
        "The bytes of all requests that are being read, together. Those of one tenant, or of one address, may be no more than are left free: half of it if they come alone.",
        "At least twice `calls.maxRequestBytes`.",
      ),
      requestTimeoutMs: about(
        ms().min(1_000).default(30_000),
        "How long a request may take to arrive, in milliseconds. Requests that are a stream have no such limit.",
        "Raise it for large pictures and documents on slow lines: 24 MiB within 30 seconds need 6.7 Mbit/s.",
      ),
      maxOpen: about(
        z.number().int().min(10).max(1_000_000).default(4_096),
        "Calls at once, on both ports together. One tenant, or one address, may have no more than are left free: half of them if it comes alone.",
        "Turns have a separate cap, `auth.maxTurnsInFlightPerTenant`. Health checks are counted apart.",
      ),
    })
    .prefault({}),
  shutdown: z
    .strictObject({
      noticeMs: about(
        ms().default(0),
        "How long the server says NOT_SERVING before it stops to accept, in milliseconds, so that load balancers notice.",
        "5000 behind a load balancer.",
      ),
      drainTimeoutMs: about(ms().default(120_000), "How long running turns may take to end, in milliseconds."),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      otlpEndpoint: essential(
        collectorUrl.optional(),
        "Where traces and metrics go: an OTLP collector over HTTP, such as `http://127.0.0.1:4318`. Absent: nowhere.",
      ),
      serviceName: about(z.string().min(1).default("claude-runner"), "The service name on traces and metrics."),
      traceSampleRatio: about(
        z.number().min(0).max(1).default(1),
        "The share of turns without a sampled parent that are traced.",
      ),
      cliSpans: about(
        z.boolean().default(false),
        "Whether the spans of Claude Code itself (model requests with their retries, tools, sub-agents) join the traces of turns. Beta, as they are in Claude Code.",
        "To see what a slow turn did inside of Claude Code. Costs 2 to 3 ms of CPU per turn and 9 MB per worker; needs `telemetry.otlpEndpoint`.",
      ),
      tracesIntervalMs: forTests(ms().min(10).default(5_000), "How often spans are sent, in milliseconds."),
      metricsIntervalMs: forTests(ms().min(100).default(15_000), "How often metrics are sent, in milliseconds."),
      prometheus: about(z.boolean().default(true), "Whether the admin port serves /metrics."),
      logLevel: essential(
        z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
        "How much is logged, as JSON lines on stderr.",
      ),
    })
    .prefault({}),
});

/** Every setting, complete: each default is filled in. */
export type Settings = z.output<typeof settingsSchema>;
export type TokenSettings = z.output<typeof token>;
export type TlsSettings = z.output<typeof tls>;
