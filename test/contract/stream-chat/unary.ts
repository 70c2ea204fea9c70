/**
 * The calls that answer once: Chat and GetInfo.
 */
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { Outcome, TurnResultSchema } from "../../../gen/claude/runner/v1/result_pb.ts";
import { Detail, SystemPromptPolicy } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { model } from "../../e2e/scene.ts";
import { failureOf } from "../transports.ts";
import { type ContractCalls, otherModel, turnsInFlight } from "./calls.ts";

/** Collected turns, and what the caller may use. */
export function unaryContract(calls: ContractCalls): void {
  const { run } = calls;

  describe("Chat", () => {
    it("collects the same turn into one answer", async () => {
      const answer = await calls.client.chat({ prompt: '[[scenario text {"text":"All in one."}]]' });
      expect(answer.text).toBe("All in one.");
      expect(answer.turnId).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.started).toMatchObject({ model, profile: "default" });
      expect(answer.result).toMatchObject({ outcome: Outcome.COMPLETED, text: "", textTruncated: false });
      expect(answer.toolUses).toEqual([]);
    });

    it("refuses an answer that does not fit, and says to stream it", async () => {
      const size = 3 * 1024 * 1024 + 1;
      const prompt = `[[scenario long-text {"deltaCount":1,"deltaChars":${size}}]]`;
      const failure = await failureOf(calls.client.chat({ prompt }));
      expect(failure).toMatchObject({ code: Code.ResourceExhausted, reason: "RESPONSE_TOO_LARGE", pushbackMs: -1 });
      expect(failure.detail(TurnResultSchema)).toMatchObject({ outcome: Outcome.COMPLETED });
      const streamed = await run({ prompt, detail: Detail.TEXT });
      expect(Buffer.byteLength(streamed.text)).toBe(size);
      expect(streamed.all("textDelta").every(({ text }) => Buffer.byteLength(text) < 1024 * 1024)).toBe(true);
    });
  });

  it("tells what the caller may use, and no more", async () => {
    const info = await calls.client.getInfo();
    expect(info.tenant).toBe("acme");
    expect(info.serverVersion).toMatch(/^\d+\.\d+\.\d+/);
    expect(info.cliVersion).toMatch(/^\d+\.\d+\.\d+$/);
    expect(info.maxTurnsInFlightCount).toBe(turnsInFlight);
    expect(info.profiles.map(({ name }) => name).toSorted()).toEqual(["default", "fixed", "tools"]);
    expect(info.profiles.find(({ name }) => name === "default")).toMatchObject({
      defaultModel: model,
      allowedModels: [model, otherModel],
      systemPromptPolicy: SystemPromptPolicy.REPLACE,
      reusesWorkers: true,
    });
  });
}
