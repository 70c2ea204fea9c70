/**
 * Streams that go on when their connection breaks: seen as one stream, with the end that the turn has.
 */
import { randomUUID } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect } from "vitest";
import { TurnService } from "../../../gen/claude/runner/v1/turn_pb.ts";
import { RunnerError } from "../../../src/runner-error.ts";
import { toConnectError } from "../../../src/service/errors.ts";
import { type Behaviour, errorOf, expectWell, resultOf, scenario } from "../behaviour.ts";
import type { ClientUnderTest } from "../client.ts";
import { type Cut, openCuttingProxy } from "../cutting-proxy.ts";
import { markedTurn, type Scene, targetOf, untilAllFree } from "../lab.ts";
import type { StreamAnswer } from "../protocol.ts";
import { type Attached, brokenWay, goodTurn, type Response, refused, scriptedTurns } from "../scripted-server.ts";

const slow = (text: string, betweenDeltasMs = 30) => scenario("text", { text, deltas: [...text], betweenDeltasMs });
/** Goes on until somebody ends it. */
const endless = scenario("long-text", { deltaCount: 100_000, betweenDeltasMs: 5 });
const alphabet = "abcdefghijklmnopqrstuvwxyz".repeat(4);

const turnId = "8c5a4c0e-5b0f-4d8f-9b2a-0f4f5a6b7c8d";
const event = (sequence: number, of: Response["event"]): Response => ({ sequence, turnId, event: of });
const started = event(1, { case: "started", value: { model: "claude-scripted" } });
const text = (sequence: number, piece: string) => event(sequence, { case: "textDelta", value: { text: piece } });
const beat = (sequence: number) => event(sequence, { case: "heartbeat", value: {} });
const result = (sequence: number, whole: string) =>
  event(sequence, { case: "result", value: { outcome: 1, text: whole, lastSequence: sequence - 1 } });

/** These events, and then the way breaks. */
async function* broken(...events: readonly Response[]): AsyncGenerator<Response> {
  yield* events;
  throw brokenWay();
}

/** What an attached stream says besides its events. */
const state: Attached = { message: { case: "state", value: { id: turnId, state: 2 } } };
const replayComplete = (lastSequence: number): Attached => ({
  message: { case: "replayComplete", value: { lastSequence } },
});
const attached = (of: Response): Attached => ({ message: { case: "event", value: of } });

/** Streams through a way with cuts. */
async function cutStream(
  client: ClientUnderTest,
  scene: Scene,
  request: object,
  cuts: readonly Cut[],
): Promise<StreamAnswer & { readonly cutCount: number }> {
  await using proxy = await openCuttingProxy(scene.target.grpcPort, cuts);
  const answer = await client.stream(targetOf(scene, { address: proxy.address }), request, { rejoin: true });
  return { ...answer, cutCount: proxy.cutCount };
}

export const rejoin: readonly Behaviour[] = [
  {
    title: "goes on with a stream that breaks, again and again, without a seam",
    async holds(client, lab) {
      const scene = await lab.main();
      const mark = randomUUID();
      const { labels, booked } = markedTurn(scene);
      const request = { prompt: `${mark} ${slow(alphabet)}`, labels };
      const answer = await cutStream(client, scene, request, ["headers", 900, 1_400, 811, 2_003]);
      expectWell(answer);
      expect(answer).toMatchObject({ text: alphabet, gapFree: true, lastKind: "result" });
      expect(answer.kinds).toMatchObject({ started: 1, result: 1 });
      // Events that are there at the same moment come together, so the last cuts may have nothing left to cut.
      expect(answer.cutCount).toBeGreaterThanOrEqual(3);
      expect(await booked).toMatchObject({ outcome: "completed", turnId: answer.turnId });
      expect(scene.standin.requests.filter(({ bodyText }) => bodyText.includes(mark))).toHaveLength(1);
    },
  },
  {
    title: "fails with the error of its turn, whether it had to rejoin it or not",
    async holds(client, lab) {
      const scene = await lab.main();
      const failing = scenario("error", { status: 503, message: "Scripted.", beforeHeadersMs: 1_500 });
      const [plain, rejoined] = [
        await client.stream(targetOf(scene), { prompt: failing }, { rejoin: true }),
        await cutStream(client, scene, { prompt: failing }, ["headers"]),
      ];
      expect(rejoined.cutCount).toBe(1);
      const { type, code, reason, message, mayRetry, facts } = errorOf(plain);
      expect([code, reason, mayRetry]).toEqual(["UNAVAILABLE", "UPSTREAM_5XX", false]);
      expect(errorOf(rejoined)).toMatchObject({
        ...{ type, code, reason, mayRetry },
        // The model API names each request.
        message: expect.stringContaining(message.replace(/, request .*/, "")),
        facts: { httpStatus: facts.httpStatus, turnId: rejoined.turnId },
      });
      expect(resultOf(errorOf(rejoined)).outcome).toBe("OUTCOME_UPSTREAM_ERROR");
      expect(rejoined).toMatchObject({ gapFree: true, lastKind: "result" });

      // Once something was streamed, a failure has another code.
      await using proxy = await openCuttingProxy(scene.target.grpcPort, [1_500]);
      const { labels, booked } = markedTurn(scene);
      const target = targetOf(scene, { address: proxy.address });
      const running = client.stream(target, { prompt: endless, labels }, { rejoin: true });
      await proxy.firstCut;
      await interruptTheOnly(scene);
      const answer = await running;
      expect(errorOf(answer)).toMatchObject({ code: "ABORTED", reason: "TURN_INTERRUPTED", mayRetry: false });
      expect(resultOf(errorOf(answer)).outcome).toBe("OUTCOME_INTERRUPTED");
      expect(await booked).toMatchObject({ outcome: "interrupted", turnId: answer.turnId });
    },
  },
  {
    title: "interrupts a turn that goes on without it, when its caller cancels or leaves",
    async holds(client, lab) {
      const scene = await lab.main();
      for (const how of [{ cancelAfterTextDeltas: 5 }, { leaveAfterTextDeltas: 5 }]) {
        const { labels, booked } = markedTurn(scene);
        const answer = await client.stream(targetOf(scene), { prompt: endless, labels }, { rejoin: true, ...how });
        expect(answer.error?.code).toBe("cancelAfterTextDeltas" in how ? "CANCELLED" : undefined);
        expect(await booked).toMatchObject({ outcome: "interrupted", turnId: answer.turnId });
        await untilAllFree(scene);
      }
    },
  },
  {
    title: "shows a gap where the server no longer has the events of a turn",
    async holds(client) {
      await using server = await scriptedTurns({
        streamChat: () => broken(started, text(2, "The ")),
        async *attachTurn(_, { afterSequence }) {
          expect(afterSequence).toBe(2);
          yield state;
          yield { message: { case: "gap", value: { firstSequence: 3, lastSequence: 5 } } };
          yield replayComplete(5);
          yield attached(text(6, "."));
          yield attached(result(7, "The whole text."));
        },
      });
      const answer = await client.stream(server.target, { prompt: "x" }, { rejoin: true });
      expectWell(answer);
      expect(answer.gaps).toEqual([{ firstSequence: 3, lastSequence: 5 }]);
      expect(answer).toMatchObject({ gapFree: false, lastKind: "result", kinds: { started: 1, text_delta: 2 } });
      expect(resultOf(answer).text).toBe("The whole text.");
    },
  },
  {
    title: "takes a heartbeat for the event that repeats a number, and for no other",
    async holds(client) {
      const cursors: number[] = [];
      await using server = await scriptedTurns({
        streamChat: () => broken(started, beat(1), text(2, "One "), beat(2), beat(2)),
        async *attachTurn(attempt, { afterSequence }) {
          cursors.push(afterSequence);
          yield state;
          yield replayComplete(afterSequence);
          yield attached(beat(afterSequence));
          if (attempt === 1) throw brokenWay();
          yield attached(text(3, "two"));
          yield attached(beat(3));
          yield attached(result(4, "One two"));
        },
      });
      const answer = await client.stream(server.target, { prompt: "x" }, { rejoin: true });
      expectWell(answer);
      expect(answer).toMatchObject({ text: "One two", gapFree: true, kinds: { started: 1, text_delta: 2, result: 1 } });
      expect(answer.gaps ?? []).toEqual([]);
      expect(cursors).toEqual([2, 2]);
    },
  },
  {
    title: "goes on where it was when the server finds it too slow",
    async holds(client) {
      const behind = new RunnerError("READER_BEHIND", "scripted: too slow", { facts: { lastSequence: 2 } });
      const cursors: number[] = [];
      await using server = await scriptedTurns({
        async *streamChat() {
          yield started;
          yield text(2, "Slowly, ");
          throw toConnectError(behind);
        },
        async *attachTurn(_, { afterSequence }) {
          cursors.push(afterSequence);
          yield state;
          yield attached(text(3, "but surely."));
          yield attached(result(4, "Slowly, but surely."));
          yield replayComplete(4);
        },
      });
      const answer = await client.stream(server.target, { prompt: "x" }, { rejoin: true });
      expectWell(answer);
      expect(answer).toMatchObject({ text: "Slowly, but surely.", gapFree: true, lastKind: "result" });
      expect(cursors).toEqual([2]);
    },
  },
  {
    title: "sends a call again under its request id when the server never had it",
    async holds(client) {
      const ids: string[] = [];
      await using server = await scriptedTurns({
        streamChat(attempt, { requestId, onDisconnect }) {
          expect(onDisconnect).toBe(2);
          ids.push(requestId);
          if (attempt > 1) return goodTurn("Here I am.");
          const lost = brokenWay();
          lost.metadata.set("grpc-retry-pushback-ms", "-1");
          return refused(lost);
        },
        // biome-ignore lint/correctness/useYield: a stream that fails before its first message
        async *attachTurn(_, { turn }) {
          expect(turn).toEqual({ case: "requestId", value: ids[0] });
          throw toConnectError(new RunnerError("TURN_NOT_FOUND", "scripted: no such turn"));
        },
      });
      const answer = await client.stream(server.target, { prompt: "x" }, { rejoin: true });
      expectWell(answer);
      expect(answer).toMatchObject({ text: "Here I am.", gapFree: true });
      expect(ids).toHaveLength(2);
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    },
  },
  {
    title: "sends a collected turn again under one request id when its connection breaks, and the turn runs once",
    async holds(client, lab) {
      const scene = await lab.main();
      const mark = randomUUID();
      await using proxy = await openCuttingProxy(scene.target.grpcPort, ["headers"]);
      const target = targetOf(scene, { address: proxy.address });
      // The headers come when the turn begins, and the answer long after the cut.
      const request = { prompt: `${mark} ${slow("All of it.", 60)}` };
      const { response, error } = await client.chat(target, request, { idempotent: true });
      expect(error).toBeUndefined();
      expect(response).toMatchObject({ text: "All of it." });
      expect(proxy.cutCount).toBe(1);
      expect(scene.standin.requests.filter(({ bodyText }) => bodyText.includes(mark))).toHaveLength(1);
    },
  },
];

/** Stops the turn that runs, from outside of the client. */
async function interruptTheOnly(scene: Scene): Promise<void> {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${scene.target.grpcPort}` });
  const turns = createClient(TurnService, transport);
  const headers = { authorization: `Bearer ${scene.target.token}` };
  const { turns: running } = await turns.listTurns({ state: 2 }, { headers });
  expect(running).toHaveLength(1);
  await turns.interruptTurn({ turnId: running[0]!.id }, { headers });
}
