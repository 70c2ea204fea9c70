/**
 * A turn without a call around it: that it has exactly one end, who is told of it and when, and that nobody need read.
 */
import { describe, expect, test } from "vitest";
import { CredentialError } from "../../src/cli/start/credential.ts";
import { ProcessStartError } from "../../src/pool/start-error.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { SessionLaunch } from "../../src/session-launch.ts";
import type { Turn } from "../../src/turn.ts";
import type { TurnEvent } from "../../src/turn-event.ts";
import { type Admission, type LifeParts, type LifeScope, TurnLife } from "../../src/turns/life.ts";
import { canMove, type LifeState } from "../../src/turns/life-state.ts";
import type { TurnObserver } from "../../src/turns/observer.ts";
import { FakeClock } from "../fake-clock.ts";
import { answered, said } from "../said.ts";
import { aTurn, init, ScriptedPool, ScriptedTurn, ScriptedWorker, text } from "./scripted.ts";

/** Writes down all that it is told, except the times of it. */
class Book implements TurnObserver {
  readonly wants: ReadonlySet<TurnEvent["kind"]>;
  readonly lines: string[] = [];
  constructor(...wants: TurnEvent["kind"][]) {
    this.wants = new Set(wants);
  }
  began() {
    this.lines.push("began");
  }
  stageEntered(name: string) {
    this.lines.push(`> ${name}`);
  }
  stageLeft({ name }: { name: string }, failure: string | undefined) {
    this.lines.push(failure === undefined ? `< ${name}` : `< ${name}: ${failure}`);
  }
  milestoneReached({ name }: { name: string }) {
    this.lines.push(name);
  }
  claimed({ worker }: { worker: { id: string } }) {
    this.lines.push(`claimed ${worker.id}`);
  }
  takenOver(workerId: string) {
    this.lines.push(`taken over from ${workerId}`);
  }
  saw({ kind }: TurnEvent) {
    this.lines.push(`saw ${kind}`);
  }
  finished({ outcome }: { outcome: string }) {
    this.lines.push(`finished ${outcome}`);
  }
  replied() {
    this.lines.push("replied");
  }
  closed({ end, reason }: { end: unknown; reason: string | undefined }) {
    this.lines.push(end === undefined ? `closed: ${reason}` : "closed");
  }
}

interface Options {
  readonly workers?: ScriptedWorker[];
  readonly beforePrompt?: LifeScope["beforePrompt"];
  readonly admit?: LifeParts["admit"];
  readonly observers?: TurnObserver[];
  readonly turn?: Partial<Turn>;
}

function scene({ workers = [new ScriptedWorker()], beforePrompt, admit, observers = [], turn }: Options = {}) {
  const clock = new FakeClock();
  const pool = new ScriptedPool(...workers);
  const abort = new AbortController();
  const book = new Book("init");
  let leftCount = 0;
  const leave = () => {
    leftCount += 1;
  };
  const scope: LifeScope = {
    signal: abort.signal,
    deadlineMs: 60_000,
    arrivedAtMs: 0,
    startedMs: 0,
    ...(beforePrompt && { beforePrompt }),
  };
  const parts: LifeParts = { clock, pool, random: () => 0.5, admit: admit ?? (() => ({ leave })) };
  const life = new TurnLife(aTurn(turn), scope, parts, [book, ...observers]);
  return { clock, pool, abort, book, life, worker: workers[0]!, leftCount: () => leftCount };
}

/** Reads on until the end. */
async function readAll(life: TurnLife): Promise<string[]> {
  const kinds: string[] = [];
  const reader = life.read();
  for (;;) {
    const { kind } = await reader.next();
    kinds.push(kind);
    if (kind === "ended") return kinds;
  }
}

describe("a turn", () => {
  test("goes from its check to its end, and each observer is told once of each step", async () => {
    const { life, book, worker, clock, pool, leftCount } = scene();
    expect(life.state.kind).toBe("admitted");
    worker.turn.push(init, text("a"), text("b"));
    worker.turn.end();
    await life.begin();
    expect(await readAll(life)).toEqual(["init", "textDelta", "textDelta", "ended"]);
    life.replied();
    life.replied();
    worker.turn.becomeIdle();
    await clock.settle();
    expect(book.lines).toEqual([
      "began",
      "> check",
      "< check",
      "> queueWait",
      "claimed w1",
      "< queueWait",
      "> claim",
      "< claim",
      "> bind",
      "< bind",
      "> configure",
      "< configure",
      "> stdinWrite",
      "< stdinWrite",
      "> turn",
      "finished completed",
      "firstEvent",
      "saw init",
      "firstText",
      "< turn",
      "closed",
      "> reply",
      "< reply",
      "replied",
    ]);
    expect(life.state).toMatchObject({ kind: "ended", end: { outcome: "completed" } });
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
    expect(leftCount()).toBe(1);
    expect(clock.pendingTimerCount).toBe(0);
  });

  test("shows an observer the events that it wants, and no others", async () => {
    const texts = new Book("textDelta");
    const { life, worker } = scene({ observers: [texts, { closed: () => {} }] });
    worker.turn.push(init, text("a"));
    worker.turn.end();
    await life.begin();
    await readAll(life);
    expect(texts.lines.filter((line) => line.startsWith("saw"))).toEqual(["saw textDelta"]);
  });

  test("waits for its admission, and is over when that is refused or ended by its signal", async () => {
    const gate = Promise.withResolvers<Admission>();
    const { life, clock, pool, worker } = scene({ admit: () => gate.promise });
    const begun = life.begin();
    await clock.settle();
    expect([life.state.kind, pool.requests.length]).toEqual(["waiting", 0]);
    gate.resolve({ leave: () => {} });
    worker.turn.push(init);
    await begun;
    expect(life.state.kind).toBe("running");

    const refused = scene({ admit: () => Promise.reject(new RunnerError("QUOTA_EXCEEDED", "full")) });
    await expect(refused.life.begin()).rejects.toMatchObject({ reason: "QUOTA_EXCEEDED" });
    expect(refused.book.lines.slice(-2)).toEqual(["< sessionWait: QUOTA_EXCEEDED", "closed: QUOTA_EXCEEDED"]);

    const cancelled = scene({
      admit: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const waiting = cancelled.life.begin();
    cancelled.abort.abort(new RunnerError("CANCELLED", "gone"));
    await expect(waiting).rejects.toMatchObject({ reason: "CANCELLED" });
    expect(cancelled.life.state.kind).toBe("notStarted");
  });

  test("goes to another worker when the first dies before it has the prompt, and to no third", async () => {
    const dying = (id: string) => {
      const worker = new ScriptedWorker(id);
      worker.onConfigure = () => Promise.reject(new RunnerError("WORKER_DIED", "gone"));
      return worker;
    };
    const second = new ScriptedWorker("w2");
    const { life, book, pool } = scene({ workers: [dying("w1"), second] });
    await life.begin();
    expect(book.lines).toContain("taken over from w1");
    expect(book.lines.filter((line) => line.startsWith("claimed"))).toEqual(["claimed w1", "claimed w2"]);
    expect(pool.releases).toMatchObject([{ workerId: "w1", how: { kind: "discard" } }]);

    const unlucky = scene({ workers: [dying("w1"), dying("w2"), new ScriptedWorker("w3")] });
    await expect(unlucky.life.begin()).rejects.toMatchObject({ reason: "WORKER_DIED" });
    expect(unlucky.leftCount()).toBe(1);
    expect(unlucky.book.lines.at(-1)).toBe("closed: WORKER_DIED");
  });
});

describe("the start of a session's own worker", () => {
  const begun: SessionLaunch = {
    cliSessionId: "00000000-0000-4000-8000-000000000002",
    model: "m",
    effort: "medium",
    binding: {},
  };
  const resumed: SessionLaunch = { ...begun, resume: { transcript: new Uint8Array(), origin: "own", files: [] } };
  const processFailed = new ProcessStartError(new RunnerError("WORKER_START_FAILED", "it exits at once"));
  const failing = (times: number, turn: Partial<Turn> = { sessionLaunch: resumed }, error: unknown = processFailed) => {
    const all = scene({ turn });
    let tried = 0;
    all.pool.onClaim = async () => {
      tried += 1;
      if (tried <= times) throw error;
    };
    return { ...all, triedCount: () => tried };
  };

  test("is tried again after a pause, twice", async () => {
    const { life, clock, triedCount } = failing(2);
    const begun = life.begin();
    await clock.settle();
    expect(triedCount()).toBe(1);
    await clock.advance(999);
    expect(triedCount()).toBe(1);
    await clock.advance(1);
    expect(triedCount()).toBe(2);
    await clock.advance(1_000);
    await begun;
    expect([triedCount(), life.state.kind]).toEqual([3, "running"]);
  });

  test("suspends the session when its process has failed three times at what it resumes", async () => {
    const { life, clock, triedCount, leftCount } = failing(9);
    const begun = life.begin();
    begun.catch(() => {});
    await clock.advance(1_500);
    await clock.advance(1_500);
    await expect(begun).rejects.toMatchObject({ reason: "SESSION_SUSPENDED" });
    expect([triedCount(), leftCount(), clock.pendingTimerCount]).toEqual([3, 1, 0]);
  });

  test.each<[string, SessionLaunch | undefined, RunnerError]>([
    ["its credential is missing", resumed, new CredentialError("main", "there is none", true)],
    ["the pool starts none", resumed, new RunnerError("WORKER_START_FAILED", "workers do not start")],
    ["there is no program", resumed, new RunnerError("CLI_UNAVAILABLE", "it is not installed")],
    ["the session has nothing yet that could be wrong", begun, processFailed],
    ["the turn is not a session's", undefined, processFailed],
  ])("is not the turn's to repeat, nor a reason to suspend, when %s", async (_, sessionLaunch, error) => {
    const { life, triedCount, leftCount, clock } = failing(9, { sessionLaunch }, error);
    await expect(life.begin()).rejects.toBe(error);
    expect([triedCount(), leftCount(), clock.pendingTimerCount]).toEqual([1, 1, 0]);
  });

  test("is not tried again for a turn that has gone", async () => {
    const gone = failing(9);
    const begun = gone.life.begin();
    begun.catch(() => {});
    await gone.clock.settle();
    gone.abort.abort(new RunnerError("CANCELLED", "gone"));
    await expect(begun).rejects.toMatchObject({ reason: "CANCELLED" });
    expect(gone.triedCount()).toBe(1);
  });
});

describe("the end of a turn", () => {
  test("is booked when the worker is done, although its reader has read nothing of it", async () => {
    const { life, book, worker, clock, pool, leftCount } = scene();
    worker.turn.push(init, text("a"));
    await life.begin();
    life.read();
    worker.turn.end();
    worker.turn.becomeIdle();
    await clock.settle();
    expect(book.lines).toContain("finished completed");
    expect(book.lines).not.toContain("closed");
    expect(pool.releases).toHaveLength(1);
    expect(leftCount()).toBe(1);
  });

  test("comes by its signal, with what the signal says", async () => {
    const { life, worker, abort } = scene();
    worker.turn.push(init);
    await life.begin();
    abort.abort(new RunnerError("DEADLINE_EXCEEDED", "late"));
    abort.abort(new RunnerError("CANCELLED", "gone"));
    expect(worker.turn.causes).toEqual(["deadlineExceeded"]);
    expect(await readAll(life)).toEqual(["init", "ended"]);
  });

  test("comes at once when the signal had aborted while the prompt was written", async () => {
    const written = Promise.withResolvers<void>();
    const worker = new ScriptedWorker("w1", new ScriptedTurn(written.promise));
    const { life, abort, clock } = scene({ workers: [worker] });
    const begun = life.begin();
    await clock.settle();
    abort.abort(new RunnerError("CANCELLED", "gone"));
    written.resolve();
    await begun;
    expect(worker.turn.causes).toEqual(["cancelled"]);
  });

  test("closes the books also when nobody reads any further", async () => {
    const { life, worker, book, clock } = scene();
    worker.turn.push(init);
    await life.begin();
    life.stopReading();
    life.interrupt("cancelled");
    await clock.settle();
    expect(book.lines.filter((line) => line === "closed")).toHaveLength(1);
    life.interrupt("costLimit");
    expect(worker.turn.causes).toEqual(["cancelled"]);
  });
});

describe("what the prompt waits for", () => {
  const refusing = () => Promise.reject(new RunnerError("STORE_UNAVAILABLE", "the disk is full"));

  test("comes after the worker was prepared, and before the prompt", async () => {
    const gate = Promise.withResolvers<void>();
    const { life, worker, clock } = scene({ beforePrompt: () => gate.promise });
    const begun = life.begin();
    await clock.settle();
    expect(worker.calls).toEqual(["bind", "configure"]);
    gate.resolve();
    await begun;
    expect(worker.calls).toEqual(["bind", "configure", "run"]);
  });

  test("may refuse: then no worker gets the prompt, and the one that was prepared is used again", async () => {
    const { life, worker, pool, book } = scene({ beforePrompt: refusing });
    await expect(life.begin()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(worker.calls).not.toContain("run");
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
    expect(book.lines.at(-1)).toBe("closed: STORE_UNAVAILABLE");
  });

  test.each([
    ["the conversation that the turn was to go on with", { before: "c1", after: "c2" }, "c1"],
    ["nothing that a later turn could ask for, when its session was to begin", { after: "c2" }, undefined],
  ])("may refuse: a worker that was given out with a conversation goes back with %s", async (_, conversation, held) => {
    const { life, pool } = scene({ beforePrompt: refusing, turn: { conversation } });
    pool.holds = { kind: "conversation", id: "c1" };
    await expect(life.begin()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished", conversation: held } }]);
  });

  test("is asked for in vain by a turn that was cancelled meanwhile, and its worker keeps what it had", async () => {
    const gate = Promise.withResolvers<void>();
    const names = { before: "c1", after: "c2" };
    const { life, pool, abort, clock } = scene({ beforePrompt: () => gate.promise, turn: { conversation: names } });
    pool.holds = { kind: "conversation", id: "c1" };
    const begun = life.begin();
    begun.catch(() => {});
    await clock.settle();
    abort.abort(new RunnerError("CANCELLED", "gone"));
    gate.resolve();
    await expect(begun).rejects.toMatchObject({ reason: "CANCELLED" });
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished", conversation: "c1" } }]);
  });

  test("is not reached when what was said before cannot be read: the worker is used again all the same", async () => {
    const load = () => Promise.reject(new RunnerError("STORE_UNAVAILABLE", "the disk is gone"));
    const { life, worker, pool } = scene({ turn: { earlier: { messageCount: 2, load } } });
    await expect(life.begin()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    expect(worker.calls).toEqual(["bind", "configure"]);
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
  });

  test("is not reached when the worker fails at being seeded: that one ends", async () => {
    const { life, worker, pool } = scene({ turn: { history: [said("a"), answered("b")] } });
    worker.onSeed = () => Promise.reject(new Error("?"));
    await expect(life.begin()).rejects.toThrow("?");
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "discard", why: "preparation_failed" } }]);
  });
});

test("an end is for good: no state comes after it, and none is skipped on the way to a prompt", () => {
  const kinds: LifeState["kind"][] = ["admitted", "waiting", "preparing", "running", "ended", "notStarted"];
  const next = (from: LifeState["kind"]) =>
    kinds.filter((to) => canMove({ kind: from } as LifeState, { kind: to } as LifeState));
  expect(Object.fromEntries(kinds.map((kind) => [kind, next(kind)]))).toEqual({
    admitted: ["waiting"],
    waiting: ["preparing", "notStarted"],
    preparing: ["waiting", "running", "notStarted"],
    running: ["ended"],
    ended: [],
    notStarted: [],
  });
});

describe("a turn of a session with a worker of its own", () => {
  const sessionLaunch = { cliSessionId: "s", model: "m", effort: "medium", binding: {} } as const;
  const names = { before: "c1", after: "c2" };

  test.each([
    ["the conversation that it goes on with", names, "c1"],
    ["its session, when that begins", { after: "c2" }, "s"],
  ])("asks for one that has %s, on which nothing is bound, set or handed over", async (_, conversation, name) => {
    const { life, pool, worker, book, clock } = scene({ turn: { sessionLaunch, conversation } });
    pool.holds = { kind: "conversation", id: name };
    worker.turn.end();
    await life.begin();
    worker.turn.becomeIdle();
    await clock.settle();
    expect(pool.requests[0]?.session).toEqual({ conversation: name, launch: sessionLaunch });
    expect(worker.calls).toEqual(["run"]);
    expect(book.lines.filter((line) => /bind|configure|seed/.test(line))).toEqual([]);
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished", conversation: "c2" } }]);
  });

  test("fails with the reason when the session cannot go on", async () => {
    const { life, pool, book } = scene({ turn: { sessionLaunch, conversation: names } });
    pool.onClaim = async () => {
      throw new RunnerError("SESSION_SUSPENDED", "its transcript is missing");
    };
    await expect(life.begin()).rejects.toThrow("its transcript is missing");
    expect(book.lines.at(-1)).toBe("closed: SESSION_SUSPENDED");
  });
});

describe("a turn of a conversation that a worker may have kept", () => {
  const turn = { history: [said("a"), answered("b")], conversation: { before: "c1", after: "c2" } };

  test("asks for it by name, and on a worker that has it nothing is set and nothing handed over", async () => {
    const { life, pool, worker, book, clock } = scene({ turn });
    pool.holds = { kind: "conversation", id: "c1" };
    worker.turn.end();
    await life.begin();
    worker.turn.becomeIdle();
    await clock.settle();
    expect(pool.requests[0]?.conversation).toBe("c1");
    expect(worker.calls).toEqual(["run"]);
    expect(book.lines).not.toContain("> configure");
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished", conversation: "c2" } }]);
  });

  test("is set and seeded on any other worker, which has it then", async () => {
    const { life, pool, worker, clock } = scene({ turn });
    pool.holds = { kind: "binding" };
    worker.turn.end();
    await life.begin();
    worker.turn.becomeIdle();
    await clock.settle();
    expect(worker.calls).toEqual(["configure", "seed", "run"]);
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished", conversation: "c2" } }]);
  });

  test("that does not complete leaves a worker that forgets all", async () => {
    const { life, pool, worker, clock } = scene({ turn });
    pool.holds = { kind: "conversation", id: "c1" };
    await life.begin();
    life.interrupt("interrupted");
    worker.turn.becomeIdle();
    await clock.settle();
    expect(pool.releases).toEqual([{ workerId: "w1", how: { kind: "finished" } }]);
  });

  test("goes to another worker when the one that has it dies before it has the prompt, and is seeded there", async () => {
    const died = Promise.reject(new RunnerError("WORKER_DIED", "gone"));
    died.catch(() => undefined);
    const workers = [new ScriptedWorker("w1", new ScriptedTurn(died)), new ScriptedWorker("w2")];
    const { life, pool } = scene({ turn, workers });
    pool.onClaim = async () => {
      pool.holds = pool.requests.length === 1 ? { kind: "conversation", id: "c1" } : { kind: "nothing" };
    };
    await life.begin();
    expect(workers.map(({ calls }) => calls)).toEqual([["run"], ["bind", "configure", "seed", "run"]]);
    expect(pool.releases[0]?.how).toEqual({ kind: "discard", why: "died_unprepared" });
  });
});
