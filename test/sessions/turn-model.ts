/**
 * What becomes of turns, said a second time and much more simply: lists in memory, one step after the other. And the steps
 * that a test takes, each of which does the same to the real thing (`turn-world.ts`) and compares.
 */
import fc from "fast-check";
import { expect } from "vitest";
import type { TurnWorld } from "./turn-world.ts";

export type BusyPolicy = "reject" | "queue" | "interrupt";

export interface ModelTurn {
  /** Its prompt, which no other turn has. */
  readonly name: string;
  readonly session: string | undefined;
  readonly request: string | undefined;
  readonly goesOn: boolean;
  readonly acceptedAtMs: number;
  state: "waiting" | "running" | "ended";
  /** What ends it; `undefined`: nothing has yet. */
  expected: string | undefined;
  words: string[];
  /** Whether its session was deleted: its words are gone. */
  isDeleted: boolean;
}

interface ModelSession {
  /** What a worker has to be handed over: prompt and answer in turns. */
  conversation: string[];
  /** Those that have it or wait for it, in order. */
  line: ModelTurn[];
}

export interface SubmitAsk {
  readonly session: string | undefined;
  readonly request: string | undefined;
  readonly goesOn: boolean;
  readonly busyPolicy: BusyPolicy;
}

/** What the model says about a submit. */
export type Submitted =
  | { readonly kind: "accepted"; readonly turn: ModelTurn }
  | { readonly kind: "found"; readonly turn: ModelTurn }
  | { readonly kind: "busy" };

export class Model {
  readonly turns: ModelTurn[] = [];
  readonly sessions = new Map<string, ModelSession>();
  readonly requests = new Map<string, ModelTurn>();

  open(): ModelTurn[] {
    return this.turns.filter(({ state }) => state !== "ended");
  }

  pick(at: number, state?: ModelTurn["state"]): ModelTurn | undefined {
    const fitting = state === undefined ? this.turns : this.turns.filter((turn) => turn.state === state);
    return fitting[at % fitting.length];
  }

  submit(ask: SubmitAsk, name: string, nowMs: number): Submitted {
    const known = this.requests.get(ask.request ?? "");
    if (known !== undefined) return { kind: "found", turn: known };
    const session = ask.session === undefined ? undefined : this.#session(ask.session);
    const [holder] = session?.line ?? [];
    if (holder !== undefined && ask.busyPolicy === "reject") return { kind: "busy" };
    const { session: of, request, goesOn } = ask;
    const turn: ModelTurn = {
      name,
      session: of,
      request,
      goesOn,
      acceptedAtMs: nowMs,
      state: "waiting",
      expected: undefined,
      words: [],
      isDeleted: false,
    };
    this.turns.push(turn);
    if (request !== undefined) this.requests.set(request, turn);
    if (holder === undefined || ask.busyPolicy !== "interrupt") session?.line.push(turn);
    else {
      session?.line.splice(1, 0, turn);
      this.expect(holder, "interrupted");
    }
    return { kind: "accepted", turn };
  }

  #session(name: string): ModelSession {
    const session = this.sessions.get(name) ?? { conversation: [], line: [] };
    this.sessions.set(name, session);
    return session;
  }

  /** Says how a turn ends. The first word counts. */
  expect(turn: ModelTurn, outcome: string): void {
    if (turn.state !== "ended") turn.expected ??= outcome;
  }

  /** A turn has ended, as it was said. */
  ended(turn: ModelTurn): void {
    const hasRun = turn.state === "running";
    turn.state = "ended";
    if (!hasRun) this.forget(turn);
    const session = this.sessions.get(turn.session ?? "");
    if (session === undefined || turn.isDeleted) return;
    session.line = session.line.filter((other) => other !== turn);
    if (turn.expected === "completed") session.conversation.push(turn.name, turn.words.join(""));
  }

  /** Its request is new again. */
  forget(turn: ModelTurn): void {
    if (turn.request !== undefined && this.requests.get(turn.request) === turn) this.requests.delete(turn.request);
  }

  /** Whether it gives up when it has waited too long for its session. */
  mayBeLate(turn: ModelTurn): boolean {
    return turn.session !== undefined && !turn.goesOn && turn.state === "waiting" && !this.isFirst(turn);
  }

  /** Whether nothing but a worker is missing for it. */
  isFirst(turn: ModelTurn): boolean {
    const line = this.sessions.get(turn.session ?? "")?.line;
    return line === undefined || line[0] === turn;
  }
}

type Step = fc.AsyncCommand<Model, TurnWorld>;

const step = (name: string, run: (model: Model, world: TurnWorld) => Promise<void> | void): Step => ({
  check: () => true,
  run: async (model, world) => {
    await run(model, world);
    await world.compare(model);
  },
  toString: () => name,
});

const sessionNames = fc.constantFrom("a", "b");
const some = fc.nat(30);

const policies = fc.constantFrom<BusyPolicy>("reject", "queue", "queue", "interrupt");

/** The session and the policy are content: what differs in them has another id. */
const namedInSession = fc
  .tuple(sessionNames, policies, fc.boolean(), fc.constantFrom("1", "2"))
  .map(([session, busyPolicy, goesOn, number]) => ({
    session,
    request: `${session}-${busyPolicy}-${number}`,
    goesOn,
    busyPolicy,
  }));

const ask = fc.oneof(
  namedInSession,
  fc.record({
    session: sessionNames,
    request: fc.constant(undefined),
    goesOn: fc.boolean(),
    busyPolicy: policies,
  }),
  fc.record({
    session: fc.constant(undefined),
    request: fc.constantFrom("r1", "r2", "r3"),
    goesOn: fc.boolean(),
    busyPolicy: fc.constant<BusyPolicy>("reject"),
  }),
  fc.record({
    session: fc.constant(undefined),
    request: fc.constant(undefined),
    goesOn: fc.constant(false),
    busyPolicy: fc.constant<BusyPolicy>("reject"),
  }),
);

/** Several at the same moment: what they do to each other is decided by the order in which they came. */
const submit = fc.array(ask, { minLength: 1, maxLength: 4 }).map((asks) =>
  step(`submit(${asks.map((one) => JSON.stringify(one)).join(" ")})`, (model, world) => {
    for (const one of asks) {
      const known = model.requests.get(one.request ?? "");
      // It ends before it has begun, and its id is free then: whether this request comes before or after is a matter of luck.
      if (known?.state === "waiting" && known.expected !== undefined) continue;
      // A request that is there already is the same once more.
      const name = known?.name ?? world.newName();
      world.submit(one, name, model.submit(one, name, world.clock.now()));
    }
  }),
);

const leave = some.map((at) =>
  step(`leave(${at})`, (model, world) => {
    const call = world.leave(at);
    // Only the call that a turn is there for takes it along.
    if (call?.isCaller && call.turn !== undefined) model.expect(call.turn, "cancelled");
  }),
);

const speak = some.map((at) =>
  step(`speak(${at})`, (model, world) => {
    const turn = model.pick(at, "running");
    if (turn !== undefined) turn.words.push(world.speak(turn));
  }),
);

const finish = some.map((at) =>
  step(`finish(${at})`, (model, world) => {
    const turn = model.pick(at, "running");
    if (turn === undefined) return;
    turn.words.push(world.speak(turn));
    model.expect(turn, "completed");
    world.finish(turn);
  }),
);

const kill = some.map((at) =>
  step(`kill(${at})`, (model, world) => {
    const turn = model.pick(at, "running");
    if (turn === undefined) return;
    model.expect(turn, "workerDied");
    world.kill(turn);
  }),
);

const interrupt = some.map((at) =>
  step(`interrupt(${at})`, async (model, world) => {
    const turn = model.pick(at);
    if (turn === undefined || turn.isDeleted) return;
    const wasOpen = turn.state !== "ended";
    model.expect(turn, "interrupted");
    expect(await world.interrupt(turn)).toBe(wasOpen);
  }),
);

const attach = fc.tuple(some, fc.nat(100)).map(([at, share]) =>
  step(`attach(${at}, ${share} %)`, (model, world) => {
    const turn = model.pick(at);
    if (turn !== undefined && !turn.isDeleted) world.attach(turn, share / 100);
  }),
);

const cut = fc
  .tuple(some, fc.boolean())
  .map(([at, comesBack]) =>
    step(`cut(${at}, ${comesBack ? "and come back" : "for good"})`, (_model, world) => world.cut(at, comesBack)),
  );

const tick = fc
  .integer({ min: 1, max: 12 })
  .map((seconds) => step(`tick(${seconds} s)`, (_model, world) => world.clock.advance(seconds * 1_000)));

const fork = fc.tuple(sessionNames, fc.constantFrom("a", "b", "c")).map(([from, to]) =>
  step(`fork(${from}, ${to})`, async (model, world) => {
    const answer = await world.fork(from, to);
    const source = model.sessions.get(from);
    if (source === undefined) return expect(answer).toBe("SESSION_NOT_FOUND");
    if (model.sessions.has(to)) return expect(answer).toBe("SESSION_EXISTS");
    expect(answer).toBe("done");
    model.sessions.set(to, { conversation: [...source.conversation], line: [] });
  }),
);

const remove = fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean()).map(([name, force]) =>
  step(`delete(${name}, ${force ? "by force" : "if idle"})`, async (model, world) => {
    const session = model.sessions.get(name);
    // While others wait, who has the session when it is deleted is a matter of luck.
    if (session !== undefined && session.line.length > 1) return;
    const [holder] = session?.line ?? [];
    const answer = await world.remove(name, force);
    if (session === undefined) return expect(answer).toBe("SESSION_NOT_FOUND");
    if (holder !== undefined && !force) return expect(answer).toBe("SESSION_BUSY");
    expect(answer).toBe("done");
    if (holder !== undefined) model.expect(holder, "interrupted");
    for (const turn of model.turns) {
      if (turn.session !== name) continue;
      turn.isDeleted = true;
      model.forget(turn);
    }
    for (const turn of session.line) turn.state = "ended";
    model.sessions.delete(name);
  }),
);

const restart = fc.constant(
  step("restart", async (model, world) => {
    await world.restart(model);
  }),
);

/** All that can happen. */
export const steps = ({ withRestarts }: { readonly withRestarts: boolean }) =>
  fc.commands(
    [
      ...[submit, submit, submit, leave, speak, speak, finish, finish, kill, interrupt],
      ...[attach, attach, cut, cut, tick, fork, remove],
      ...(withRestarts ? [restart] : []),
    ],
    { maxCommands: 50, size: "max" },
  );
