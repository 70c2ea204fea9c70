/**
 * Ends before the answer: by the caller, by a deadline, by a limit, by the server.
 */
import { randomUUID } from "node:crypto";
import { kill } from "node:process";
import { expect } from "vitest";
import { type Behaviour, errorOf, expectWell, resultOf, scenario } from "../behaviour.ts";
import type { ClientUnderTest } from "../client.ts";
import { type Lab, markedTurn, type Scene, targetOf, untilAllFree } from "../lab.ts";
import type { StreamAnswer, StreamCommand } from "../protocol.ts";
import { goodTurn, scriptedServer } from "../scripted-server.ts";

/** Goes on until somebody ends it. */
const endless = scenario("long-text", { deltaCount: 100_000, betweenDeltasMs: 5 });

/** A turn that its caller ends in mid-text: the turn is interrupted, its worker is free and serves the next one. */
async function endedByCaller(
  client: ClientUnderTest,
  lab: Lab,
  how: Pick<StreamCommand, "cancelAfterTextDeltas" | "leaveAfterTextDeltas">,
): Promise<StreamAnswer> {
  const scene = await lab.main();
  const { labels, booked } = markedTurn(scene);
  const answer = await client.stream(targetOf(scene), { prompt: endless, labels }, how);
  expect(answer.kinds.text_delta).toBeGreaterThanOrEqual(5);
  expect(answer.kinds.result).toBeUndefined();
  expect(await booked).toMatchObject({ message: "turn ended", outcome: "cancelled", turnId: answer.turnId });
  await untilAllFree(scene);
  const next = await client.stream(targetOf(scene), { prompt: "after it" });
  expectWell(next);
  expect(next.started).toMatchObject({ claimSource: "CLAIM_SOURCE_REUSED" });
  return answer;
}

/** The worker that was claimed last, once it is. */
async function nextClaim(scene: Scene, from: number): Promise<string> {
  const { workerId } = await scene.book.wait(
    ({ message, to }) => message === "worker changed state" && to === "claimed",
    from,
  );
  return String(workerId);
}

export const ends: readonly Behaviour[] = [
  {
    title: "cancels mid-text, and the worker is free again",
    async holds(client, lab) {
      const answer = await endedByCaller(client, lab, { cancelAfterTextDeltas: 5 });
      expect(errorOf(answer)).toMatchObject({ code: "CANCELLED", mayRetry: false });
    },
  },
  {
    title: "cancels a turn that its reader leaves early",
    async holds(client, lab) {
      const answer = await endedByCaller(client, lab, { leaveAfterTextDeltas: 5 });
      expect(answer.error).toBeUndefined();
    },
  },
  {
    title: "ends a turn at the call's deadline",
    async holds(client, lab) {
      const scene = await lab.main();
      const { labels, booked } = markedTurn(scene);
      const request = { prompt: scenario("silence"), labels };
      const answer = await client.stream(targetOf(scene), request, { timeoutMs: 1_500 });
      expect(errorOf(answer).code).toBe("DEADLINE_EXCEEDED");
      // The client gives up at the same moment: its reset may be there before the server's own timer.
      const { message, outcome } = await booked;
      expect([message, ["deadline_exceeded", "cancelled"].includes(String(outcome))]).toEqual(["turn ended", true]);
      await untilAllFree(scene);
    },
  },
  {
    title: "sends the server the call's deadline, or leaves it to the server",
    async holds(client) {
      const told: (number | undefined)[] = [];
      await using server = await scriptedServer((_, call) => {
        told.push(call.timeoutMs());
        return goodTurn("In time.");
      });
      expectWell(await client.stream(server.target, { prompt: "x" }, { timeoutMs: 60_000 }));
      expectWell(await client.stream(server.target, { prompt: "x" }));
      const [deadlineMs, none] = told;
      expect(deadlineMs).toBeGreaterThan(0);
      expect(deadlineMs).toBeLessThanOrEqual(60_000);
      expect(none).toBeUndefined();
    },
  },
  {
    title: "treats a limit that was reached as a result, not as an error",
    async holds(client, lab) {
      const request = { prompt: endless, limits: { maxOutputBytes: "200" } };
      const answer = await client.stream(targetOf(await lab.main()), request);
      expectWell(answer);
      expect(resultOf(answer).outcome).toBe("OUTCOME_OUTPUT_LIMIT");
      expect(answer.lastKind).toBe("result");
    },
  },
  {
    title: "treats the model's refusal as a result, not as an error",
    async holds(client, lab) {
      const answer = await client.stream(targetOf(await lab.main()), { prompt: scenario("refusal") });
      expectWell(answer);
      expect(resultOf(answer)).toMatchObject({ outcome: "OUTCOME_REFUSED", refusalCategory: "cyber" });
    },
  },
  {
    title: "reports a model API failure with the turn's result, and does not repeat the turn",
    async holds(client, lab) {
      const scene = await lab.main();
      const { labels, booked } = markedTurn(scene);
      const from = scene.book.position;
      const answer = await client.stream(targetOf(scene), { prompt: scenario("error-503"), labels });
      const error = errorOf(answer);
      expect(error).toMatchObject({ code: "UNAVAILABLE", reason: "UPSTREAM_5XX", mayRetry: false });
      expect(error.facts.httpStatus).toBe("503");
      expect(resultOf(error).outcome).toBe("OUTCOME_UPSTREAM_ERROR");
      expect(answer.lastKind).toBe("result");
      await booked;
      expect((await client.chat(targetOf(scene), { prompt: scenario("error-503") })).error).toMatchObject({
        reason: "UPSTREAM_5XX",
        mayRetry: false,
        result: { outcome: "OUTCOME_UPSTREAM_ERROR" },
      });
      expect(scene.book.since(from, "turn ended")).toHaveLength(2);
    },
  },
  {
    title: "reports that the worker died mid-turn, and which turn it was",
    async holds(client, lab) {
      const scene = await lab.main();
      const { labels, booked } = markedTurn(scene);
      const from = scene.book.position;
      const mark = randomUUID();
      const turn = client.stream(targetOf(scene), { prompt: `${mark} ${endless}`, labels });
      const worker = await nextClaim(scene, from);
      await scene.standin.waitForRequest(({ bodyText }) => bodyText.includes(mark));
      const pid = (await scene.workerPids()).get(worker);
      if (pid === undefined) throw new Error(`worker ${worker} has no process`);
      kill(pid, "SIGKILL");
      const answer = await turn;
      const { turnId } = await booked;
      const error = errorOf(answer);
      expect(error).toMatchObject({ code: "ABORTED", reason: "WORKER_DIED", mayRetry: false });
      expect(error.facts.turnId).toBe(turnId);
      expect(resultOf(error).outcome).toBe("OUTCOME_WORKER_DIED");
      expectWell(await client.stream(targetOf(scene), { prompt: "and on it goes" }));
    },
  },
  {
    title: "sees a running turn end well, or with DRAINED, when the server drains, and new calls get POOL_DRAINING",
    async holds(client, lab) {
      const scene = await lab.scene({ profiles: { default: { minSpares: 2 } } });
      const target = targetOf(scene);
      const [stuckOne, newcomer] = [client.beside(1), client.beside(2)];
      await newcomer.call<"health">({ do: "health", target, service: "" });
      const from = scene.book.position;
      const asked = (name: string) =>
        scene.standin.waitForRequest(({ bodyText }) => bodyText.includes(`[[scenario ${name}`));
      const stuck = stuckOne.stream(target, { prompt: scenario("stall") });
      await asked("stall");
      // Long enough to be in mid-turn when the drain begins, at once after its model call.
      const prompt = scenario("long-text", { deltaCount: 400, betweenDeltasMs: 10 });
      const finishing = client.stream(target, { prompt });
      await asked("long-text");
      void scene.runner.pool.drain();
      expect(scene.book.since(from, "turn ended")).toEqual([]);
      const refused = errorOf(await newcomer.stream(target, { prompt: "too late" }, { retry: false }));
      expect(refused).toMatchObject({ code: "UNAVAILABLE", reason: "POOL_DRAINING", mayRetry: true });
      expect(refused.retryDelayMs).toBeGreaterThan(0);
      const health = await newcomer.call<"health">({ do: "health", target, service: "" });
      expect(health.status).toBe("NOT_SERVING");

      const finished = await finishing;
      expectWell(finished);
      expect(resultOf(finished).outcome).toBe("OUTCOME_COMPLETED");
      const stopped = scene.runner.stop({ drainTimeoutMs: 0 });
      const error = errorOf(await stuck);
      expect(error).toMatchObject({ code: "ABORTED", reason: "DRAINED", mayRetry: false });
      expect(resultOf(error).outcome).toBe("OUTCOME_DRAINED");
      await stopped;
      await scene.close();
    },
  },
];
