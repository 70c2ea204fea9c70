/**
 * Forks of conversations, and transcripts. Part of `contract.ts`.
 */
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { LeaseLost, type Store } from "../../src/store/store.ts";
import type { Subject } from "./contract.ts";
import { accept, answered, bytesOf, inSession, newTurn, say, textOf } from "./samples.ts";

export function copiesContract(subject: Subject): void {
  const { newTenant } = subject;
  let store: Store;
  beforeAll(() => {
    store = subject.store;
  });

  describe("forks", () => {
    it("copies a conversation up to a turn, and shares nothing with it", async () => {
      const tenant = newTenant();
      const first = await say(store, tenant, "s", "one", "1");
      const second = await say(store, tenant, "s", "two", "2");
      const fork = (newId: string, until: object, more: object = {}) =>
        store.forkSession({
          tenant,
          sessionId: "s",
          newId,
          until: until as { kind: "all" },
          title: undefined,
          newCliSessionId: randomUUID(),
          ...more,
        });
      expect(await fork("all", { kind: "all" })).toMatchObject({
        kind: "forked",
        session: { id: "all", turnCount: 2, costUsdMicros: 0, forkedFrom: { sessionId: "s", turnId: second } },
      });
      expect(await fork("after", { kind: "after", turnId: first }, { title: "Other" })).toMatchObject({
        session: { turnCount: 1, title: "Other", forkedFrom: { turnId: first } },
      });
      expect(await fork("before", { kind: "before", turnId: first })).toMatchObject({
        session: { turnCount: 0, lastTurnId: undefined, forkedFrom: { sessionId: "s" } },
      });
      expect(await fork("x", { kind: "after", turnId: randomUUID() })).toEqual({ kind: "turnNotInConversation" });
      expect(await fork("after", { kind: "all" })).toEqual({ kind: "sessionExists" });
      expect(await fork("y", { kind: "all" }, { tenant: newTenant() })).toEqual({ kind: "sessionNotFound" });
      await store.deleteSession(tenant, "s");
      const words = async (id: string) =>
        (await store.conversation(tenant, id)).flatMap(({ prompt, answer }) =>
          [...prompt, ...answer].map(({ data }) => textOf(data)),
        );
      expect(await words("all")).toEqual(["one", "1", "two", "2"]);
      const added = await say(store, tenant, "after", "three", "3");
      expect(await words("after")).toEqual(["one", "1", "three", "3"]);
      expect(await store.session(tenant, "after")).toMatchObject({ turnCount: 2, lastTurnId: added });
    });

    it("leaves a running turn out, and does not fork at one that failed", async () => {
      const tenant = newTenant();
      await say(store, tenant, "s", "one", "1");
      const failed = await accept(store, newTurn(tenant, { session: inSession("s") }));
      await store.endTurn(failed, answered("x", { isInConversation: false }));
      const running = await accept(store, newTurn(tenant, { session: inSession("s") }));
      const fork = { tenant, sessionId: "s", title: undefined, newCliSessionId: randomUUID() };
      for (const { turnId } of [failed, running]) {
        expect(await store.forkSession({ ...fork, newId: "no", until: { kind: "after", turnId } })).toEqual({
          kind: "turnNotInConversation",
        });
      }
      expect(await store.forkSession({ ...fork, newId: "f", until: { kind: "all" } })).toMatchObject({
        session: { turnCount: 1, runningTurnId: undefined },
      });
      await store.endTurn(running, answered("x"));
    });
  });

  describe("transcripts", () => {
    const transcript = (sizeBytes: number, cliSessionId: string) => ({
      cliSessionId,
      cliVersion: "2.1.332",
      sizeBytes,
      digest: "d".repeat(64),
    });

    it("grow at their end only, and are read in pieces", async () => {
      const tenant = newTenant();
      const cliSessionId = randomUUID();
      const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
      const append = (offsetBytes: number, words: string) =>
        store.appendTranscript(lease, { cliSessionId, offsetBytes, data: bytesOf(words) });
      await append(0, "first\n");
      await append(6, "second\n");
      await expect(append(6, "again")).rejects.toThrow("ends at 13");
      const read = async (offset: number, maxBytes: number) =>
        textOf(await store.readTranscript(tenant, "s", offset, maxBytes));
      expect(await read(0, 100)).toBe("first\nsecond\n");
      expect(await read(4, 5)).toBe("t\nsec");
      expect(await read(13, 5)).toBe("");
      await store.endTurn(lease, answered("x", { transcript: transcript(13, cliSessionId) }));
      expect(await store.session(tenant, "s")).toMatchObject({ transcript: transcript(13, cliSessionId) });
      await expect(append(13, "late")).rejects.toThrow(LeaseLost);
      expect(await store.readTranscript(newTenant(), "s", 0, 100)).toHaveLength(0);
    });

    it("keep nothing of a copy that was not finished: the next one goes on from the one before", async () => {
      const tenant = newTenant();
      const cliSessionId = randomUUID();
      const turn = async (offsetBytes: number, words: string, ends: number | undefined) => {
        const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
        await store.appendTranscript(lease, { cliSessionId, offsetBytes, data: bytesOf(words) });
        const whole = ends === undefined ? { isInConversation: false } : { transcript: transcript(ends, cliSessionId) };
        await store.endTurn(lease, answered("x", whole));
      };
      await turn(0, "first\n", 6);
      await turn(6, "half of what ", undefined);
      await turn(6, "next\n", 11);
      expect(textOf(await store.readTranscript(tenant, "s", 0, 100))).toBe("first\nnext\n");
    });

    it("begin anew with another session of Claude Code", async () => {
      const tenant = newTenant();
      const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
      await store.appendTranscript(lease, { cliSessionId: "one", offsetBytes: 0, data: bytesOf("old") });
      await expect(
        store.appendTranscript(lease, { cliSessionId: "two", offsetBytes: 3, data: bytesOf("new") }),
      ).rejects.toThrow("cannot go on");
      await store.appendTranscript(lease, { cliSessionId: "two", offsetBytes: 0, data: bytesOf("new") });
      expect(textOf(await store.readTranscript(tenant, "s", 0, 100))).toBe("new");
      await store.endTurn(lease, answered("x"));
    });

    it("have files beside them, each replaced by the next of its name", async () => {
      const tenant = newTenant();
      const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
      await store.putSessionFile(lease, "b.txt", bytesOf("old"));
      await store.putSessionFile(lease, "a.txt", bytesOf("a"));
      await store.putSessionFile(lease, "b.txt", bytesOf("new"));
      expect((await store.sessionFiles(tenant, "s")).map(({ name: file, data }) => [file, textOf(data)])).toEqual([
        ["a.txt", "a"],
        ["b.txt", "new"],
      ]);
      expect(await store.sessionFileNames(tenant, "s")).toEqual(["a.txt", "b.txt"]);
      expect(await store.sessionFileNames(newTenant(), "s")).toEqual([]);
      await store.endTurn(lease, answered("x"));
      await expect(store.putSessionFile(lease, "c.txt", bytesOf("late"))).rejects.toThrow(LeaseLost);
    });

    it("are copied by a fork as far as the conversation goes", async () => {
      const tenant = newTenant();
      const cliSessionId = randomUUID();
      const turn = async (offsetBytes: number, words: string) => {
        const lease = await accept(store, newTurn(tenant, { session: inSession("s", { kind: "tools" }) }));
        await store.appendTranscript(lease, { cliSessionId, offsetBytes, data: bytesOf(words) });
        await store.putSessionFile(lease, "f", bytesOf("file"));
        const sizeBytes = offsetBytes + words.length;
        await store.endTurn(lease, answered("x", { transcript: transcript(sizeBytes, cliSessionId) }));
        return lease.turnId;
      };
      const first = await turn(0, "one\n");
      await turn(4, "two\n");
      const newCliSessionId = randomUUID();
      const until = { kind: "after", turnId: first } as const;
      const fork = { tenant, sessionId: "s", newId: "f", until, title: undefined, newCliSessionId };
      expect(await store.forkSession(fork)).toMatchObject({
        session: { transcript: { cliSessionId: newCliSessionId, sizeBytes: 4 } },
      });
      await store.deleteSession(tenant, "s");
      expect(textOf(await store.readTranscript(tenant, "f", 0, 100))).toBe("one\n");
      expect(await store.sessionFiles(tenant, "f")).toHaveLength(1);
    });
  });
}
