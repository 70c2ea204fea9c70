/**
 * How much of a turn is streamed, and what comes while nothing happens.
 */
import { describe, expect, it } from "vitest";
import { Outcome } from "../../../gen/claude/runner/v1/result_pb.ts";
import { Detail } from "../../../gen/claude/runner/v1/runner_pb.ts";
import { rawLines } from "../raw-lines.ts";
import type { ContractCalls } from "./calls.ts";

/** Levels of detail, each line of the CLI, signs of life. */
export function detailsContract(calls: ContractCalls): void {
  const { run } = calls;

  describe("how much is streamed", () => {
    const prompt = '[[scenario thinking {"thinking":"Hm.","text":"Yes."}]]';

    it("is text only at TEXT", async () => {
      const turn = await run({ prompt, detail: Detail.TEXT });
      expect([...new Set(turn.kinds)]).toEqual(["started", "textDelta", "result"]);
      expect(turn.text).toBe("Yes.");
      const broken = await run({ prompt: "[[scenario stream-error]]", detail: Detail.TEXT });
      expect([...new Set(broken.kinds)]).toEqual(["started", "textDelta", "retracted", "result"]);
      expect(broken.text).toBe(broken.result.text);
    });

    it("is every typed event at STANDARD, which is what one gets without asking", async () => {
      const unasked = await run({ prompt });
      const standard = await run({ prompt, detail: Detail.STANDARD });
      expect(standard.kinds).toEqual(unasked.kinds);
      expect(standard.kinds).toEqual(expect.arrayContaining(["thinkingDelta", "messageDelta", "assistantBlock"]));
      expect(standard.responses.some(({ rawJson }) => rawJson !== undefined)).toBe(false);
    });

    it("is also each of the CLI's own lines exactly once at FULL, without paths of the host", async () => {
      const turn = await run({ prompt, detail: Detail.FULL });
      const lines = rawLines(turn.responses);
      const messages = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      const names = messages.map(({ type, subtype, state }) => [type, subtype, state].filter(Boolean).join("/"));
      expect(names.filter((name) => !/^stream_event|thinking_tokens|session_state/.test(name))).toEqual([
        "system/init",
        "command_lifecycle/queued",
        "command_lifecycle/started",
        "system/status",
        "assistant",
        "assistant",
        "command_lifecycle/completed",
        "result/success",
      ]);
      const uuids = messages.map(({ uuid }) => uuid);
      expect(new Set(uuids).size).toBe(uuids.length);
      expect(lines.join("\n")).not.toContain(calls.scene.workFolder);
      // The typed events are those of STANDARD.
      const standard = await run({ prompt });
      expect(turn.kinds.filter((of) => of !== "unknown")).toEqual(standard.kinds);
    });

    it("carries a line that is longer than an event in pieces", async () => {
      const text = "0123456789abcdef".repeat(50_000);
      const turn = await run({
        prompt: '[[scenario long-text {"deltaCount":1,"deltaChars":800000}]]',
        detail: Detail.FULL,
      });
      expect(turn.text.length).toBe(text.length);
      const long = rawLines(turn.responses).filter((line) => line.length > 600_000);
      expect(long.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
        "stream_event",
        "assistant",
        "result",
      ]);
      expect(turn.result).toMatchObject({ textTruncated: true, textSizeBytes: 800_000n });
    });
  });

  it("sends a sign of life while nothing else happens", async () => {
    const turn = await run({ prompt: '[[scenario text {"beforeFirstEventMs":700}]]' });
    const at = turn.responses.map(({ event }) => event.case);
    expect(at.indexOf("heartbeat")).toBeGreaterThan(at.indexOf("started"));
    expect(at.indexOf("heartbeat")).toBeLessThan(at.indexOf("textDelta"));
    const elapsed = turn.all("heartbeat").map(({ elapsed }) => Number(elapsed?.seconds) * 1e9 + Number(elapsed?.nanos));
    expect(elapsed).toEqual(elapsed.toSorted((a, b) => a - b));
    expect(turn.result.outcome).toBe(Outcome.COMPLETED);
  });
}
