/**
 * Sessions. Part of `contract.ts`.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { LeaseLost, type Store } from "../../src/store/store.ts";
import type { Subject } from "./contract.ts";
import { accept, answered, bytesOf, ending, inSession, newSession, newTurn, say, text, textOf } from "./samples.ts";

export function sessionsContract(subject: Subject): void {
  const { clock, newTenant, prune, request } = subject;
  let store: Store;
  beforeAll(() => {
    store = subject.store;
  });

  describe("sessions", () => {
    it("creates a session once, with what it was given", async () => {
      const tenant = newTenant();
      const session = newSession(tenant, "s", { title: "Plans", labels: { a: "1" }, binding: { systemPrompt: "p" } });
      expect(await store.createSession(session)).toMatchObject({
        id: "s",
        tenant,
        title: "Plans",
        labels: { a: "1" },
        binding: { systemPrompt: "p" },
        runningTurnId: undefined,
        turnCount: 0,
        createdAtMs: clock.wallNow(),
        expiresAtMs: clock.wallNow() + 3_600_000,
      });
      expect(await store.createSession(session)).toEqual({ kind: "sessionExists" });
      expect(await store.createSession({ ...session, tenant: newTenant() })).toMatchObject({ id: "s" });
    });

    it("creates a missing session with its first turn, if the turn may", async () => {
      const tenant = newTenant();
      const strict = newTurn(tenant, { session: inSession("s", { ifMissing: undefined }) });
      expect(await store.acceptTurn(strict)).toEqual({ kind: "sessionNotFound" });
      const lease = await accept(
        store,
        newTurn(tenant, { session: inSession("s", { binding: { systemPrompt: "p" }, kind: "tools" }) }),
      );
      expect(lease.session).toMatchObject({
        id: "s",
        kind: "tools",
        binding: { systemPrompt: "p" },
        runningTurnId: lease.turnId,
        epoch: lease.epoch,
      });
    });

    it("gives a session to one turn at a time, and names it to the others", async () => {
      const tenant = newTenant();
      const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
      const other = newTurn(tenant, { session: inSession("s") });
      expect(await store.acceptTurn(other)).toEqual({ kind: "sessionBusy", runningTurnId: first.turnId });
      expect(await store.turn(tenant, other.id)).toBeUndefined();
      await store.endTurn(first, answered("x"));
      expect(await store.acceptTurn(other)).toMatchObject({ kind: "accepted" });
    });

    it("lets a turn wait for its session and take it when it is free", async () => {
      const tenant = newTenant();
      const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
      const later = await accept(store, newTurn(tenant, { session: inSession("s", { take: "later" }) }));
      expect(await store.takeSession(later.turnId)).toEqual({
        kind: "sessionBusy",
        runningTurnId: first.turnId,
        isOwn: true,
      });
      await store.endTurn(first, answered("x"));
      const taken = await store.takeSession(later.turnId);
      expect(taken).toMatchObject({ kind: "taken", session: { runningTurnId: later.turnId } });
      if (taken.kind !== "taken") return;
      expect(taken.epoch).toBeGreaterThan(first.epoch);
      await expect(store.startTurn(later)).rejects.toThrow(LeaseLost);
      await store.startTurn({ turnId: later.turnId, epoch: taken.epoch });
      await store.endTurn({ turnId: later.turnId, epoch: taken.epoch }, answered("y"));
      expect(await store.session(tenant, "s")).toMatchObject({ runningTurnId: undefined, turnCount: 2 });
    });

    it("ends a turn that waited for its session in vain without touching the session", async () => {
      const tenant = newTenant();
      const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
      const later = await accept(
        store,
        newTurn(tenant, { session: inSession("s", { take: "later" }), content: [text("prompt", "never said")] }),
      );
      await store.endTurn(later, ending({ outcome: undefined, lastSequence: 0 }));
      expect(await store.session(tenant, "s")).toMatchObject({ runningTurnId: first.turnId, turnCount: 0 });
      expect(await store.turn(tenant, later.turnId)).toMatchObject({ state: "ended", hasContent: false });
      await store.endTurn(first, answered("x"));
    });

    it("fixes profile, system prompt and schema with the first turn; what is left open is the session's", async () => {
      const tenant = newTenant();
      const binding = { systemPrompt: "p", outputSchemaJson: "{}" };
      const turn = (more: object) => newTurn(tenant, { session: inSession("s", { binding, ...more }) });
      await store.endTurn(await accept(store, turn({})), answered("x"));
      await store.endTurn(await accept(store, turn({ binding: {} })), answered("x"));
      expect(await store.acceptTurn(turn({ binding: { systemPrompt: "q", outputSchemaJson: "[]" } }))).toEqual({
        kind: "sessionMismatch",
        differing: ["systemPrompt", "outputSchemaJson"],
      });
      expect(await store.acceptTurn({ ...turn({}), profile: "fast" })).toEqual({
        kind: "sessionMismatch",
        differing: ["profile"],
      });
    });

    it("adds up what its turns cost, and counts those that it goes through", async () => {
      const tenant = newTenant();
      const first = await say(store, tenant, "s", "one", "1");
      const failed = await accept(store, newTurn(tenant, { session: inSession("s") }));
      await store.endTurn(failed, answered("2", { isInConversation: false, contextTokens: 99 }));
      expect(await store.session(tenant, "s")).toMatchObject({
        turnCount: 1,
        lastTurnId: first,
        usage: { inputTokens: 20, outputTokens: 4 },
        costUsdMicros: 200,
        contextTokens: 99,
        contextWindowTokens: 200_000,
      });
    });

    it("knows what its profile was at the last turn that the conversation goes through, in a copy too", async () => {
      const tenant = newTenant();
      const digestOf = async (id: string) => (await store.session(tenant, id))?.profileDigest;
      const turn = async (profileDigest: string, isInConversation = true) => {
        const lease = await accept(store, newTurn(tenant, { session: inSession("s") }));
        await store.endTurn(lease, answered("x", { profileDigest, isInConversation }));
        return lease.turnId;
      };
      await store.createSession(newSession(tenant, "new"));
      expect(await digestOf("new")).toBeUndefined();
      const first = await turn("one");
      await turn("two");
      await turn("three", false);
      expect(await digestOf("s")).toBe("two");
      const copy = { newId: "copy", title: undefined, newCliSessionId: "c" };
      await store.forkSession({ ...copy, tenant, sessionId: "s", until: { kind: "after", turnId: first } });
      expect(await digestOf("copy")).toBe("one");
    });

    it("gives the conversation in order, without the turns that it went back from", async () => {
      const tenant = newTenant();
      const first = await say(store, tenant, "s", "one", "1");
      const failed = await accept(
        store,
        newTurn(tenant, { session: inSession("s"), content: [text("prompt", "two")] }),
      );
      await store.endTurn(failed, answered("half", { isInConversation: false }));
      const third = await say(store, tenant, "s", "three", "3");
      const turns = await store.conversation(tenant, "s");
      expect(
        turns.map(({ turnId, prompt, answer }) => [
          turnId,
          prompt.map(({ data }) => textOf(data)),
          answer.map(({ data }) => textOf(data)),
        ]),
      ).toEqual([
        [first, ["one"], ["1"]],
        [third, ["three"], ["3"]],
      ]);
      const list = await store.turns({
        tenant,
        profiles: undefined,
        sessionId: "s",
        limit: 9,
        content: { maxTextBytes: 9 },
      });
      expect(list.map(({ turn, answer }) => [turn.isInConversation, answer[0]?.text])).toEqual([
        [true, "1"],
        [false, "half"],
        [true, "3"],
      ]);
      expect(await store.conversation(newTenant(), "s")).toEqual([]);
    });

    it("keeps parts of a prompt as they are: pictures, documents, titles, empty ones", async () => {
      const tenant = newTenant();
      const content = [
        text("prompt", ""),
        { side: "prompt", mediaType: "image/png", isDocument: false, title: "", data: new Uint8Array([0, 255, 10]) },
        { side: "prompt", mediaType: "text/plain", isDocument: true, title: "Notes", data: bytesOf("n") },
      ] as const;
      const lease = await accept(store, newTurn(tenant, { session: inSession("s"), content }));
      await store.endTurn(lease, answered("seen"));
      const [turn] = await store.conversation(tenant, "s");
      expect(turn?.prompt).toEqual(content);
      const [listed] = await store.turns({
        tenant,
        profiles: undefined,
        sessionId: "s",
        limit: 1,
        content: { maxTextBytes: 9 },
      });
      expect(listed?.prompt.map(({ text: words, sizeBytes }) => [words, sizeBytes])).toEqual([
        ["", 0],
        ["", 3],
        ["n", 1],
      ]);
    });

    it("suspends a session with its reason until a turn ends well", async () => {
      const tenant = newTenant();
      const suspension = { reason: "WORKER_START_FAILED", message: "no luck" } as const;
      const first = await accept(store, newTurn(tenant, { session: inSession("s") }));
      await store.endTurn(first, answered("x", { isInConversation: false, suspension }));
      expect(await store.session(tenant, "s")).toMatchObject({
        suspension: { ...suspension, sinceMs: clock.wallNow() },
      });
      const refused = await accept(store, newTurn(tenant, { session: inSession("s") }));
      await store.endTurn(refused, { ...answered("x", { isInConversation: false }), outcome: undefined });
      expect(await store.session(tenant, "s")).toMatchObject({ suspension });
      await say(store, tenant, "s", "again", "y");
      expect((await store.session(tenant, "s"))?.suspension).toBeUndefined();
    });

    it("lists sessions, the one that changed last first, by title, label, state and profile", async () => {
      const tenant = newTenant();
      const add = async (id: string, more: object) => {
        await clock.advance(1);
        await store.createSession(newSession(tenant, id, more));
      };
      await add("a", { title: "Große Pläne", labels: { team: "x" } });
      await add("b", { profile: "fast" });
      await add("c", { title: "100%" });
      await clock.advance(1);
      const running = await accept(store, newTurn(tenant, { session: inSession("b", {}), profile: "fast" }));
      const ids = async (more: object = {}) =>
        (await store.sessions({ tenant, profiles: undefined, limit: 10, ...more })).map(({ id }) => id);
      expect(await ids()).toEqual(["b", "c", "a"]);
      expect(await ids({ titleContains: "PLÄNE" })).toEqual(["a"]);
      expect(await ids({ titleContains: "%" })).toEqual(["c"]);
      expect(await ids({ labels: { team: "x" } })).toEqual(["a"]);
      expect(await ids({ labels: { team: "y" } })).toEqual([]);
      expect(await ids({ state: "running" })).toEqual(["b"]);
      expect(await ids({ state: "idle" })).toEqual(["c", "a"]);
      expect(await ids({ state: "suspended" })).toEqual([]);
      expect(await ids({ profiles: ["default"] })).toEqual(["c", "a"]);
      const [first] = await store.sessions({ tenant, profiles: undefined, limit: 1 });
      expect(await ids({ after: { atMs: first?.updatedAtMs, id: first?.id } })).toEqual(["c", "a"]);
      await store.endTurn(running, answered("x"));
    });

    it("changes title, labels and expiry, each by itself", async () => {
      const tenant = newTenant();
      await store.createSession(newSession(tenant, "s", { title: "old", labels: { a: "1" } }));
      await clock.advance(5);
      expect(await store.updateSession(tenant, "s", { title: "" })).toMatchObject({ title: "", labels: { a: "1" } });
      expect(await store.updateSession(tenant, "s", { labels: {} })).toMatchObject({ title: "", labels: {} });
      expect(await store.updateSession(tenant, "s", { idleExpiryMs: 60_000 })).toMatchObject({
        idleExpiryMs: 60_000,
        expiresAtMs: clock.wallNow() + 60_000,
        updatedAtMs: clock.wallNow(),
      });
      expect(await store.updateSession(tenant, "missing", { title: "x" })).toBeUndefined();
      expect(await store.updateSession(newTenant(), "s", { title: "x" })).toBeUndefined();
    });

    it("lets a session expire when nothing has happened in it, and never while a turn has it", async () => {
      const tenant = newTenant();
      await store.createSession(newSession(tenant, "idle", { idleExpiryMs: 60_000 }));
      await store.createSession(newSession(tenant, "busy", { idleExpiryMs: 60_000 }));
      const lease = await accept(store, newTurn(tenant, { session: inSession("busy") }));
      await clock.advance(60_000);
      expect(await store.session(tenant, "idle")).toBeUndefined();
      expect(await store.sessions({ tenant, profiles: undefined, limit: 9 })).toMatchObject([{ id: "busy" }]);
      expect(await store.createSession(newSession(tenant, "idle", { title: "new" }))).toMatchObject({ title: "new" });
      await store.endTurn(lease, answered("x"));
      expect(await store.session(tenant, "busy")).toMatchObject({ expiresAtMs: clock.wallNow() + 60_000 });
      await clock.advance(60_000);
      await prune();
      expect(await store.turn(tenant, lease.turnId)).toBeUndefined();
    });

    it("moves no session behind others, and lets none expire too early, when the clock is set back", async () => {
      const tenant = newTenant();
      await store.createSession(newSession(tenant, "a", { idleExpiryMs: 60_000 }));
      await clock.advance(1);
      const before = await store.createSession(newSession(tenant, "b"));
      clock.setBy(-3_600_000);
      const changed = await store.updateSession(tenant, "b", { title: "x" });
      expect(changed).toMatchObject({ updatedAtMs: (before as { updatedAtMs: number }).updatedAtMs });
      await say(store, tenant, "a", "one", "1");
      const list = await store.sessions({ tenant, profiles: undefined, limit: 9 });
      expect(list.map(({ id }) => id)).toEqual(["b", "a"]);
      clock.setBy(3_600_000);
      expect(await store.session(tenant, "a")).toBeDefined();
    });

    it("deletes a session with its turns, results and request ids, unless a turn has it", async () => {
      const tenant = newTenant();
      const lease = await accept(
        store,
        newTurn(tenant, { session: inSession("s"), request: request("r"), content: [text("prompt", "words")] }),
      );
      expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "sessionBusy", runningTurnId: lease.turnId });
      await store.endTurn(lease, answered("more words"));
      expect(await store.deleteSession(newTenant(), "s")).toEqual({ kind: "sessionNotFound" });
      expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "deleted", turnIds: [lease.turnId] });
      expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "sessionNotFound" });
      expect(await store.turn(tenant, lease.turnId)).toBeUndefined();
      expect(await store.result(tenant, lease.turnId)).toBeUndefined();
      expect(await store.turnByRequestId(tenant, "r")).toBeUndefined();
    });

    it("keeps the end of a turn whose session was deleted while it waited", async () => {
      const tenant = newTenant();
      await store.createSession(newSession(tenant, "s"));
      const later = await accept(
        store,
        newTurn(tenant, { session: inSession("s", { take: "later" }), content: [text("prompt", "words")] }),
      );
      expect(await store.deleteSession(tenant, "s")).toEqual({ kind: "deleted", turnIds: [] });
      expect(await store.takeSession(later.turnId)).toEqual({ kind: "sessionNotFound" });
      await store.endTurn(later, ending({ outcome: undefined, lastSequence: 0 }));
      expect(await store.turn(tenant, later.turnId)).toMatchObject({ state: "ended", hasContent: false });
    });
  });
}
