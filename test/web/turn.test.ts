import { describe, expect, it } from "vitest";
import {
  BlockKind,
  NoticeLevel,
  RetractionCause,
  TaskState,
} from "../../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import { Turn } from "../../web/turn.ts";
import type { ToolItem } from "../../web/turn-items.ts";
import { event, textDelta } from "./events.ts";

const newTurn = () => new Turn({ prompt: "Hello", traceId: "trace", sentAtMs: 0 });
const toolStart = (toolUseId: string, toolName: string, blockIndex = 0) =>
  event({
    case: "blockStart",
    value: { kind: BlockKind.TOOL_USE, toolUseId, toolName, messageIndex: 0, blockIndex },
  });
const toolIn = (turn: Turn): ToolItem => turn.items.find((item) => item.kind === "tool") as ToolItem;

describe("a turn's text", () => {
  it("is its deltas, one item for each block", () => {
    const turn = newTurn();
    for (const delta of [textDelta("He"), textDelta("llo"), textDelta("!", 0, 1), textDelta(" Bye", 1, 0)]) {
      turn.apply(delta);
    }
    expect(turn.text).toBe("Hello! Bye");
    expect(turn.items.map((item) => item.kind === "text" && item.text)).toEqual(["Hello", "!", " Bye"]);
    expect(turn.turnId).toBe("turn-1");
  });

  it("loses what is taken back, and says so", () => {
    const turn = newTurn();
    turn.apply(textDelta("kept", 0, 0));
    turn.apply(textDelta("void", 0, 1));
    turn.apply(toolStart("use-1", "Bash", 2));
    turn.apply(
      event({
        case: "retracted",
        value: { messageIndex: 0, fromBlockIndex: 1, textBytes: 4n, cause: RetractionCause.STREAM_BROKEN },
      }),
    );
    turn.apply(textDelta(" anew", 1, 0));
    expect(turn.text).toBe("kept anew");
    expect(turn.items.map(({ kind }) => kind)).toEqual(["text", "note", "text"]);
    expect(turn.items[1]).toMatchObject({ tone: "warning", text: expect.stringContaining("4 B of text") });
  });

  it("may come again under the same block after it was taken back", () => {
    const turn = newTurn();
    turn.apply(textDelta("void"));
    turn.apply(event({ case: "retracted", value: { messageIndex: 0, fromBlockIndex: 0 } }));
    turn.apply(textDelta("again"));
    expect(turn.text).toBe("again");
  });

  it("knows what it cites, each source once", () => {
    const turn = newTurn();
    turn.apply(textDelta("Blue."));
    const sky = { title: "Sky", url: "https://sky.example" };
    for (const citation of [sky, sky, { unknown: 1 }]) {
      turn.apply(event({ case: "citationDelta", value: { citation, messageIndex: 0, blockIndex: 0 } }));
    }
    expect(turn.items[0]).toMatchObject({ sources: [{ title: "Sky", url: "https://sky.example" }] });
  });
});

describe("thinking", () => {
  it("grows, and is over with its block", () => {
    const turn = newTurn();
    for (const thinking of ["Let me ", "see."]) {
      turn.apply(event({ case: "thinkingDelta", value: { thinking, messageIndex: 0, blockIndex: 0 } }));
    }
    expect(turn.items[0]).toMatchObject({ kind: "thinking", text: "Let me see.", isOver: false });
    expect(turn.activity).toBe("Thinking");
    turn.apply(event({ case: "blockStop", value: { messageIndex: 0, blockIndex: 0 } }));
    expect(turn.items[0]).toMatchObject({ isOver: true });
    expect(turn.text).toBe("");
  });

  it("that is hidden shows how long it is", () => {
    const turn = newTurn();
    turn.apply(event({ case: "blockStart", value: { kind: BlockKind.THINKING, messageIndex: 0, blockIndex: 0 } }));
    turn.apply(event({ case: "thinkingProgress", value: { estimatedTokenCount: 150n } }));
    expect(turn.items[0]).toMatchObject({ text: "", estimatedTokenCount: 150 });
  });
});

describe("a tool", () => {
  it("is prepared, runs and answers", () => {
    const turn = newTurn();
    turn.apply(toolStart("use-1", "Bash"));
    for (const partialJson of ['{"comm', 'and":"ls"}']) {
      turn.apply(event({ case: "toolInputDelta", value: { partialJson, messageIndex: 0, blockIndex: 0 } }));
    }
    expect(toolIn(turn)).toMatchObject({ state: "preparing", inputJson: '{"command":"ls"}' });
    turn.apply(
      event({ case: "toolUse", value: { toolUseId: "use-1", toolName: "Bash", inputJson: '{"command":"ls"}' } }),
    );
    expect(toolIn(turn)).toMatchObject({ state: "running", inputJson: '{"command":"ls"}' });
    expect(turn.activity).toBe("Running Bash");
    turn.apply(
      event({
        case: "toolProgress",
        value: { toolUseId: "use-1", toolName: "Bash", elapsed: { seconds: 3n, nanos: 0 } },
      }),
    );
    expect(toolIn(turn).elapsedMs).toBe(3_000);
    turn.apply(
      event({
        case: "toolResult",
        value: { toolUseId: "use-1", output: { case: "bash", value: { stdout: "file" } } },
      }),
    );
    expect(toolIn(turn)).toMatchObject({ state: "done", answer: { output: { value: { stdout: "file" } } } });
    expect(turn.activity).toBe("Asking the model");
  });

  it("has its long input and answer put together again", () => {
    const turn = newTurn();
    for (const [index, inputJson] of ['{"a":', "1}"].entries()) {
      turn.apply(
        event({ case: "toolUse", value: { toolUseId: "u", toolName: "X", inputJson, part: { index, count: 2 } } }),
      );
    }
    for (const [index, text] of ["one ", "two"].entries()) {
      const content = [{ content: { case: "text" as const, value: text } }];
      turn.apply(event({ case: "toolResult", value: { toolUseId: "u", content, part: { index, count: 2 } } }));
    }
    expect(toolIn(turn).inputJson).toBe('{"a":1}');
    expect(toolIn(turn).answer?.content.map(({ content }) => content.value)).toEqual(["one ", "two"]);
  });

  it("that was denied stays so, whatever is told to the model", () => {
    const turn = newTurn();
    turn.apply(event({ case: "toolUse", value: { toolUseId: "u", toolName: "Bash", inputJson: "{}" } }));
    turn.apply(event({ case: "permissionDenied", value: { toolUseId: "u", toolName: "Bash", reason: "not allowed" } }));
    turn.apply(event({ case: "toolResult", value: { toolUseId: "u", isError: true } }));
    expect(toolIn(turn).state).toBe("denied");
    expect(turn.items.at(-1)).toMatchObject({ kind: "note", text: "Bash was denied: not allowed" });
  });

  it("holds what its sub-agent said and did", () => {
    const turn = newTurn();
    turn.apply(event({ case: "toolUse", value: { toolUseId: "agent", toolName: "Task", inputJson: "{}" } }));
    turn.apply(
      event(
        { case: "assistantBlock", value: { messageIndex: 3, block: { case: "text", value: { text: "I look." } } } },
        "agent",
      ),
    );
    turn.apply(event({ case: "toolUse", value: { toolUseId: "inner", toolName: "Read", inputJson: "{}" } }, "agent"));
    turn.apply(
      event({
        case: "task",
        value: { toolUseId: "agent", state: TaskState.PROGRESS, description: "Looks", toolUseCount: 1 },
      }),
    );
    expect(toolIn(turn).children.map(({ kind }) => kind)).toEqual(["text", "tool"]);
    expect(toolIn(turn).progress).toBe("Looks working · 1 tool use");
    expect(turn.items).toHaveLength(1);
    expect(turn.text).toBe("");
  });

  it("that is still running when the turn ends has failed", () => {
    const turn = newTurn();
    turn.apply(event({ case: "toolUse", value: { toolUseId: "u", toolName: "Bash", inputJson: "{}" } }));
    turn.finish({ kind: "cancelled" });
    expect(toolIn(turn).state).toBe("failed");
  });
});

describe("what is told in words", () => {
  it("stands where it came, and replaces what it outdates", () => {
    const turn = newTurn();
    for (const attempt of [1, 2]) {
      turn.apply(
        event({
          case: "apiRetry",
          value: { attempt, maxAttemptCount: 10, httpStatus: 529, delay: { seconds: 1n, nanos: 0 } },
        }),
      );
    }
    turn.apply(event({ case: "notice", value: { level: NoticeLevel.WARNING, text: "Careful" } }));
    expect(turn.items).toMatchObject([
      { text: "The model API failed (status 529). Retry 2 of 10 in 1.00 s.", tone: "warning" },
      { text: "Careful", tone: "warning" },
    ]);
  });

  it("is bounded", () => {
    const turn = newTurn();
    for (let index = 0; index < 500; index += 1)
      turn.apply(event({ case: "notice", value: { text: `notice ${index}` } }));
    expect(turn.items).toHaveLength(100);
  });

  it("is nothing for kinds that it does not know, and for signs of life", () => {
    const turn = newTurn();
    turn.apply(event({ case: undefined }));
    turn.apply(event({ case: "heartbeat", value: {} }));
    turn.apply(event({ case: "unknown", value: { kind: "new" } }));
    expect(turn.items).toEqual([]);
    expect(turn.eventCount).toBe(3);
  });
});

it("a turn ends once: the first end counts, and closes what was open", () => {
  const turn = newTurn();
  turn.apply(textDelta("half"));
  turn.finish({ kind: "cancelled" });
  turn.finish({ kind: "result" });
  expect(turn.end?.kind).toBe("cancelled");
  expect(turn.items[0]).toMatchObject({ isOver: true });
});

it("an item's revision grows with each change, and with nothing else", () => {
  const turn = newTurn();
  turn.apply(textDelta("a"));
  turn.apply(textDelta("b", 0, 1));
  const before = turn.items.map(({ revision }) => revision);
  turn.apply(textDelta("c", 0, 1));
  const after = turn.items.map(({ revision }) => revision);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBeGreaterThan(before[1] ?? 0);
});

it("an answer of which events are missing is the result's, once that is there", () => {
  const turn = newTurn();
  turn.apply(textDelta("begun"));
  turn.apply(event({ case: "gap", value: { firstSequence: 3, lastSequence: 9 } }));
  expect(turn.items.at(-1)).toMatchObject({ kind: "note", text: "7 events of this turn can no longer be read." });
  turn.apply(event({ case: "result", value: { text: "The whole answer." } }));
  expect(turn.text).toBe("The whole answer.");
});

it("a turn knows the last event that has come, so that its stream is joined behind it", () => {
  const turn = newTurn();
  turn.apply({ ...textDelta("a"), sequence: 7 });
  expect(turn.lastSequence).toBe(7);
});
