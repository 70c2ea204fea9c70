/**
 * Conversations with tools that go on in another process: what it sends is compared with what the process would have sent
 * that never ended.
 *
 * Each case has a conversation, asks one more question in its own process, and asks the same one where it was resumed.
 */
import { randomUUID } from "node:crypto";
import { cutTranscript } from "../cli/transcript/transcript-lines.ts";
import { sleep, systemClock } from "../clock.ts";
import type { ResumedConversation, SessionLaunch } from "../session-launch.ts";
import type { ScenarioReference } from "../standin/choose.ts";
import type { Standin } from "../standin/standin-server.ts";
import type { Binding, ModelSettings } from "../turn.ts";
import type { WorkerProcess } from "../worker-process.ts";
import { type CaseOutcome, errorText } from "./case-outcome.ts";
import { type Difference, excerpts, firstDifference, type SentRequest } from "./compare.ts";
import { models } from "./lanes.ts";
import { Lease, type PlayedTurn } from "./lease.ts";

/** What the cases are played on. */
export interface SessionStage extends AsyncDisposable {
  readonly standin: Standin;
  readonly profile: string;
  readonly binding: Binding;
  readonly settings: ModelSettings;
  /** The folder in which tools work. */
  readonly workspace: string;
  start(launch: SessionLaunch): Promise<WorkerProcess>;
}

interface SessionCase {
  readonly name: string;
  play(stage: Conversation): Promise<CaseOutcome>;
}

const question = "What do you know of what was said before?";

/** One after the other: thinking and a command, a file and a command at once, one that fails, words only. */
const turns: readonly ScenarioReference[] = [
  uses([{ type: "thinking", thinking: "A command will do." }, bash("echo one")]),
  uses([{ type: "thinking", thinking: "Both at once." }, bash("echo two"), bash("echo three")]),
  uses([bash("exit 3")]),
  "thinking",
];

const cases: readonly SessionCase[] = [
  {
    name: "resumed after thinking, parallel tools and a failing one",
    async play(conversation) {
      const transcript = await conversation.play(turns);
      const uninterrupted = await conversation.ask();
      await conversation.resume({ transcript, origin: "own" });
      return compared(uninterrupted, await conversation.ask());
    },
  },
  {
    name: "resumed twice",
    async play(conversation) {
      const before = await conversation.play(turns.slice(0, 2));
      await conversation.resume({ transcript: before, origin: "own" });
      const transcript = await conversation.play(turns.slice(2));
      const uninterrupted = await conversation.ask();
      await conversation.resume({ transcript, origin: "own" });
      return compared(uninterrupted, await conversation.ask());
    },
  },
  {
    name: "forked",
    async play(conversation) {
      const transcript = await conversation.play(turns);
      const uninterrupted = await conversation.ask();
      await conversation.resume({ transcript, origin: "copied" }, { cliSessionId: randomUUID() });
      return compared(uninterrupted, await conversation.ask());
    },
  },
  {
    name: "cut before a turn with tools",
    async play(conversation) {
      await conversation.play(turns.slice(0, 2));
      const uninterrupted = await conversation.ask();
      await conversation.play(turns.slice(2));
      const transcript = await conversation.transcript();
      const length = cutTranscript(transcript, uninterrupted.turnId);
      if (length === undefined) return { kind: "broken", error: "the prompt is not in the transcript" };
      await conversation.resume({ transcript: transcript.subarray(0, length), origin: "own" });
      return compared(uninterrupted, await conversation.ask());
    },
  },
  {
    name: "resumed with another model",
    async play(conversation) {
      const transcript = await conversation.play(turns);
      const uninterrupted = await conversation.ask();
      await conversation.resume({ transcript, origin: "own" }, { model: models.other });
      const resumed = await conversation.ask();
      const model = resumed.requests[0]?.body;
      if ((model as { model?: unknown } | undefined)?.model !== models.other) {
        return { kind: "broken", error: "the other model was not asked" };
      }
      const [words, others] = [uninterrupted, resumed].map(wordsOf) as [string, string];
      return outcomeOf(words === others ? undefined : excerpts("messages", words, others));
    },
  },
  {
    name: "resumed after its process was killed while a tool ran",
    async play(conversation) {
      await conversation.play(turns.slice(0, 1));
      await conversation.killedWhileToolRuns();
      await conversation.resume({ transcript: await conversation.transcript(), origin: "own" });
      const { requests } = await conversation.ask();
      const [used, answered] = toolIds(requests);
      if (used.length < 2) return { kind: "broken", error: "the tool that ran is not in the conversation" };
      const missing = used.filter((id) => !answered.includes(id));
      return missing.length === 0 ? { kind: "clean" } : { kind: "leak", what: "a tool use has no result" };
    },
  },
];

export const sessionCases: readonly { readonly group: string; readonly name: string }[] = cases.map(({ name }) => ({
  group: "Conversations in other processes",
  name,
}));

export async function playSessionCase(stage: SessionStage, name: string): Promise<CaseOutcome> {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`bug: no such case: ${name}`);
  await using conversation = new Conversation(stage);
  try {
    return await found.play(conversation);
  } catch (error) {
    return { kind: "broken", error: errorText(error) };
  }
}

/** A conversation, wherever it goes on. */
class Conversation implements AsyncDisposable {
  readonly #stage: SessionStage;
  #launch: SessionLaunch;
  #worker: WorkerProcess | undefined;
  /** Of the transcript of the present process, before its first turn. */
  #read: Uint8Array = new Uint8Array();

  constructor(stage: SessionStage) {
    this.#stage = stage;
    this.#launch = { cliSessionId: randomUUID(), ...stage.settings, binding: stage.binding };
  }

  /** Turns that use tools. Gives the transcript after them. */
  async play(scenarios: readonly ScenarioReference[]): Promise<Uint8Array> {
    for (const scenario of scenarios) await this.#turn({ prompt: "Please go on.", scenario });
    return this.transcript();
  }

  ask(): Promise<PlayedTurn> {
    return this.#turn({ prompt: question });
  }

  /** All that was written down so far, also when its process is gone. */
  async transcript(): Promise<Uint8Array> {
    const worker = await this.#started();
    const added = await worker.transcript!.read(this.#read.length);
    this.#read = Buffer.concat([this.#read, added]);
    return this.#read;
  }

  /** Goes on in another process. The one before has ended by then. */
  async resume(resume: Omit<ResumedConversation, "files">, launch: Partial<SessionLaunch> = {}): Promise<void> {
    await this.#worker?.stop();
    this.#worker = undefined;
    this.#launch = { ...this.#launch, ...launch, resume: { ...resume, files: [] } };
    this.#read = resume.transcript as Uint8Array;
  }

  /** The process writes what it does a moment later: it is killed when the tool's use is in the transcript. */
  async killedWhileToolRuns(): Promise<void> {
    const worker = await this.#started();
    const over = new AbortController();
    const killed = this.#isWritten("sleep 60", over.signal).then((isRunning) => {
      if (isRunning) process.kill(worker.pid!, "SIGKILL");
    });
    await this.#turn({ prompt: "Please wait.", scenario: uses([bash("sleep 60")]), outcome: "workerDied" });
    over.abort();
    await killed;
  }

  /** Waits until the transcript has a text. False when it is not waited for any longer. */
  async #isWritten(text: string, signal: AbortSignal): Promise<boolean> {
    const { transcript } = await this.#started();
    while (!signal.aborted) {
      const added = await transcript!.read(this.#read.length);
      if (new TextDecoder().decode(added).includes(text)) return true;
      await sleep(systemClock, 20);
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.stop();
  }

  async #turn(asked: Parameters<Lease["turn"]>[0]): Promise<PlayedTurn> {
    const worker = await this.#started();
    const { model, effort } = this.#launch;
    const startOther = () => Promise.reject(new Error("bug: a session has one worker"));
    const lease = new Lease({ ...this.#stage, settings: { model, effort }, worker, startOther });
    const played = await lease.turn(asked);
    if (lease.deviations.length > 0) throw new Error(lease.deviations.join("; "));
    return played;
  }

  async #started(): Promise<WorkerProcess> {
    if (this.#worker !== undefined) return this.#worker;
    const worker = await this.#stage.start(this.#launch);
    this.#worker = worker;
    await worker.ready();
    return worker;
  }
}

function compared(uninterrupted: PlayedTurn, resumed: PlayedTurn): CaseOutcome {
  return outcomeOf(firstDifference(uninterrupted.requests, resumed.requests));
}

function outcomeOf(difference: Difference | undefined): CaseOutcome {
  if (difference === undefined) return { kind: "identical" };
  return { kind: "leak", what: "the request is not that of the process that never ended", difference };
}

interface Message {
  readonly role: string;
  readonly content: string | readonly { readonly [member: string]: unknown }[];
}

function messagesOf(requests: readonly SentRequest[]): readonly Message[] {
  return (JSON.parse(requests[0]?.bodyText ?? "{}") as { messages?: readonly Message[] }).messages ?? [];
}

/** What is said in a request, without what depends on the model that is asked: its thinking, its effort, its cache. */
function wordsOf({ requests }: PlayedTurn): string {
  const said = messagesOf(requests).filter(({ role }) => role !== "system");
  return JSON.stringify(
    said.map(({ role, content }) => ({
      role,
      content: (typeof content === "string" ? [{ type: "text", text: content }] : content)
        .filter(({ type }) => type !== "thinking")
        .map(({ cache_control: _, ...block }) => block),
    })),
  );
}

/** The ids of the tools that were used, and of those of which there is a result. */
function toolIds(requests: readonly SentRequest[]): readonly [readonly unknown[], readonly unknown[]] {
  const blocks = messagesOf(requests).flatMap(({ content }) => (typeof content === "string" ? [] : content));
  const ids = (type: string, member: string) => blocks.flatMap((block) => (block.type === type ? [block[member]] : []));
  return [ids("tool_use", "id"), ids("tool_result", "tool_use_id")];
}

function uses(blocks: readonly object[]): ScenarioReference {
  return {
    steps: [
      { play: { answer: "message", blocks, stopReason: "tool_use" } },
      { play: { answer: "message", blocks: [{ type: "text", text: "That is done." }] } },
    ],
  } as ScenarioReference;
}

function bash(command: string): object {
  return { type: "tool_use", name: "Bash", input: { command, description: "Runs a command" } };
}
