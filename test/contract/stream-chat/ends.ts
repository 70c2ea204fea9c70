/**
 * How turns end that do not simply end: at limits, by failures, by their callers.
 */
import { randomUUID } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../../../gen/claude/runner/v1/error_pb.ts";
import { Outcome, TurnResultSchema } from "../../../gen/claude/runner/v1/result_pb.ts";
import { failureOf } from "../transports.ts";
import { readTurn, type SeenTurn } from "../turn.ts";
import type { ContractCalls, StreamRequest } from "./calls.ts";

/** Ends: under OK what Claude or the caller decided, by a status what the service could not do. */
export function endsContract(calls: ContractCalls): void {
  const { run, booked, expectCleanTurn } = calls;

  describe("what Claude or the caller's limits decided ends well", () => {
    const loop = { profile: "tools", prompt: "[[scenario tool-loop]]" };
    const long = '[[scenario long-text {"deltaCount":100000,"betweenDeltasMs":5}]]';
    it.each<[string, StreamRequest, Outcome]>([
      ["model calls", { ...loop, limits: { maxModelCallCount: 2 } }, Outcome.MODEL_CALL_LIMIT],
      ["cost", { ...loop, limits: { maxCostUsdMicros: 1n } }, Outcome.COST_LIMIT],
      ["output", { prompt: long, limits: { maxOutputBytes: 200n } }, Outcome.OUTPUT_LIMIT],
      [
        "time",
        { prompt: "[[scenario silence]]", limits: { maxDuration: { nanos: 300_000_000 } } },
        Outcome.DURATION_LIMIT,
      ],
    ])("at the limit of %s, with what came until then", async (_, request, outcome) => {
      const turn = await run(request);
      expect(turn.failure).toBeUndefined();
      expect(turn.result.outcome).toBe(outcome);
      expect(turn.result.error).toBeUndefined();
      expect(turn.result.text).toBe(turn.answer);
      await expectCleanTurn();
    });

    it.each<[string, string, Outcome]>([
      ["refuses", "refusal", Outcome.REFUSED],
      ["reaches its output limit", "max-tokens", Outcome.MAX_OUTPUT_TOKENS],
      ["fills its context window", "context-window", Outcome.CONTEXT_WINDOW],
    ])("when the model %s", async (_, scenario, outcome) => {
      const turn = await run({ prompt: `[[scenario ${scenario}]]` });
      expect(turn.failure).toBeUndefined();
      expect(turn.result.outcome).toBe(outcome);
      expect(turn.result.text).toBe(turn.answer);
      await expectCleanTurn();
    });
  });

  describe("what the service could not do fails", () => {
    it("after the result, and is never repeated by a retry policy", async () => {
      const turn = await run({ prompt: "[[scenario error-503]]" });
      expect(turn.failure).toMatchObject({ code: Code.Unavailable, reason: "UPSTREAM_5XX", pushbackMs: -1 });
      expect(turn.failure?.facts).toMatchObject({ httpStatus: "503" });
      expect(turn.failure?.sawHeaders).not.toBe(false);
      expect(turn.result).toMatchObject({
        outcome: Outcome.UPSTREAM_ERROR,
        error: { reason: ErrorReason.UPSTREAM_5XX, httpStatus: 503 },
      });
      expect(turn.failure?.detail(TurnResultSchema)).toMatchObject({
        outcome: Outcome.UPSTREAM_ERROR,
        stages: { total: expect.anything() },
      });
      await expectCleanTurn();
    });

    it("as ABORTED once text was streamed", async () => {
      const turn = await run({ prompt: "[[scenario stream-error-then-error]]" });
      expect(turn.failure).toMatchObject({ code: Code.Aborted, reason: "UPSTREAM_OVERLOADED", pushbackMs: -1 });
      expect(turn.text).toBe("");
    });

    it("with the turn's result among the details, also when it is collected", async () => {
      const failure = await failureOf(calls.client.chat({ prompt: "[[scenario error-503]]" }));
      expect(failure).toMatchObject({ code: Code.Unavailable, reason: "UPSTREAM_5XX", pushbackMs: -1 });
      expect(failure.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.UPSTREAM_ERROR });
    });
  });

  describe("an end before the answer", () => {
    it("comes at the call's deadline, and the worker is fit for the next turn or gone", async () => {
      await run({ prompt: "warm" });
      let turn: SeenTurn | undefined;
      const line = await booked(async (labels) => {
        turn = await run({ prompt: "[[scenario silence]]", labels }, { timeoutMs: 700 });
      });
      expect(turn?.failure?.code).toBe(Code.DeadlineExceeded);
      // The client gives up at the same moment: its reset may be there before the server's own timer.
      expect(line.message).toBe("turn ended");
      expect(["deadline_exceeded", "cancelled"]).toContain(line.outcome);
      await expectCleanTurn();
    });

    it("comes when the caller cancels in mid-text, and the model is no longer asked", async () => {
      const marker = randomUUID();
      const asked = calls.scene.standin.waitForRequest(({ bodyText }) => bodyText.includes(marker));
      const stop = new AbortController();
      let turn: SeenTurn | undefined;
      const line = await booked(async (labels) => {
        const prompt = `${marker} [[scenario long-text {"deltaCount":100000,"betweenDeltasMs":5}]]`;
        turn = await readTurn(calls.client.streamChat({ prompt, labels }, { signal: stop.signal }), ({ event }) => {
          if (event.case === "textDelta") stop.abort();
        });
      });
      expect(turn?.failure?.code).toBe(Code.Canceled);
      expect(line).toMatchObject({ message: "turn ended", outcome: "cancelled" });
      const request = await asked;
      while (!request.aborted) await new Promise((resolve) => setImmediate(resolve));
      await expectCleanTurn();
    });

    it.each([0, 3, 20])("comes when the caller cancels after %i ms, wherever the turn is by then", async (afterMs) => {
      const stop = new AbortController();
      const line = calls.scene.book.wait(
        ({ message }) => message === "turn ended" || message === "turn refused",
        calls.scene.book.position,
      );
      const turn = run({ prompt: "[[scenario slow-text]]" }, { signal: stop.signal });
      setTimeout(() => stop.abort(), afterMs);
      expect((await turn).failure?.code).toBe(Code.Canceled);
      // A call that never reached the service leaves no line; any other leaves exactly one.
      const after = run({ prompt: "after" });
      await Promise.race([line, after]);
      expect((await after).result.outcome).toBe(Outcome.COMPLETED);
      await expectCleanTurn();
    });
  });
}
