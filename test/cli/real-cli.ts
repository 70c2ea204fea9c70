/** Workers on the real CLI, against the stand-in for the model API. */

import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CliCapabilities } from "../../src/cli/program/capabilities.ts";
import { CliLocator, type LocatedCli } from "../../src/cli/program/locate.ts";
import type { OnRequest } from "../../src/cli/protocol/questions.ts";
import { Credentials } from "../../src/cli/start/credentials.ts";
import { WorkFolders } from "../../src/cli/start/worker-folders.ts";
import { createWorkerFactory } from "../../src/cli/worker-factory.ts";
import type { WorkerQuestion } from "../../src/cli/worker-options.ts";
import { systemClock } from "../../src/clock.ts";
import { type Settings, settingsSchema } from "../../src/config/settings.ts";
import type { SessionLaunch } from "../../src/session-launch.ts";
import type { ScenarioReference } from "../../src/standin/choose.ts";
import { type Standin, startStandin } from "../../src/standin/standin-server.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import type { Detail, Turn } from "../../src/turn.ts";
import type { TurnEnd } from "../../src/turn-end.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import type { RunningTurn, WorkerProcess } from "../../src/worker-process.ts";
import type { WorkerResource } from "../../src/worker-resource.ts";

export const apiKey = "sk-ant-test-0123456789";

export interface Rig extends AsyncDisposable {
  readonly standin: Standin;
  readonly folders: WorkFolders;
  /** A started worker that answers. */
  worker(profile?: string): Promise<WorkerProcess>;
  /** The same, with a binding. */
  bound(profile?: string): Promise<WorkerProcess>;
  /** One that was just started, for a session if one is given. */
  start(launch?: SessionLaunch): Promise<WorkerProcess>;
  /** One that serves a session, and answers. */
  session(launch: SessionLaunch): Promise<WorkerProcess>;
}

export interface RigOptions {
  readonly profile?: object;
  /** Whether its profile has tools that work in a folder of its own. */
  readonly hasTools?: boolean;
  readonly pool?: Partial<Settings["pool"]>;
  readonly cli?: LocatedCli;
  readonly capabilities?: CliCapabilities | undefined;
  readonly env?: Record<string, string>;
  readonly maxLineBytes?: number;
  readonly maxTranscriptBytes?: number;
  readonly onRequest?: OnRequest<WorkerQuestion>;
  readonly resources?: readonly WorkerResource[];
}

export const ableCli: CliCapabilities = {
  cliVersion: "2.1.332",
  rewind: true,
  seeding: true,
  literalPrompts: true,
  detail: "",
};

export async function rig(options: RigOptions = {}): Promise<Rig> {
  const standin = await startStandin();
  const parent = await mkdtemp(join(tmpdir(), "rig-"));
  const folders = await WorkFolders.open(parent, silentLog);
  const workspace = join(parent, "workspace");
  await mkdir(workspace);
  const withTools = { tools: ["Bash", "Read"], isolation: "none", tenant: "t", workspace: { path: workspace } };
  const settings = settingsSchema.parse({
    profiles: { default: { ...(options.hasTools && withTools), ...options.profile } },
    credentials: { default: { baseUrl: standin.url, apiKeyEnv: "KEY" } },
    pool: options.pool ?? {},
  });
  const locator = new CliLocator({ path: undefined, env: {}, clock: systemClock });
  const factory = createWorkerFactory({
    cli: async () => options.cli ?? (await locator.locate()),
    profiles: settings.profiles,
    credentials: new Credentials({
      settings: settings.credentials,
      env: { KEY: apiKey, ...options.env },
      clock: systemClock,
      log: silentLog,
    }),
    pool: settings.pool,
    maxLineBytes: options.maxLineBytes ?? settings.cli.maxLineBytes,
    maxTranscriptBytes: options.maxTranscriptBytes ?? settings.cli.maxTranscriptBytes,
    eventBufferSize: settings.calls.eventBufferSize,
    maxEventsPerTurn: settings.calls.maxEventsPerTurn,
    capabilities: () => ("capabilities" in options ? options.capabilities : ableCli),
    folders,
    resources: options.resources,
    onRequest: options.onRequest,
    clock: systemClock,
    log: silentLog,
  });
  const workers: WorkerProcess[] = [];
  const made: Rig = {
    standin,
    folders,
    async worker(profile = "default") {
      const worker = await factory.start(profile);
      workers.push(worker);
      await worker.ready();
      return worker;
    },
    async bound(profile) {
      const worker = await made.worker(profile);
      await worker.bind({ systemPrompt: "Answer." });
      return worker;
    },
    async start(launch) {
      const worker = await factory.start("default", undefined, launch);
      workers.push(worker);
      return worker;
    },
    async session(launch) {
      const worker = await made.start(launch);
      await worker.ready();
      return worker;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await folders.close();
      await standin.close();
      await rm(parent, { recursive: true, force: true });
    },
  };
  return made;
}

export function turnOf(text: string, more: Partial<Turn> = {}): Turn {
  return {
    id: randomUUID(),
    tenant: "t",
    profile: "default",
    content: [{ kind: "text", text }],
    history: [],
    binding: {},
    settings: { model: "claude-opus-5-5", effort: "medium" },
    limits: {},
    detail: "standard" satisfies Detail,
    labels: {},
    ...more,
  };
}

export interface Played {
  readonly events: readonly TurnEvent[];
  readonly end: TurnEnd;
}

/** Runs a turn to its end. `during` sees each event as it comes. */
export async function play(
  worker: WorkerProcess,
  turn: Turn,
  during: (event: TurnEvent, running: RunningTurn) => void = () => undefined,
): Promise<Played> {
  const running = worker.run(turn);
  await running.written;
  const events: TurnEvent[] = [];
  for await (const event of running.events) {
    events.push(event);
    during(event, running);
  }
  await running.idle;
  return { events, end: await running.ended };
}

/** The deltas of a turn that were not retracted, together. */
export function textOf(events: readonly TurnEvent[]): string {
  const gone = events.filter((event) => event.kind === "retracted");
  return events
    .filter((event) => event.kind === "textDelta")
    .filter(
      (delta) =>
        !gone.some((void_) => void_.messageIndex === delta.messageIndex && delta.blockIndex >= void_.fromBlockIndex),
    )
    .map(({ text }) => text)
    .join("");
}

/** An answer of one message. */
export function saying(text: string, more: object = {}): ScenarioReference {
  return { steps: [{ play: { answer: "message", blocks: [{ type: "text", text }], ...more } }] } as ScenarioReference;
}

/** The conversation that a request carried, as `role: text`; the CLI's notes to itself left out. */
export function conversationOf(body: unknown): readonly string[] {
  const { messages } = body as { messages: { role: string; content: string | { text?: string }[] }[] };
  return messages
    .filter(({ role }) => role !== "system")
    .map(
      ({ role, content }) =>
        `${role}: ${typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("")}`,
    );
}

/** What a request carried, without the ids of device and session. */
export function bodyOf(standin: Standin, at = -1): Record<string, unknown> {
  const bodies = standin.requests.filter(({ path }) => path.startsWith("/v1/messages")).map(({ body }) => body);
  const { metadata: _ids, ...body } = bodies.at(at) as Record<string, unknown>;
  return body;
}
