/**
 * A turn and its record: complete whoever reads, held up by its caller alone, its end written down before it is told.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { RunnerError } from "../../src/runner-error.ts";
import type { TurnEnd } from "../../src/turn-end.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import { TurnLife } from "../../src/turns/life.ts";
import { type LastEvent, type LiveEnd, LiveTurn, type TurnBook, type TurnEncoder } from "../../src/turns/live-turn.ts";
import { TurnLog } from "../../src/turns/log/turn-log.ts";
import { FakeClock } from "../fake-clock.ts";
import { aTurn, goodEnd, init, ScriptedPool, ScriptedWorker, text } from "./scripted.ts";

/** Events as their kinds. */
class Kinds implements TurnEncoder<string> {
  readonly #log: TurnLog<LiveEnd<string>>;
  broken: string | undefined;
  constructor(log: TurnLog<LiveEnd<string>>) {
    this.#log = log;
  }
  get lastSequence() {
    return this.#log.lastSequence;
  }
  started(said: unknown) {
    this.#put(said === undefined ? "started unsaid" : "started");
  }
  event({ kind }: TurnEvent) {
    if (kind === this.broken) throw new Error("a bug");
    this.#put(kind);
  }
  result({ outcome }: TurnEnd) {
    const bytes = Buffer.from(`result ${outcome}`);
    const event = { sequence: this.lastSequence + 1, flags: 0, bytes };
    return { result: outcome, event, write: () => this.#log.append(0, bytes) };
  }
  silentResult({ outcome }: TurnEnd) {
    return outcome;
  }
  #put(kind: string) {
    this.#log.append(0, Buffer.from(kind));
  }
}

/** Writes down what it is told, and takes as long as a test wants. */
class Book implements TurnBook<string> {
  readonly lines: string[] = [];
  gate: Promise<void> | undefined;
  onBeforePrompt: () => Promise<void> = async () => {};
  onMayDeliver: (sequence: number) => Promise<void> | undefined = () => undefined;
  beforePrompt() {
    return this.onBeforePrompt();
  }
  mayDeliver(sequence: number) {
    return this.onMayDeliver(sequence);
  }
  lastEvent: LastEvent | undefined;
  async ended(_end: TurnEnd, result: string, lastSequence: number, event?: LastEvent) {
    await this.gate;
    this.lines.push(`ended ${result} ${lastSequence}`);
    this.lastEvent = event;
  }
  async notStarted(error: unknown) {
    this.lines.push(`not started: ${(error as RunnerError).reason}`);
  }
}

function scene({
  workers = [new ScriptedWorker()],
  turn = aTurn(),
  change = (_: { book: Book; encoder: Kinds }) => {},
} = {}) {
  const clock = new FakeClock();
  const pool = new ScriptedPool(...workers);
  const log = new TurnLog<LiveEnd<string>>();
  const [book, encoder] = [new Book(), new Kinds(log)];
  change({ book, encoder });
  const live = new LiveTurn<string>(turn, {
    clock,
    log,
    encoder,
    book,
    life: (signal) =>
      new TurnLife(
        turn,
        { signal, deadlineMs: 60_000, arrivedAtMs: 0, startedMs: 0, beforePrompt: () => book.beforePrompt() },
        { clock, pool, admit: () => ({ leave: () => {} }) },
        [],
      ),
  });
  const record = () => {
    using cursor = log.follow(0);
    const kinds: string[] = [];
    for (let bytes = cursor.poll(); bytes !== undefined; bytes = cursor.poll()) kinds.push(bytes.toString());
    return kinds;
  };
  return { clock, pool, log, book, encoder, live, worker: workers[0]!, record };
}

describe("a turn's record", () => {
  test("is complete although nobody reads", async () => {
    const { live, worker, record, book, clock } = scene();
    worker.turn.push(init, text("a"), text("b"));
    await clock.settle();
    expect(live.state).toBe("running");
    worker.turn.end();
    worker.turn.becomeIdle();
    await live.over;
    expect(record()).toEqual(["started", "textDelta", "textDelta", "result completed"]);
    expect(book.lines).toEqual(["ended completed 4"]);
    expect([book.lastEvent?.sequence, book.lastEvent?.bytes.toString()]).toEqual([4, "result completed"]);
    expect([live.state, live.hasContent]).toEqual(["ended", true]);
  });

  test("waits for the reader who may hold it up, and for no other", async () => {
    const { live, worker, log, clock } = scene();
    const [holder, other] = [log.follow(0, { holds: true }), log.follow(0)];
    worker.turn.push(init, ...Array.from({ length: 99 }, () => text("x")));
    await clock.settle();
    expect(log.lastSequence).toBe(32);
    while (other.poll() !== undefined);
    await clock.settle();
    expect(log.lastSequence).toBe(32);
    while (holder.poll() !== undefined) await clock.settle();
    expect(log.lastSequence).toBe(100);
    worker.turn.push(...Array.from({ length: 99 }, () => text("x")));
    await clock.settle();
    holder[Symbol.dispose]();
    worker.turn.end();
    await live.over;
    expect(log.lastSequence).toBe(200);
  });

  test("says for how long that reader has held it up, from the last time that they read", async () => {
    const { live, worker, log, clock } = scene();
    const holder = log.follow(0, { holds: true });
    worker.turn.push(init, ...Array.from({ length: 99 }, () => text("x")));
    await clock.advance(700);
    expect(live.heldUpMs()).toBe(700);
    holder.poll();
    await clock.advance(10);
    expect(live.heldUpMs()).toBe(10);
    while (holder.poll() !== undefined) await clock.settle();
    expect(live.heldUpMs()).toBe(0);
  });

  test("is written to its end once that is asked for, although that reader takes nothing", async () => {
    const { live, worker, log, clock, book } = scene();
    log.follow(0, { holds: true });
    worker.turn.push(init, ...Array.from({ length: 99 }, () => text("x")));
    await clock.settle();
    live.stop(new RunnerError("CLIENT_STALLED", "stalled"));
    await live.over;
    expect(book.lines).toHaveLength(1);
    expect(live.state).toBe("ended");
  });

  test("begins and ends also when a bound ended it before the CLI had said a word", async () => {
    const { live, worker, record } = scene();
    worker.turn.end({ ...goodEnd, outcome: "durationLimit" });
    await live.over;
    expect(record()).toEqual(["started unsaid", "result durationLimit"]);
  });

  test("is empty when it failed before that: its readers get the error alone", async () => {
    const { live, worker, record, log, book } = scene();
    const error = new RunnerError("WORKER_DIED", "gone");
    worker.turn.end({ ...goodEnd, outcome: "workerDied", error });
    await live.over;
    expect(record()).toEqual([]);
    expect(log.end?.value).toMatchObject({ kind: "ended", error });
    expect(book.lines).toEqual(["ended workerDied 0"]);
  });
});

describe("the end of a turn", () => {
  test("is told to nobody before it is written down", async () => {
    const gate = Promise.withResolvers<void>();
    const { live, worker, record, clock } = scene({
      change: ({ book }) => {
        book.gate = gate.promise;
      },
    });
    worker.turn.push(init);
    worker.turn.end();
    await clock.settle();
    expect([record(), live.state]).toEqual([["started"], "running"]);
    gate.resolve();
    await live.over;
    expect(record()).toEqual(["started", "result completed"]);
  });

  test("comes when somebody stops it, whether it waits or runs; the first reason counts", async () => {
    const running = scene();
    running.worker.turn.push(init);
    await running.clock.settle();
    running.live.stop(new RunnerError("TURN_INTERRUPTED", "enough"));
    running.live.stop(new RunnerError("DRAINED", "late"));
    await running.live.over;
    expect(running.worker.turn.causes).toEqual(["interrupted"]);

    const waiting = scene();
    waiting.pool.onClaim = ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    await waiting.clock.settle();
    expect(waiting.live.state).toBe("waiting");
    waiting.live.stop(new RunnerError("TURN_INTERRUPTED", "enough"));
    await waiting.live.over;
    expect(waiting.book.lines).toEqual(["not started: TURN_INTERRUPTED"]);
    expect(waiting.log.end?.value).toMatchObject({ kind: "notStarted", error: { reason: "TURN_INTERRUPTED" } });
  });

  test("comes before the prompt when the turn cannot be written down", async () => {
    const { live, worker, pool, book } = scene({
      change: ({ book }) => {
        book.onBeforePrompt = () => Promise.reject(new RunnerError("STORE_UNAVAILABLE", "the disk is full"));
      },
    });
    await live.over;
    expect(worker.calls).not.toContain("run");
    expect(pool.releases).toHaveLength(1);
    expect(book.lines).toEqual(["not started: STORE_UNAVAILABLE"]);
  });

  test("comes with a bug in the recording as well: the worker is stopped, the turn booked, its readers told", async () => {
    const { live, worker, log, book, pool, clock } = scene({
      change: ({ encoder }) => {
        encoder.broken = "textDelta";
      },
    });
    worker.turn.push(init, text("a"));
    await live.over;
    await clock.settle();
    expect(worker.turn.causes).toEqual(["interrupted"]);
    expect(log.end?.value).toMatchObject({ kind: "ended", error: new Error("a bug") });
    expect(book.lines).toEqual(["ended interrupted 1"]);
    expect(pool.releases).toHaveLength(1);
  });
});

test("no event is delivered whose number may be given out again", async () => {
  const gate = Promise.withResolvers<void>();
  const { live, worker, record, clock } = scene({
    change: ({ book }) => {
      book.onMayDeliver = (sequence) => (sequence > 258 ? gate.promise : undefined);
    },
  });
  worker.turn.push(init, text("a"), text("b"), text("c"));
  await clock.settle();
  expect(record()).toEqual(["started", "textDelta", "textDelta"]);
  gate.resolve();
  worker.turn.end();
  await live.over;
  expect(record()).toEqual(["started", "textDelta", "textDelta", "textDelta", "result completed"]);
});

test("a turn that is over keeps neither its prompt nor its worker, however long it can be read", async () => {
  const { live, kept } = await endedTurn();
  live.replied();
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(kept.map(([name, ref]) => (ref.deref() === undefined ? "gone" : `${name} is kept`))).toEqual(["gone", "gone"]);
  expect([live.turn.profile, live.hasPrompt, live.log.lastSequence]).toEqual(["default", true, 3]);
});

/** Its words and its worker are in no frame of the test. */
async function endedTurn() {
  const turn = aTurn({ content: [{ kind: "text", text: "a long prompt" }] });
  const worker = new ScriptedWorker();
  const { live } = scene({ workers: [worker], turn });
  worker.turn.push(init, text("a"));
  await new Promise((resolve) => setImmediate(resolve));
  worker.turn.end();
  worker.turn.becomeIdle();
  await live.over;
  const kept = [["the prompt", new WeakRef(turn.content)] as const, ["the worker", new WeakRef(worker)] as const];
  return { live, kept };
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
