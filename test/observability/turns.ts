/**
 * Calls of every kind that leave a different trace and count differently, on one server: good ones, refused, cancelled,
 * failed, queued, with tools and with history.
 */
import { randomBytes } from "node:crypto";
import { BusyPolicy, Detail, Role } from "../../gen/claude/runner/v1/runner_pb.ts";
import { type ContractClient, failureOf, transportKinds } from "../contract/transports.ts";
import { readTurn } from "../contract/turn.ts";
import type { Scene, SettingsInput } from "../e2e/scene.ts";
import { until } from "./until.ts";

export const otherModel = "claude-haiku-4-5";

/** What the calls need of their server. `workspace`: a folder for tools. */
export function settingsFor(workspace: string): SettingsInput {
  return {
    // So long that what has to be reused is, however busy the machine.
    pool: { resetWaitMs: 20_000 },
    calls: { stalledReaderMs: 3_000, sessionQueueTimeoutMs: 1_000 },
    // A wait that is refused ends by this. A deadline of the caller's would race with the caller's own going.
    queue: { timeoutMs: 5_000 },
    profiles: {
      default: { allowedModels: [otherModel], maxWorkers: 2 },
      // Repeats a failed request once.
      patient: { upstreamMaxRetries: 1, minSpares: 0 },
      // One turn at a time, so that a second one waits.
      crowded: { maxWorkers: 1, minSpares: 0 },
      tools: { tools: ["Bash"], workspace: { path: workspace }, isolation: "none", tenant: "acme" },
    },
  };
}

const scenario = (name: string, options: object = {}) => `[[scenario ${name} ${JSON.stringify(options)}]]`;

interface Calls {
  readonly scene: Scene;
  readonly client: ContractClient;
  readonly web: ContractClient;
  /** Carries the call's `traceparent`. */
  readonly headers: Readonly<Record<string, string>>;
}

/** In an order in which one leaves behind what the next one needs. Each settles when its answer has been read. */
const makers = {
  "on a spare": ({ client, headers }) => readTurn(client.streamChat({ prompt: "Say hello" }, { headers })),
  reused: ({ client, headers }) => readTurn(client.streamChat({ prompt: "Say hello again" }, { headers })),
  "by Connect": ({ web, headers }) => readTurn(web.streamChat({ prompt: "Say hello" }, { headers })),
  collected: ({ client, headers }) => client.chat({ prompt: "Say hello" }, { headers }),
  "at little detail": ({ client, headers }) =>
    readTurn(client.streamChat({ prompt: "Say hello", detail: Detail.TEXT }, { headers })),
  "with another model": ({ client, headers }) =>
    readTurn(client.streamChat({ prompt: "Say hello", model: otherModel }, { headers })),
  "with history and tools": ({ client, headers }) => {
    const history = [
      { role: Role.USER, text: "What is the weather?" },
      { role: Role.ASSISTANT, text: "I do not know." },
    ];
    const prompt = scenario("bash", { command: "sleep 1" });
    return readTurn(client.streamChat({ profile: "tools", prompt, history }, { headers }));
  },
  "ended by a limit": ({ client, headers }) => {
    const request = { profile: "tools", prompt: scenario("tool-loop"), limits: { maxModelCallCount: 2 } };
    return readTurn(client.streamChat(request, { headers }));
  },
  "retried and good": ({ client, headers }) =>
    readTurn(client.streamChat({ profile: "patient", prompt: scenario("retry-then-answer") }, { headers })),
  failed: ({ client, headers }) =>
    readTurn(client.streamChat({ profile: "patient", prompt: scenario("error-503") }, { headers })),
  "with an unknown line": ({ client, headers }) =>
    readTurn(client.streamChat({ prompt: scenario("unknown-delta") }, { headers })),
  cancelled: ({ client, headers }) => {
    const stop = new AbortController();
    const events = client.streamChat({ prompt: scenario("slow-text") }, { headers, signal: stop.signal });
    return readTurn(events, ({ event }) => {
      if (event.case === "textDelta") stop.abort();
    });
  },
  "cancelled in a tool": ({ client, headers }) => {
    const stop = new AbortController();
    const request = { profile: "tools", prompt: scenario("bash", { command: "sleep 60" }) };
    return readTurn(client.streamChat(request, { headers, signal: stop.signal }), ({ event }) => {
      if (event.case === "toolUse") stop.abort();
    });
  },
  unread: async ({ client, scene, headers }) => {
    const from = scene.book.position;
    const request = { prompt: scenario("long-text", { deltaCount: 200_000, deltaChars: 200 }) };
    const events = client.streamChat(request, { headers })[Symbol.asyncIterator]();
    await events.next();
    await scene.book.wait(isBooked, from);
    await events.return?.();
  },
  queued: async (calls) => {
    const { client, headers } = calls;
    await using ahead = await occupy(calls);
    const behind = readTurn(client.streamChat({ profile: "crowded", prompt: "Say hello" }, { headers }));
    await untilOneWaits(calls.scene);
    await ahead.end();
    return await behind;
  },
  "refused in the queue": async (calls) => {
    await using _ahead = await occupy(calls);
    const request = { profile: "crowded", prompt: "Say hello" };
    return await failureOf(calls.client.chat(request, { headers: calls.headers }));
  },
  "that takes its session's place": async (calls) => {
    await using ahead = await converse(calls);
    const request = { prompt: "Say hello", session: ahead.session, busyPolicy: BusyPolicy.INTERRUPT };
    return await readTurn(calls.client.streamChat(request, { headers: calls.headers }));
  },
  "refused by its session": async (calls) => {
    await using ahead = await converse(calls);
    const request = { prompt: "Say hello", session: ahead.session, busyPolicy: BusyPolicy.QUEUE };
    return await failureOf(calls.client.chat(request, { headers: calls.headers }));
  },
  repeated: async ({ client, headers }) => {
    const request = { prompt: "Say hello", requestId: "greeting" };
    await client.chat(request);
    return await client.chat(request, { headers });
  },
  "refused at once": ({ client, headers }) =>
    failureOf(client.chat({ prompt: "Say hello", model: "claude-unheard-of" }, { headers })),
  "of a worker that died": ({ client, scene, headers }) =>
    readTurn(client.streamChat({ prompt: scenario("slow-text") }, { headers }), ({ event }) => {
      if (event.case !== "started") return;
      const { workerId } = event.value;
      void scene.workerPids().then((pids) => process.kill(pids.get(workerId)!, "SIGKILL"));
    }),
  "with a refused credential": ({ client, headers }) =>
    readTurn(client.streamChat({ prompt: scenario("error-401") }, { headers })),
  "for information": ({ client, headers }) => client.getInfo({ headers }),
} as const satisfies Record<string, (calls: Calls) => Promise<unknown>>;

export type CallKind = keyof typeof makers;
export const callKinds = Object.keys(makers) as CallKind[];

/** Calls that begin no turn, so nobody books one. */
const withoutTurn: readonly CallKind[] = ["repeated", "refused at once", "for information"];
/** Of these a trace has the call alone. */
export const callsAlone: readonly CallKind[] = ["repeated", "refused at once"];

/** A call that was made, and where it is in a trace. */
export interface MadeCall {
  readonly traceId: string;
  /** The span that its `traceparent` named. */
  readonly callerSpanId: string;
}

/** Makes one call of each kind, all of them unless told otherwise. Settles when all are booked. */
export async function makeCalls(
  scene: Scene,
  kinds: readonly CallKind[] = callKinds,
): Promise<ReadonlyMap<CallKind, MadeCall>> {
  const made = new Map<CallKind, MadeCall>();
  const web = transportKinds.find(({ name, tls }) => name.startsWith("Connect JSON") && !tls)!.connect(scene.target);
  for (const kind of kinds) {
    const traceId = randomBytes(16).toString("hex");
    const callerSpanId = randomBytes(8).toString("hex");
    const headers = { traceparent: `00-${traceId}-${callerSpanId}-01` };
    await makers[kind]({ scene, client: scene.client, web, headers });
    if (!withoutTurn.includes(kind)) {
      await scene.book.wait((line) => isBooked(line) && line.trace_id === traceId, 0);
    }
    made.set(kind, { traceId, callerSpanId });
  }
  web.close();
  return made;
}

function isBooked({ message }: { readonly message: string }): boolean {
  return message === "turn ended" || message === "turn refused";
}

/** A turn that has a session until it is stopped. */
async function converse({ client }: Calls): Promise<AsyncDisposable & { readonly session: { readonly id: string } }> {
  const session = { id: "talk", allowMissing: true };
  const stop = new AbortController();
  const isRunning = Promise.withResolvers<void>();
  const request = { prompt: scenario("silence"), session };
  const over = readTurn(client.streamChat(request, { signal: stop.signal }), () => isRunning.resolve());
  await isRunning.promise;
  return {
    session,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await over;
    },
  };
}

/** A turn that has the only worker of `crowded` until it is ended. */
async function occupy({ client }: Calls): Promise<AsyncDisposable & { end(): Promise<void> }> {
  const stop = new AbortController();
  const isRunning = Promise.withResolvers<void>();
  const request = { profile: "crowded", prompt: scenario("silence") };
  const over = readTurn(client.streamChat(request, { signal: stop.signal }), () => isRunning.resolve());
  await isRunning.promise;
  const end = async () => {
    stop.abort();
    await over;
  };
  return { end, [Symbol.asyncDispose]: end };
}

function untilOneWaits({ runner }: Scene): Promise<true> {
  return until("a turn waits for a worker", async () => {
    const { profiles } = runner.pool.snapshot();
    return profiles.some(({ profile, waitingCount }) => profile === "crowded" && waitingCount === 1) || undefined;
  });
}
