/**
 * What a store must do, said a second time and much more simply: maps in memory, one server, no files.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { LeaseLost, type Store } from "../../src/store/store.ts";
import { answered, bytesOf, ending, inSession, newTurn, text } from "./samples.ts";

interface ModelTurn {
  readonly id: string;
  readonly session: string | undefined;
  readonly request: string | undefined;
  state: "waiting" | "running" | "ended";
  outcome: "completed" | "lost" | undefined;
  epoch: number;
}

interface ModelSession {
  running: string | undefined;
  /** The turns of the conversation. A fork's are copies, whose ids the model does not know. */
  readonly conversation: (string | "copy")[];
}

export class Model {
  readonly turns = new Map<string, ModelTurn>();
  readonly sessions = new Map<string, ModelSession>();
  readonly requests = new Map<string, string>();

  open(): ModelTurn[] {
    return [...this.turns.values()].filter(({ state }) => state !== "ended");
  }

  pick(at: number): ModelTurn | undefined {
    const open = this.open();
    return open[at % open.length];
  }

  end(turn: ModelTurn, outcome: ModelTurn["outcome"], isInConversation: boolean): void {
    turn.state = "ended";
    turn.outcome = outcome;
    if (outcome === undefined && turn.request !== undefined) this.requests.delete(turn.request);
    const session = this.sessions.get(turn.session ?? "");
    if (session?.running !== turn.id) return;
    session.running = undefined;
    if (isInConversation) session.conversation.push(turn.id);
  }
}

/** The store, which a restart replaces. */
export interface Real {
  store: Store;
  readonly tenant: string;
  restart(): Promise<void>;
}

type StoreCommand = fc.AsyncCommand<Model, Real>;

const command = (
  text: string,
  run: (model: Model, real: Real) => Promise<void>,
  check: (model: Model) => boolean = () => true,
): StoreCommand => ({ check, run, toString: () => text });

const digest = bytesOf("d".repeat(32));
const sessionNames = fc.constantFrom("a", "b", "c");
const requestNames = fc.constantFrom("r1", "r2", "r3");

const submit = fc
  .record({
    session: fc.option(sessionNames, { nil: undefined }),
    request: fc.option(requestNames, { nil: undefined }),
    take: fc.constantFrom("now" as const, "later" as const),
  })
  .map(({ session, request, take }) =>
    command(`submit(${session}, ${request}, ${take})`, async (model, { store, tenant }) => {
      const turn = newTurn(tenant, {
        ...(request !== undefined && { request: { id: request, digest } }),
        ...(session !== undefined && { session: inSession(session, { take }), content: [text("prompt", "words")] }),
      });
      const answer = await store.acceptTurn(turn);
      const known = model.requests.get(request ?? "");
      if (known !== undefined) return expect(answer).toMatchObject({ kind: "duplicate", turn: { id: known } });
      const held = model.sessions.get(session ?? "");
      if (held?.running !== undefined && take === "now") {
        return expect(answer).toEqual({ kind: "sessionBusy", runningTurnId: held.running });
      }
      expect(answer).toMatchObject({ kind: "accepted" });
      if (answer.kind !== "accepted") return;
      model.turns.set(turn.id, {
        id: turn.id,
        session,
        request,
        state: "waiting",
        outcome: undefined,
        epoch: answer.epoch,
      });
      if (request !== undefined) model.requests.set(request, turn.id);
      if (session === undefined) return;
      const one = held ?? { running: undefined, conversation: [] };
      model.sessions.set(session, one);
      if (take === "now") one.running = turn.id;
    }),
  );

const take = fc.nat(20).map((at) =>
  command(`take(${at})`, async (model, { store }) => {
    const turn = model.pick(at);
    if (turn?.session === undefined) return;
    const session = model.sessions.get(turn.session);
    const answer = await store.takeSession(turn.id);
    if (session === undefined) return expect(answer).toEqual({ kind: "sessionNotFound" });
    if (session.running !== undefined && session.running !== turn.id) {
      return expect(answer).toEqual({ kind: "sessionBusy", runningTurnId: session.running, isOwn: true });
    }
    expect(answer).toMatchObject({ kind: "taken" });
    if (answer.kind === "taken") turn.epoch = answer.epoch;
    session.running = turn.id;
  }),
);

const start = fc.nat(20).map((at) =>
  command(`start(${at})`, async (model, { store }) => {
    const turn = model.pick(at);
    if (turn === undefined) return;
    await store.startTurn({ turnId: turn.id, epoch: turn.epoch });
    turn.state = "running";
  }),
);

const end = fc
  .record({ at: fc.nat(20), wasStarted: fc.boolean(), isInConversation: fc.boolean() })
  .map(({ at, wasStarted, isInConversation }) =>
    command(`end(${at}, ${wasStarted}, ${isInConversation})`, async (model, { store }) => {
      const turn = model.pick(at);
      if (turn === undefined) return;
      const lease = { turnId: turn.id, epoch: turn.epoch };
      const outcome = wasStarted ? ("completed" as const) : undefined;
      const holds = turn.session !== undefined && model.sessions.get(turn.session)?.running === turn.id;
      const isKept = wasStarted && isInConversation;
      await store.endTurn(
        lease,
        holds ? { ...answered("x", { isInConversation: isKept }), outcome } : ending({ outcome }),
      );
      model.end(turn, outcome, isKept);
      await expect(store.endTurn(lease, ending())).rejects.toThrow(LeaseLost);
    }),
  );

const remove = sessionNames.map((name) =>
  command(`delete(${name})`, async (model, { store, tenant }) => {
    const answer = await store.deleteSession(tenant, name);
    const session = model.sessions.get(name);
    if (session === undefined) return expect(answer).toEqual({ kind: "sessionNotFound" });
    if (session.running !== undefined) {
      return expect(answer).toEqual({ kind: "sessionBusy", runningTurnId: session.running });
    }
    const gone = [...model.turns.values()].filter((turn) => turn.session === name && turn.state === "ended");
    expect(answer).toMatchObject({ kind: "deleted" });
    if (answer.kind !== "deleted") return;
    expect(answer.turnIds).toEqual(expect.arrayContaining(gone.map(({ id }) => id)));
    for (const { id, request } of gone) {
      model.turns.delete(id);
      if (model.requests.get(request ?? "") === id) model.requests.delete(request as string);
    }
    // What waits for it has lost it, also when there is another of its name.
    for (const turn of model.open())
      if (turn.session === name) model.turns.set(turn.id, { ...turn, session: undefined });
    model.sessions.delete(name);
  }),
);

const fork = fc.tuple(sessionNames, sessionNames).map(([from, to]) =>
  command(`fork(${from}, ${to})`, async (model, { store, tenant }) => {
    const answer = await store.forkSession({
      tenant,
      sessionId: from,
      newId: to,
      until: { kind: "all" },
      title: undefined,
      newCliSessionId: "c",
    });
    const source = model.sessions.get(from);
    if (source === undefined) return expect(answer).toEqual({ kind: "sessionNotFound" });
    if (model.sessions.has(to)) return expect(answer).toEqual({ kind: "sessionExists" });
    expect(answer).toMatchObject({ kind: "forked" });
    model.sessions.set(to, { running: undefined, conversation: source.conversation.map(() => "copy") });
  }),
);

const restart = fc.constant(
  command("restart", async (model, real) => {
    await real.restart();
    for (const turn of model.open()) model.end(turn, turn.epoch > 0 ? "lost" : undefined, false);
  }),
);

const compare = fc.constant(
  command("compare", async (model, { store, tenant }) => {
    for (const { id, state, outcome } of model.turns.values()) {
      expect(await store.turn(tenant, id)).toMatchObject({ id, state, outcome });
    }
    const sessions = await store.sessions({ tenant, profiles: undefined, limit: 10 });
    expect(sessions.map(({ id }) => id).toSorted()).toEqual([...model.sessions.keys()].toSorted());
    for (const [id, { running, conversation }] of model.sessions) {
      expect(await store.session(tenant, id)).toMatchObject({ runningTurnId: running, turnCount: conversation.length });
      const ids = (await store.conversation(tenant, id)).map(({ turnId }) => turnId);
      expect(ids.map((turnId, at) => (conversation[at] === "copy" ? "copy" : turnId))).toEqual(conversation);
    }
    for (const request of ["r1", "r2", "r3"]) {
      expect((await store.turnByRequestId(tenant, request))?.id).toBe(model.requests.get(request));
    }
  }),
);

/** All that can be done to a store, by what it may end in. */
export const commands = ({ withRestarts }: { readonly withRestarts: boolean }) =>
  fc.commands([submit, submit, take, start, end, end, remove, fork, compare, ...(withRestarts ? [restart] : [])], {
    maxCommands: 60,
    size: "max",
  });
