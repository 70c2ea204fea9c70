/**
 * What SessionService and TurnService promise their callers, as one suite for every way to call them:
 * `keptContract(kind, scene)`.
 *
 * Runs against a whole server. What the services do with odd and bad input is in test/service/kept, without ports.
 */
import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { afterAll, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { BusyPolicy, type StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { SessionService, SessionState } from "../../gen/claude/runner/v1/session_pb.ts";
import { type AttachTurnResponse, TurnService, TurnState, TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import type { Scene } from "../e2e/scene.ts";
import { until } from "../until.ts";
import { type ContractClient, failureOf, type TransportKind } from "./transports.ts";

const { createSession, getSession, listSessions, updateSession, deleteSession, forkSession } = SessionService.method;
const { attachTurn, getTurn, listTurns, getTurnContent, interruptTurn } = TurnService.method;

const byId = (value: string) => ({ case: "turnId" as const, value });
const byRequest = (value: string) => ({ case: "requestId" as const, value });
const nobody = "00000000-0000-4000-8000-000000000000";
const isBeat = ({ event }: StreamChatResponse) => event.case === "heartbeat";
const eventsOf = (messages: readonly AttachTurnResponse[]) =>
  messages.flatMap(({ message }) => (message.case === "event" && !isBeat(message.value) ? [message.value] : []));
const cases = (messages: readonly AttachTurnResponse[]) =>
  messages.flatMap(({ message }) => (message.case === "event" ? [] : [message.case]));

/** `slow`: a prompt whose answer takes longer than a test. */
export function keptContract(kind: TransportKind, theScene: () => Scene, slow: string): void {
  describe(kind.name, () => {
    let connected: ContractClient | undefined;
    const client = () => {
      connected ??= kind.connect(theScene().target);
      return connected;
    };
    afterAll(() => connected?.close());
    const said = async (prompt: string, more: object = {}) =>
      await Array.fromAsync(client().streamChat({ prompt, ...more }));
    const own = () => ({ id: randomUUID(), allowMissing: true });

    it("a session is created, found, changed, listed, copied and deleted", async () => {
      const id = randomUUID();
      const label = { [`of-${id}`]: "1" };
      const { session } = await client().ask(createSession, { id, title: "A trip", labels: label });
      expect(session).toMatchObject({ id, title: "A trip", labels: label, state: SessionState.IDLE });
      await said("hello", { session: { id } });
      expect((await client().ask(getSession, { id })).session).toMatchObject({ turnCount: 1, profile: "default" });
      const change = { id, updateMask: { paths: ["title"] }, title: "Another" };
      expect((await client().ask(updateSession, change)).session).toMatchObject({ title: "Another", labels: label });
      const copy = await client().ask(forkSession, { id, title: "A copy" });
      expect(copy.session).toMatchObject({ turnCount: 1, forkedFrom: { sessionId: id } });
      const { sessions } = await client().ask(listSessions, { labels: label });
      expect(sessions.map(({ title }) => title)).toContain("Another");
      await client().ask(deleteSession, { id });
      const gone = await failureOf(client().ask(getSession, { id }));
      expect(gone).toMatchObject({ code: Code.NotFound, reason: "SESSION_NOT_FOUND", facts: { sessionId: id } });
      expect(gone.sawHeaders).not.toBe(true);
    });

    it("a turn that ended is read again as it was, from any of its events on", async () => {
      const requestId = randomUUID();
      const events = (await said("some words", { requestId })).filter((event) => !isBeat(event));
      for (const afterSequence of [0, 1, events.length]) {
        const messages = await Array.fromAsync(
          client().follow(attachTurn, { turn: byRequest(requestId), afterSequence }),
        );
        expect(eventsOf(messages)).toEqual(events.slice(afterSequence));
        expect(cases(messages)).toEqual(["state", "replayComplete"]);
      }
      const again = await said("some words", { requestId });
      expect(again).toEqual(events);
      const chat = await client().chat({ prompt: "some words", requestId });
      expect(chat.turnId).toBe(events[0]!.turnId);
      const other = await failureOf(client().chat({ prompt: "other words", requestId }));
      expect(other).toMatchObject({ code: Code.AlreadyExists, reason: "REQUEST_ID_REUSED" });
    });

    it("a refusal to attach is a status without anything before it", async () => {
      const [first] = await said("hi", { requestId: randomUUID() });
      for (const [request, code, reason] of [
        [{ turn: byId(nobody) }, Code.NotFound, "TURN_NOT_FOUND"],
        [{ turn: byId(first!.turnId), afterSequence: 99 }, Code.OutOfRange, "INVALID_CURSOR"],
        [{ turn: byId("no uuid") }, Code.InvalidArgument, "INVALID_REQUEST"],
        [{}, Code.InvalidArgument, "INVALID_REQUEST"],
      ] as const) {
        const failure = await failureOf(client().follow(attachTurn, request));
        expect(failure).toMatchObject({ code, reason });
        expect(failure.sawHeaders).not.toBe(true);
      }
    });

    it("a turn that waits is attached to at once, and its end comes as the stream's status", async () => {
      const session = own();
      const requestId = randomUUID();
      const running = client().streamChat({ prompt: slow, session })[Symbol.asyncIterator]();
      const { turnId } = (await running.next()).value as StreamChatResponse;
      const waiting = failureOf(client().chat({ prompt: "next", session, busyPolicy: BusyPolicy.QUEUE, requestId }));
      const isThere = async () => {
        const { turns } = await client().ask(listTurns, { state: TurnState.WAITING });
        return turns.some((turn) => turn.requestId === requestId);
      };
      await until(isThere);
      const attached = client()
        .follow(attachTurn, { turn: byRequest(requestId) })
        [Symbol.asyncIterator]();
      const state = (await attached.next()).value as AttachTurnResponse;
      expect(state.message).toMatchObject({
        case: "state",
        value: { state: TurnState.WAITING, sessionId: session.id },
      });
      const rest = failureOf({ [Symbol.asyncIterator]: () => attached });
      const stopped = await client().ask(interruptTurn, { turnId: (state.message.value as { id: string }).id });
      expect(stopped).toMatchObject({ interrupted: true });
      expect(await rest).toMatchObject({ code: Code.Aborted, reason: "TURN_INTERRUPTED" });
      expect(await waiting).toMatchObject({ reason: "TURN_INTERRUPTED" });
      await client().ask(deleteSession, { id: session.id, force: true });
      expect(await failureOf({ [Symbol.asyncIterator]: () => running })).toMatchObject({ reason: "TURN_INTERRUPTED" });
      expect(await failureOf(client().ask(getTurn, { turn: byId(turnId) }))).toMatchObject({
        reason: "TURN_NOT_FOUND",
      });
    });

    it("a running turn is stopped, and tells that to its caller and to those who ask for it", async () => {
      const running = client().streamChat({ prompt: slow })[Symbol.asyncIterator]();
      const { turnId } = (await running.next()).value as StreamChatResponse;
      const { turn, interrupted } = await client().ask(interruptTurn, { turnId });
      expect(interrupted).toBe(true);
      expect(turn).toMatchObject({ id: turnId, state: TurnState.ENDED, outcome: Outcome.INTERRUPTED });
      expect(await failureOf({ [Symbol.asyncIterator]: () => running })).toMatchObject({
        code: Code.Aborted,
        reason: "TURN_INTERRUPTED",
      });
      expect((await client().ask(interruptTurn, { turnId })).interrupted).toBe(false);
    });

    it("the words of a session's turns come in lists, and in full piece by piece", async () => {
      const session = own();
      const words = "ü".repeat(200_000);
      await said(words, { session });
      const { turns } = await client().ask(listTurns, { sessionId: session.id, view: TurnView.FULL });
      const [part] = turns[0]!.prompt;
      expect(part).toMatchObject({ sizeBytes: 400_000n, textTruncated: true, text: words.slice(0, 32 * 1024) });
      const pieces = await Array.fromAsync(
        client().follow(getTurnContent, { turnId: turns[0]!.id, digest: part!.digest }),
      );
      expect(pieces.map(({ data }) => data.length)).toEqual([262_144, 137_856]);
      expect(Buffer.concat(pieces.map(({ data }) => data)).toString()).toBe(words);
      const missing = await failureOf(
        client().follow(getTurnContent, { turnId: turns[0]!.id, digest: "0".repeat(64) }),
      );
      expect(missing).toMatchObject({ code: Code.NotFound, reason: "CONTENT_NOT_FOUND" });
      expect(missing.sawHeaders).not.toBe(true);
    });
  });
}
