/**
 * Finds out what a CLI can do of the things that it does not document, by the requests that it sends.
 *
 * On a process of its own, against a sink on loopback that stands for the model API: never on a worker, and never
 * upstream. To be run once per program; takes a start and four short turns.
 */

import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock.ts";
import type { ProbeSettings } from "../config/probe-settings.ts";
import type { Log } from "../telemetry/log.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { CliCapabilities } from "./program/capabilities.ts";
import type { LocatedCli } from "./program/locate.ts";
import { contentText } from "./protocol/content-text.ts";
import { isObject, type JsonObject, textAt } from "./protocol/json-members.ts";
import { Credentials } from "./start/credentials.ts";
import type { WorkFolders } from "./start/worker-folders.ts";
import { createWorkerFactory } from "./worker-factory.ts";

/** Something that answers like the model API and keeps what it was sent. */
export interface ProbeSink {
  /** The bodies of the requests for messages, oldest first. */
  bodies(): readonly unknown[];
}

export interface ProbeOptions {
  readonly cli: Extract<LocatedCli, { kind: "found" }>;
  readonly sink: ProbeSink;
  /** Those of a process whose model API is the sink. */
  readonly settings: ProbeSettings;
  readonly folders: WorkFolders;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the process: nobody wants to know any more. */
  readonly signal?: AbortSignal;
}

/** Looks like a command: that it arrives as it is, is part of what is found out. */
const prompt = "/clear";
const question = "What is asked first";
const answer = "What is answered first";

/** Rejects when the process does not start; whatever else goes wrong is a capability that is not there. */
export async function probeCli(options: ProbeOptions): Promise<CliCapabilities> {
  const nothing = { cliVersion: options.cli.version, rewind: false, seeding: false, literalPrompts: false };
  const worker = await startProbe(options);
  // Whatever is waited for of it then fails.
  const onAbort = () => void worker.stop();
  options.signal?.addEventListener("abort", onAbort);
  if (options.signal?.aborted) onAbort();
  try {
    await worker.ready(options.signal);
    return { ...nothing, ...(await probe(worker, options.sink)) };
  } catch (error) {
    // A server that is stopped in its first seconds ends its probe; nobody wants to know.
    if (!options.signal?.aborted) options.log.warn({ err: error }, "the CLI could not be probed to the end");
    return { ...nothing, detail: error instanceof Error ? error.message : "unknown error" };
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    await worker.stop();
  }
}

function startProbe({ cli, settings, folders, clock, log }: ProbeOptions): Promise<WorkerProcess> {
  const { profiles, pool, maxLineBytes, maxTranscriptBytes, eventBufferSize, maxEventsPerTurn } = settings;
  const assumed = { cliVersion: cli.version, rewind: true, seeding: true, literalPrompts: true, detail: "" };
  return createWorkerFactory({
    cli: async () => cli,
    profiles,
    credentials: new Credentials({ settings: settings.credentials, env: settings.env, clock, log }),
    pool,
    maxLineBytes,
    maxTranscriptBytes,
    eventBufferSize,
    maxEventsPerTurn,
    capabilities: () => assumed,
    idPrefix: `probe-${randomUUID().slice(0, 8)}-`,
    folders,
    clock,
    log,
  }).start(settings.profile);
}

async function probe(worker: WorkerProcess, sink: ProbeSink): Promise<Omit<CliCapabilities, "cliVersion">> {
  const problems: string[] = [];
  const check = (holds: boolean, problem: string): boolean => {
    if (!holds) problems.push(problem);
    return holds;
  };
  await worker.bind({ systemPrompt: "Answer shortly." });

  const first = await bodyOfTurn(worker, sink);
  const literalPrompts = check(
    isDeepStrictEqual(messagesOf(first), [`user: ${prompt}`]),
    "a prompt did not reach the model as it was",
  );
  const reset = await worker.reset();
  if (!reset.clean) {
    check(false, `a conversation could not be taken back: ${reset.why}`);
    return { literalPrompts, rewind: false, seeding: false, detail: problems.join("; ") };
  }
  const second = await bodyOfTurn(worker, sink);
  const rewind = check(isDeepStrictEqual(second, first), "a request after a reset was not like a first one");
  if (!rewind || !(await worker.reset()).clean) {
    return { literalPrompts, rewind: false, seeding: false, detail: problems.join("; ") };
  }

  await worker.seed([
    { role: "user", content: [{ kind: "text", text: question }] },
    { role: "assistant", texts: [answer] },
  ]);
  const seeded = await bodyOfTurn(worker, sink);
  const isInOrder = check(
    isDeepStrictEqual(messagesOf(seeded), [`user: ${question}`, `assistant: ${answer}`, `user: ${prompt}`]),
    "seeded history did not arrive in order",
  );
  const isGone = (await worker.reset()).clean && isDeepStrictEqual(await bodyOfTurn(worker, sink), first);
  check(isGone, "seeded history could not be taken back");
  return { literalPrompts, rewind, seeding: isInOrder && isGone, detail: problems.join("; ") };
}

/** Runs a turn and gives what was sent for it, without what is different in every request. */
async function bodyOfTurn(worker: WorkerProcess, sink: ProbeSink): Promise<JsonObject> {
  const before = sink.bodies().length;
  const end = await runTurn(worker);
  if (end.outcome !== "completed") throw new Error(`a turn of the probe ended as ${end.outcome}`);
  const bodies = sink.bodies();
  if (bodies.length !== before + 1) throw new Error(`a turn of the probe made ${bodies.length - before} requests`);
  return comparable(bodies.at(-1));
}

async function runTurn(worker: WorkerProcess): Promise<TurnEnd> {
  const turn: Turn = {
    id: randomUUID(),
    tenant: "probe",
    profile: "probe",
    content: [{ kind: "text", text: prompt }],
    history: [],
    binding: {},
    settings: { model: "", effort: "medium" },
    limits: { maxDurationMs: 30_000 },
    detail: "text",
    labels: {},
  };
  const running = worker.run(turn);
  await running.written;
  const end = await running.ended;
  await running.idle;
  return end;
}

/** A body without its ids: those of device and session, which are about the process and not about the conversation. */
function comparable(body: unknown): JsonObject {
  if (!isObject(body)) return {};
  const { metadata: _ids, ...rest } = body;
  return rest;
}

/** The conversation in a body, as `role: text`; the CLI's notes to itself, which are no one's words, left out. */
function messagesOf(body: JsonObject): readonly string[] {
  const messages = Array.isArray(body.messages) ? body.messages.filter(isObject) : [];
  return messages
    .filter(({ role }) => role === "user" || role === "assistant")
    .map((message) => `${textAt(message, "role")}: ${contentText(message.content)}`);
}
