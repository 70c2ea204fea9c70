/**
 * The real thing that `turn-model.ts` is compared with: the services of turns and sessions with their desk, their turns in
 * memory and their store, over workers that do what a test says. And callers and readers that remember all they got.
 */
import { expect } from "vitest";
import { BusyPolicy as BusyPolicyMessage, OnDisconnect } from "../../gen/claude/runner/v1/runner_pb.ts";
import { DeleteSessionRequestSchema, ForkSessionRequestSchema } from "../../gen/claude/runner/v1/session_pb.ts";
import { InterruptTurnRequestSchema, type InterruptTurnResponse } from "../../gen/claude/runner/v1/turn_pb.ts";
import { RunnerError, type RunnerReason } from "../../src/runner-error.ts";
import type { Response } from "../../src/service/out/responses.ts";
import { outcomes } from "../../src/service/out/result.ts";
import type { Store } from "../../src/store/store.ts";
import type { ContentBlock, HistoryMessage } from "../../src/turn.ts";
import type { EndCause } from "../../src/turn-end.ts";
import type { FakeClock } from "../fake-clock.ts";
import { failureOf, type ServedScene, servedScene } from "../service/served-scene.ts";
import { LivelyPool } from "../turns/lively-pool.ts";
import { goodEnd, init, type ScriptedTurn, text } from "../turns/scripted.ts";
import type { Model, ModelTurn, SubmitAsk, Submitted } from "./turn-model.ts";

const slotCount = 3;
const sessionQueueTimeoutMs = 30_000;
/** How long the store lets what is not urgent wait for more of it, at most, in milliseconds. */
const soonMs = 50;
/** A turn waits for its session from a moment after its acceptance on. */
const acceptanceMs = 1_000;
/** How long what must happen may take, in milliseconds of the machine: it goes to the store's thread and to its disk. */
const patienceMs = 8_000;

/** Whoever reads a turn. */
interface Reading {
  readonly turn: ModelTurn | undefined;
  readonly abort: AbortController;
  /** Reads from the event after this one on. */
  readonly from: number;
  readonly sequences: number[];
  readonly texts: string[];
  results: number;
  /** Why it ended; `ok` for one that ended well. */
  end: string | undefined;
  /** Whether it is cut for good, and what it got no longer counts. */
  isGone: boolean;
}

interface Call extends Reading {
  /** Whether its turn ends when it goes. */
  readonly isCaller: boolean;
  readonly submitted: Submitted["kind"];
}

const policies = {
  reject: BusyPolicyMessage.REJECT,
  queue: BusyPolicyMessage.QUEUE,
  interrupt: BusyPolicyMessage.INTERRUPT,
} as const;

export interface WorldParts {
  readonly clock: FakeClock;
  readonly store: Store;
  /** Whose everything is, in a store that others use as well. */
  readonly tenant: string;
  /** Has the store closed as by the death of its server, and opened anew. */
  readonly reopen?: () => Promise<Store>;
}

export class TurnWorld {
  readonly clock: FakeClock;
  readonly #tenant: string;
  readonly #reopen: WorldParts["reopen"];
  readonly #running = new Map<string, ScriptedTurn>();
  readonly #handedOver = new Map<string, readonly string[]>();
  readonly #ids = new Map<string, string>();
  /** Every prompt that a worker got, in order. */
  readonly #ran: string[] = [];
  #calls: Call[] = [];
  #readers: Reading[] = [];
  #store: Store;
  #pool: LivelyPool;
  #scene: ServedScene;
  #names = 0;

  constructor({ clock, store, tenant, reopen }: WorldParts) {
    this.clock = clock;
    this.#tenant = tenant;
    this.#store = store;
    this.#reopen = reopen;
    this.#pool = this.#newPool();
    this.#scene = this.#newScene();
  }

  newName(): string {
    this.#names += 1;
    return `turn ${this.#names}`;
  }

  submit(ask: SubmitAsk, name: string, submitted: Submitted): void {
    const { session, request, goesOn, busyPolicy } = ask;
    const turn = submitted.kind === "busy" ? undefined : submitted.turn;
    const call: Call = {
      ...this.#reading(turn, 0),
      isCaller: submitted.kind === "accepted" && !goesOn,
      submitted: submitted.kind,
    };
    this.#calls.push(call);
    const stream = this.#scene.streamChat(
      {
        prompt: name,
        ...(goesOn && { onDisconnect: OnDisconnect.CONTINUE }),
        ...(request !== undefined && { requestId: request }),
        ...(session !== undefined && {
          session: { id: session, allowMissing: true },
          busyPolicy: policies[busyPolicy],
        }),
      },
      call.abort.signal,
    );
    void this.#read(call, stream);
  }

  /** Has a caller go. */
  leave(at: number): Call | undefined {
    const there = this.#calls.filter(({ end, isGone }) => end === undefined && !isGone);
    const call = there[at % there.length];
    if (call !== undefined) this.#end(call);
    return call;
  }

  attach(turn: ModelTurn, share: number): void {
    const last = this.#scene.live.find(this.#idOf(turn))?.log.lastSequence ?? 0;
    this.#attachAfter(turn, Math.floor(share * last), []);
  }

  cut(at: number, comesBack: boolean): void {
    const there = this.#readers.filter(({ end, isGone }) => end === undefined && !isGone);
    const reader = there[at % there.length];
    if (reader?.turn === undefined) return;
    this.#end(reader);
    if (comesBack) this.#attachAfter(reader.turn, reader.from, reader.sequences, reader.texts);
  }

  /** Returns what was said. */
  speak(turn: ModelTurn): string {
    const words = `${turn.name}: word ${turn.words.length}. `;
    this.#of(turn).push(text(words));
    return words;
  }

  finish(turn: ModelTurn): void {
    const answer = turn.words.join("");
    this.#over(turn, { ...goodEnd, text: answer, answerBlocks: [answer] });
  }

  kill(turn: ModelTurn): void {
    const error = new RunnerError("WORKER_DIED", "the worker has died");
    this.#over(turn, { ...goodEnd, outcome: "workerDied", error, answerBlocks: [], workerReusable: false });
  }

  /** Whether there was something to stop. */
  async interrupt(turn: ModelTurn): Promise<boolean> {
    const asked = { turnId: this.#idOf(turn) };
    const call = this.#scene.turn<InterruptTurnResponse>("interruptTurn", InterruptTurnRequestSchema, asked);
    return (await answered(call, `the interruption of ${turn.name}`)).interrupted;
  }

  fork(id: string, newId: string): Promise<string> {
    return reasonOf(this.#scene.session("forkSession", ForkSessionRequestSchema, { id, newId }));
  }

  remove(id: string, force: boolean): Promise<string> {
    return reasonOf(this.#scene.session("deleteSession", DeleteSessionRequestSchema, { id, force }));
  }

  /** The server dies with all that runs, and another opens its store. */
  async restart(model: Model): Promise<void> {
    if (this.#reopen === undefined) throw new Error("this world has no restart");
    await this.#quiet();
    this.#store = await this.#reopen();
    for (const reading of [...this.#calls, ...this.#readers]) reading.isGone = true;
    this.#running.clear();
    this.#pool = this.#newPool();
    this.#scene = this.#newScene();
    for (const turn of model.open()) {
      const record = await this.#store.turn(this.#tenant, this.#idOf(turn));
      const mayBeUnknown = turn.state === "waiting" && turn.session === undefined && turn.request === undefined;
      if (record === undefined) expect(mayBeUnknown, `${turn.name} is gone`).toBe(true);
      else expect(record.state).toBe("ended");
      if (turn.state === "running") expect(record?.outcome).toBe("lost");
      // One that had its session and no worker yet counts as one that may have run.
      if (record?.outcome === "lost") turn.state = "running";
      turn.expected = record?.outcome ?? "not started";
      model.ended(turn);
      turn.isDeleted ||= record === undefined;
    }
  }

  /** Compares with the model, which learns what has begun and ended. */
  async compare(model: Model): Promise<void> {
    await this.#settled(model);
    // Before what has ended makes others the first: those may have given up in the same moment.
    for (const turn of model.open()) this.#learnWhetherLate(model, turn);
    for (const turn of model.open()) this.#compareEnd(model, turn);
    await this.#settled(model);
    for (const turn of model.open()) this.#compareStart(model, turn);
    for (const { submitted, end } of this.#calls) if (submitted === "busy") expect(end).toBe("SESSION_BUSY");
    this.#calls = this.#calls.filter(({ submitted }) => submitted !== "busy");
  }

  /** Until what must happen has happened. What must not is found now, or by the comparison after the next step. */
  async #settled(model: Model): Promise<void> {
    const isOpen = (turn: ModelTurn) => this.#ids.has(turn.name) && this.#endOf(turn) === undefined;
    const giveUpAtMs = performance.now() + patienceMs;
    for (;;) {
      await this.#quiet();
      // An end makes room in its session, and its worker free, for others.
      const ending = model.open().filter(({ expected }) => expected !== undefined);
      const next = model.open().filter((turn) => turn.state === "waiting" && !ending.includes(turn));
      const isBusy = this.#pool.usedCount >= slotCount;
      const mayBegin = (turn: ModelTurn) => ending.length === 0 && !isBusy && model.isFirst(turn);
      const isThere =
        ending.every((turn) => this.#endOf(turn) !== undefined) &&
        next.every((turn) => model.mayBeLate(turn) || isOpen(turn)) &&
        next.every((turn) => this.#running.has(turn.name) || !mayBegin(turn)) &&
        this.#calls.every(({ submitted, end }) => submitted !== "busy" || end !== undefined);
      if (isThere || performance.now() > giveUpAtMs) return;
    }
  }

  #endOf(turn: ModelTurn) {
    return this.#scene.live.find(this.#ids.get(turn.name) ?? "")?.log.end?.value;
  }

  #learnWhetherLate(model: Model, turn: ModelTurn): void {
    const waitedMs = this.clock.now() - turn.acceptedAtMs;
    const hasGivenUp = this.#endOf(turn)?.kind === "notStarted" && waitedMs >= sessionQueueTimeoutMs;
    if (hasGivenUp && model.mayBeLate(turn)) model.expect(turn, "not started");
  }

  #compareEnd(model: Model, turn: ModelTurn): void {
    const end = this.#endOf(turn);
    if (turn.expected === undefined) {
      expect(end, `${turn.name} has ended by itself`).toBeUndefined();
      return;
    }
    if (end === undefined) throw new Error(`${turn.name} is not ${turn.expected}, and goes on`);
    if (end.kind === "ended") {
      const [outcome] = Object.entries(outcomes).find(([, of]) => of === end.result.outcome) ?? [];
      expect(`${turn.name} ${outcome}`).toBe(`${turn.name} ${turn.expected}`);
      turn.state = "running"; // also one that was interrupted as soon as it began
    } else expect(turn.state).toBe("waiting");
    this.#running.delete(turn.name);
    model.ended(turn);
  }

  #compareStart(model: Model, turn: ModelTurn): void {
    if (turn.state === "running") return;
    if (this.#running.has(turn.name)) {
      expect(model.isFirst(turn), `${turn.name} has its session before its turn`).toBe(true);
      const conversation = model.sessions.get(turn.session ?? "")?.conversation ?? [];
      expect(this.#handedOver.get(turn.name)).toEqual(conversation);
      turn.state = "running";
    } else if (model.mayBeLate(turn)) {
      const waitedMs = this.clock.now() - turn.acceptedAtMs;
      expect(waitedMs, `${turn.name} waits for ever`).toBeLessThan(sessionQueueTimeoutMs + acceptanceMs);
    } else if (model.isFirst(turn)) {
      expect(this.#pool.usedCount, `${turn.name} waits although there is a worker`).toBe(slotCount);
    }
  }

  /** Ends what there is, and looks at all that callers and readers got and at what is written down. */
  async conclude(model: Model): Promise<void> {
    while (model.open().length > 0) {
      const turn = model.pick(0, "running");
      if (turn === undefined) throw new Error(`${model.open()[0]?.name} never begins`);
      turn.words.push(this.speak(turn));
      model.expect(turn, "completed");
      this.finish(turn);
      await this.compare(model);
    }
    await this.#quiet();
    expect(this.#pool.usedCount).toBe(0);
    expect(this.#pool.mostUsedCount).toBeLessThanOrEqual(slotCount);
    expect([...this.#scene.live.open()]).toEqual([]);
    expect(new Set(this.#ran).size, "a prompt came to a worker twice").toBe(this.#ran.length);
    for (const turn of model.turns) {
      if (turn.isDeleted) continue;
      const record = await this.#store.turn(this.#tenant, this.#idOf(turn));
      // One that nobody could ask for again is written down when it has a worker.
      const wasNeverTaken = turn.session === undefined && turn.request === undefined && !this.#ran.includes(turn.name);
      if (record === undefined && wasNeverTaken) continue;
      const hasRun = this.#ran.includes(turn.name) || turn.expected === "lost";
      expect(record).toMatchObject({ state: "ended", outcome: hasRun ? turn.expected : undefined });
    }
    for (const [id, { conversation }] of model.sessions) {
      const session = await this.#store.session(this.#tenant, id);
      expect(session).toMatchObject({ runningTurnId: undefined, turnCount: conversation.length / 2 });
    }
    for (const reading of [...this.#calls, ...this.#readers]) this.#checkReading(reading);
    this.#scene.live.close();
  }

  /** All events once and in order, the result last, and nothing of another turn. */
  #checkReading({ turn, sequences, texts, results, end, isGone, from }: Reading): void {
    if (turn === undefined || turn.isDeleted) return;
    expect(texts.filter((said) => !said.startsWith(`${turn.name}: `))).toEqual([]);
    // Between what was delivered and the end of a turn that died with its server is a gap.
    const isWhole = turn.expected !== "lost";
    expect(sequences).toEqual(isWhole ? sequences.map((_, at) => sequences[0]! + at) : sequences.toSorted(byNumber));
    expect(new Set(sequences).size).toBe(sequences.length);
    if (isGone) return;
    expect(end, `a reader of ${turn.name} waits for ever`).toBeDefined();
    // What has ended before its first word has no events.
    const last = this.#scene.live.find(this.#idOf(turn))?.log.lastSequence;
    if (last === undefined || last === 0) return;
    expect(sequences.at(-1) ?? from).toBe(last);
    if (sequences.length > 0) expect(results).toBe(1);
    if (from === 0) expect(sequences[0]).toBe(1);
  }

  #newPool(): LivelyPool {
    return new LivelyPool(slotCount, (turn, running, history) => {
      const name = textOf(turn.content[0]);
      running.onInterrupt = interrupted;
      running.push(init);
      this.#ran.push(name);
      this.#running.set(name, running);
      this.#handedOver.set(name, history.map(wordsOf));
    });
  }

  #newScene(): ServedScene {
    return servedScene({
      clock: this.clock,
      store: this.#store,
      pool: this.#pool,
      tenant: this.#tenant,
      onBegun: ({ id, content }) => this.#ids.set(textOf(content[0]), id),
    });
  }

  #attachAfter(turn: ModelTurn, from: number, sequences: readonly number[], texts: readonly string[] = []): void {
    const reader: Reading = { ...this.#reading(turn, from), sequences: [...sequences], texts: [...texts] };
    this.#readers.push(reader);
    const stream = this.#scene.attach(
      { turn: { case: "turnId", value: this.#idOf(turn) }, afterSequence: sequences.at(-1) ?? from },
      reader.abort.signal,
    );
    void this.#read(reader, eventsOf(stream));
  }

  #reading(turn: ModelTurn | undefined, from: number): Reading {
    const abort = new AbortController();
    return { turn, abort, from, sequences: [], texts: [], results: 0, end: undefined, isGone: false };
  }

  async #read(reading: Reading, stream: AsyncIterable<Response>): Promise<void> {
    try {
      for await (const { sequence = 0, event } of stream) {
        if (event?.case === "heartbeat" || reading.isGone) continue;
        reading.sequences.push(sequence);
        if (event?.case === "textDelta") reading.texts.push(event.value.text ?? "");
        if (event?.case === "result") reading.results += 1;
      }
      reading.end = "ok";
    } catch (error) {
      reading.end = failureOf(error).reason;
    }
  }

  #end(reading: Reading): void {
    reading.isGone = true;
    reading.abort.abort(new RunnerError("CANCELLED", "the caller has gone"));
  }

  #over(turn: ModelTurn, end: typeof goodEnd): void {
    const running = this.#of(turn);
    running.end(end);
    running.becomeIdle();
  }

  #of(turn: ModelTurn): ScriptedTurn {
    const running = this.#running.get(turn.name);
    if (running === undefined) throw new Error(`${turn.name} does not run`);
    return running;
  }

  #idOf(turn: ModelTurn): string {
    const id = this.#ids.get(turn.name);
    if (id === undefined) throw new Error(`${turn.name} was never seen`);
    return id;
  }

  /** Until nothing happens any more by itself: what the store is asked for goes to its thread and back. */
  async #quiet(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.#store.session(this.#tenant, "nobody's");
      // What is written soon is written then.
      await this.clock.advance(soonMs);
    }
  }
}

function interrupted(cause: EndCause) {
  const reasons: Partial<Record<EndCause, RunnerReason>> = { cancelled: "CANCELLED", interrupted: "TURN_INTERRUPTED" };
  const reason = reasons[cause];
  if (reason === undefined) throw new Error(`nobody ends a turn here for: ${cause}`);
  const error = new RunnerError(reason, cause);
  return { ...goodEnd, outcome: cause as "cancelled" | "interrupted", error, answerBlocks: [] };
}

const byNumber = (one: number, other: number) => one - other;
const textOf = (block: ContentBlock | undefined) => (block?.kind === "text" ? block.text : "");
const wordsOf = (message: HistoryMessage) =>
  message.role === "user" ? message.content.map(textOf).join("") : message.texts.join("");

async function* eventsOf(
  stream: AsyncIterable<{ readonly message: { readonly case: string; readonly value: unknown } }>,
): AsyncGenerator<Response> {
  for await (const { message } of stream) if (message.case === "event") yield message.value as Response;
}

/** Rejects when it takes longer than anything here may. */
async function answered<T>(call: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} never returns`)), patienceMs);
  try {
    return await Promise.race([call, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function reasonOf(call: Promise<unknown>): Promise<string> {
  return answered(call, "a call about a session").then(
    () => "done",
    (error: unknown) => failureOf(error).reason,
  );
}
