/**
 * Retry: when a call is sent again, when, and when not. Measured at the server, by the arrival of each attempt.
 *
 * Each behaviour has a server of its own, since clients count failures per server.
 */
import { expect } from "vitest";
import { readTurn } from "../../../test/contract/turn.ts";
import { type Behaviour, errorOf, expectWell, scenario } from "../behaviour.ts";
import { openCuttingProxy } from "../cutting-proxy.ts";
import { markedTurn, type Scene, targetOf, untilAllFree, untilOneIsIdle } from "../lab.ts";
import { goodTurn, refusal, refused, scriptedServer } from "../scripted-server.ts";

/** Timers may fire up to a millisecond early by another clock. */
const clockToleranceMs = 2;

/** Holds the scene's only worker until `leave`. */
async function occupy(scene: Scene): Promise<{ readonly leave: () => Promise<void> }> {
  await untilOneIsIdle(scene);
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const turn = readTurn(scene.client.streamChat({ prompt: scenario("silence") }, { signal: stop.signal }), () =>
    started.resolve(),
  );
  await Promise.race([started.promise, turn.then(({ failure }) => Promise.reject(failure))]);
  return {
    leave: async () => {
      stop.abort();
      await turn;
    },
  };
}

export const retry: readonly Behaviour[] = [
  {
    title: "reports that the queue is full, and when to try again",
    async holds(client, lab) {
      const scene = await lab.crowded();
      const running = await occupy(scene);
      const answer = await client.stream(targetOf(scene), { prompt: "one more" }, { retry: false });
      const error = errorOf(answer);
      expect(error).toMatchObject({
        code: "UNAVAILABLE",
        reason: "QUEUE_FULL",
        facts: { waiting: "0", limit: "0" },
        mayRetry: true,
      });
      expect(error.retryDelayMs).toBeGreaterThan(0);
      expect(answer).toMatchObject({ eventCount: 0, turnId: "" });
      await running.leave();
    },
  },
  {
    title: "gets through with its own retry once the queue has room",
    async holds(client, lab) {
      const scene = await lab.crowded();
      const running = await occupy(scene);
      const from = scene.book.position;
      const pending = client.stream(targetOf(scene), { prompt: scenario("text", { text: "At last." }) });
      await scene.book.wait(({ message, reason }) => message === "turn refused" && reason === "queue_full", from);
      await running.leave();
      const answer = await pending;
      expectWell(answer);
      expect(answer).toMatchObject({ text: "At last.", gapFree: true, lastKind: "result", kinds: { started: 1 } });
      if (answer.attemptCount !== undefined) expect(answer.attemptCount).toBeGreaterThan(1);
    },
  },
  {
    title: "waits as long as the server's push-back says, and no less",
    async holds(client) {
      const waitsMs = [400, 1, 900];
      await using server = await scriptedServer((attempt) =>
        attempt <= waitsMs.length ? refused(refusal(String(waitsMs[attempt - 1]))) : goodTurn("Let in."),
      );
      const answer = await client.stream(server.target, { prompt: "x" });
      expectWell(answer);
      expect(answer.text).toBe("Let in.");
      expect(server.arrivals).toHaveLength(4);
      for (const [at, waitMs] of waitsMs.entries()) {
        const gapMs = server.arrivals[at + 1]! - server.arrivals[at]!;
        expect(gapMs).toBeGreaterThanOrEqual(waitMs - clockToleranceMs);
      }
    },
  },
  {
    title: "backs off on its own if the server says nothing",
    async holds(client) {
      await using server = await scriptedServer((attempt) =>
        attempt < 3 ? refused(refusal(undefined)) : goodTurn("Let in."),
      );
      const answer = await client.stream(server.target, { prompt: "x" });
      expectWell(answer);
      expect(server.arrivals).toHaveLength(3);
      expect(server.arrivals[2]! - server.arrivals[1]!).toBeGreaterThan(0);
    },
  },
  {
    title: "gives up after four attempts",
    async holds(client) {
      await using server = await scriptedServer(() => refused(refusal("20")));
      const error = errorOf(await client.stream(server.target, { prompt: "x" }));
      expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "QUEUE_FULL", mayRetry: true });
      expect(server.arrivals).toHaveLength(4);
    },
  },
  {
    title: "repeats less when most calls fail",
    async holds(client) {
      await using server = await scriptedServer(() => refused(refusal("10")));
      for (const _ of [1, 2, 3]) errorOf(await client.stream(server.target, { prompt: "x" }));
      // Four attempts of the first call, then the budget of failures is used up.
      expect(server.arrivals.length).toBeLessThan(12);
      const before = server.arrivals.length;
      errorOf(await client.stream(server.target, { prompt: "x" }));
      expect(server.arrivals.length - before).toBe(1);
    },
  },
  {
    title: "never repeats when the server says not to, or says something that cannot be read",
    async holds(client) {
      // gRPC core reports a header that it cannot read as INTERNAL.
      const codes = { "-1": ["UNAVAILABLE"], soon: ["UNAVAILABLE", "INTERNAL"] };
      for (const [pushback, expected] of Object.entries(codes)) {
        await using server = await scriptedServer(() => refused(refusal(pushback)));
        const error = errorOf(await client.stream(server.target, { prompt: "x" }));
        expect(expected).toContain(error.code);
        expect(error.mayRetry).toBe(false);
        expect(server.arrivals).toHaveLength(1);
      }
    },
  },
  {
    title: "never repeats a code other than UNAVAILABLE",
    async holds(client) {
      await using server = await scriptedServer(() => refused(refusal(undefined, "QUOTA_EXCEEDED")));
      const error = errorOf(await client.stream(server.target, { prompt: "x" }));
      expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "QUOTA_EXCEEDED", mayRetry: false });
      expect(server.arrivals).toHaveLength(1);
    },
  },
  {
    title: "never repeats once an event was seen",
    async holds(client) {
      await using server = await scriptedServer(async function* () {
        for await (const event of goodTurn("Half")) {
          if (event.event?.case === "result") throw refusal("10");
          yield event;
        }
      });
      const answer = await client.stream(server.target, { prompt: "x" });
      expect(errorOf(answer).code).toBe("UNAVAILABLE");
      expect(answer).toMatchObject({ text: "Half", lastKind: "text_delta" });
      expect(server.arrivals).toHaveLength(1);
    },
  },
  {
    title: "never repeats a turn that had begun when its connection broke, streamed or collected",
    async holds(client, lab) {
      const scene = await lab.main();
      for (const call of ["stream", "chat"] as const) {
        await using proxy = await openCuttingProxy(scene.target.grpcPort);
        const { labels, booked } = markedTurn(scene);
        const request = { prompt: scenario("silence"), labels };
        const answer = await client[call](targetOf(scene, { address: proxy.address }), request);
        expect(errorOf(answer)).toMatchObject({ reason: "", mayRetry: false });
        expect(await booked).toMatchObject({ message: "turn ended", outcome: "cancelled" });
        await untilAllFree(scene);
        expect(proxy.cutCount).toBe(1);
      }
    },
  },
  {
    title: "repeats nothing with its retry switched off",
    async holds(client) {
      await using server = await scriptedServer((attempt) => (attempt === 1 ? refused(refusal("10")) : goodTurn("x")));
      const error = errorOf(await client.stream(server.target, { prompt: "x" }, { retry: false }));
      expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "QUEUE_FULL", mayRetry: true });
      expect(server.arrivals).toHaveLength(1);
    },
  },
  {
    title: "does not wait beyond the call's deadline",
    async holds(client) {
      await using server = await scriptedServer(() => refused(refusal("60000")));
      const answer = await client.stream(server.target, { prompt: "x" }, { timeoutMs: 500 });
      expect(["DEADLINE_EXCEEDED", "UNAVAILABLE"]).toContain(errorOf(answer).code);
      expect(server.arrivals).toHaveLength(1);
    },
  },
];
