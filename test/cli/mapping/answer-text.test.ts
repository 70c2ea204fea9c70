import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mapEnd, mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { turnEnd } from "../../../src/cli/turn/end-of-turn.ts";
import type { Detail } from "../../../src/turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { newTurn } from "../captures.ts";
import { gatewayTurns } from "../gateway.ts";

function play(lines: readonly string[], detail: Detail = "standard") {
  const mapped = newTurn(detail);
  const events: TurnEvent[] = [];
  let result = {};
  for (const line of lines) {
    const message = parseLine(line)!;
    if (message.kind === "result") result = message.body;
    else mapMessage(mapped, message, events);
  }
  mapEnd(mapped, events);
  const end = turnEnd({
    mapped,
    result,
    charge: undefined,
    cause: undefined,
    death: undefined,
    wantsStructuredOutput: false,
    wallNowMs: 0,
    isUsable: true,
  });
  return { events, text: end.text };
}

/** What a caller has who joins deltas as they come, forgets what is retracted, and starts anew behind a tool's answer. */
function joined(events: readonly TurnEvent[]): string {
  let pieces: { readonly messageIndex: number; readonly blockIndex: number; readonly text: string }[] = [];
  for (const event of events) {
    if (event.kind === "textDelta") pieces.push(event);
    else if (event.kind === "toolResult" && event.parentToolUseId === undefined) pieces = [];
    else if (event.kind === "retracted") {
      pieces = pieces.filter(
        ({ messageIndex, blockIndex }) => messageIndex !== event.messageIndex || blockIndex < event.fromBlockIndex,
      );
    }
  }
  return pieces.map(({ text }) => text).join("");
}

describe("the answer of a turn, whatever a gateway sends", () => {
  it("is what was streamed and not retracted since the last tool result, or since the turn began", () => {
    fc.assert(
      fc.property(gatewayTurns, ({ lines, answer }) => {
        const { events, text } = play(lines);
        expect(text).toBe(joined(events));
        if (answer !== undefined) expect(text).toBe(answer);
      }),
      { numRuns: 1_000 },
    );
  });

  it("is the same at every level of detail", () => {
    fc.assert(
      fc.property(gatewayTurns, ({ lines }) => {
        const texts = (["text", "standard", "full"] as const).map((detail) => play(lines, detail).text);
        expect(new Set(texts).size).toBe(1);
      }),
    );
  });

  it("comes in deltas that are text, none of them empty", () => {
    fc.assert(
      fc.property(gatewayTurns, ({ lines }) => {
        for (const event of play(lines).events) {
          const text = event.kind === "textDelta" ? event.text : event.kind === "thinkingDelta" ? event.thinking : "x";
          expect(text).not.toBe("");
          expect(text.isWellFormed()).toBe(true);
        }
      }),
    );
  });

  it("is told of when a tool's input came where Claude Code does not read it, once in a turn", () => {
    const frame = (id: string, input: object) =>
      JSON.stringify({
        type: "stream_event",
        event: { type: "content_block_start", index: 0, content_block: { type: "tool_use", id, name: "Bash", input } },
        parent_tool_use_id: null,
      });
    const notices = (...lines: string[]) =>
      play(lines).events.flatMap((event) => (event.kind === "notice" ? event.noticeKind : []));
    expect(notices(frame("a", { command: "x" }), frame("b", { command: "y" }))).toEqual(["first_frame_input"]);
    expect(notices(frame("a", {}))).toEqual([]);
  });

  it("has positions that count from 0 in each message", () => {
    fc.assert(
      fc.property(gatewayTurns, ({ lines }) => {
        const { events } = play(lines);
        const starts = events.filter((event) => event.kind === "blockStart");
        for (const [at, { messageIndex, blockIndex }] of starts.entries()) {
          const before = starts.slice(0, at).filter((other) => other.messageIndex === messageIndex);
          expect(blockIndex).toBe(before.length);
        }
      }),
    );
  });
});
