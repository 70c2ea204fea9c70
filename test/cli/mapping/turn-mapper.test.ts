import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MappedTurn } from "../../../src/cli/mapping/mapped-turn.ts";
import { TurnMeter } from "../../../src/cli/mapping/meter.ts";
import { mapMessage } from "../../../src/cli/mapping/turn-mapper.ts";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { HostPaths } from "../../../src/cli/protocol/host-paths.ts";
import { turnEnd } from "../../../src/cli/turn/end-of-turn.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";
import { capturedPaths, captureNames, isFilledByCli, linesOf, newTurn, turnsOf } from "../captures.ts";
import { replaceAt } from "../places.ts";

type Of<K extends TurnEvent["kind"]> = Extract<TurnEvent, { kind: K }>;
const ofKind = <K extends TurnEvent["kind"]>(events: readonly TurnEvent[], kind: K) =>
  events.filter((event): event is Of<K> & TurnEvent => event.kind === kind);

/** The text of each message of the main conversation, by its deltas that were not retracted. */
function textByDeltas(events: readonly TurnEvent[]): Map<number, string> {
  const texts = new Map<number, string>();
  for (const delta of ofKind(events, "textDelta")) {
    const { messageIndex, blockIndex } = delta;
    const isVoid = ofKind(events, "retracted").some(
      (gone) => gone.messageIndex === messageIndex && blockIndex >= gone.fromBlockIndex,
    );
    if (!isVoid) texts.set(messageIndex, (texts.get(messageIndex) ?? "") + delta.text);
  }
  return texts;
}

function textByBlocks(events: readonly TurnEvent[]): Map<number, string> {
  const texts = new Map<number, string>();
  const voided = new Set(ofKind(events, "retracted").map(({ messageIndex }) => messageIndex));
  for (const { messageIndex, block, synthetic, parentToolUseId } of ofKind(events, "assistantBlock")) {
    if (synthetic || parentToolUseId !== undefined || block.kind !== "text") continue;
    // A refused message is void as a whole, its block included.
    if (voided.has(messageIndex) && !textByDeltas(events).has(messageIndex)) continue;
    texts.set(messageIndex, (texts.get(messageIndex) ?? "") + block.text);
  }
  return texts;
}

describe.each(captureNames)("the mapper, with the capture %s", (name) => {
  it("gives the text of each message both by its deltas and by its blocks", () => {
    for (const { events } of turnsOf(name)) expect(textByDeltas(events)).toEqual(textByBlocks(events));
  });

  it("gives the same text when only text is wanted", () => {
    const texts = (detail: "text" | "standard") => turnsOf(name, detail).map(({ events }) => textByDeltas(events));
    expect(texts("text")).toEqual(texts("standard"));
    const kinds = new Set(turnsOf(name, "text").flatMap(({ events }) => events.map(({ kind }) => kind)));
    expect([...kinds].filter((kind) => !["init", "textDelta", "retracted"].includes(kind))).toEqual([]);
  });

  it("counts and charges the same at each level of detail", () => {
    const sums = (detail: "text" | "full") =>
      turnsOf(name, detail).map(({ end, mapped }) => [
        end.usage,
        end.modelCallCount,
        mapped.meter.outputBytes,
        end.text,
      ]);
    expect(sums("text")).toEqual(sums("full"));
  });

  it("shows no path of the host in what the CLI filled in", () => {
    for (const { events } of turnsOf(name)) {
      for (const event of events.filter(isFilledByCli)) {
        expect(JSON.stringify(event)).not.toMatch(/\/workdir|\/home\/user|\/scratch/);
      }
    }
  });

  it("gives a tool's input as the exact text that the model wrote", () => {
    for (const { events } of turnsOf(name)) {
      for (const { input, inputJson, unparsable } of ofKind(events, "toolUse")) {
        if (unparsable) expect(() => JSON.parse(inputJson)).toThrow();
        else expect(JSON.parse(inputJson)).toEqual(input);
      }
    }
  });

  it("numbers messages from 0 without gaps", () => {
    for (const { events } of turnsOf(name)) {
      const indexes = new Set(events.flatMap((event) => ("messageIndex" in event ? [event.messageIndex] : [])));
      expect([...indexes].sort((a, b) => a - b)).toEqual([...indexes].map((_, at) => at));
    }
  });

  it("knows every line", () => {
    const unknown = turnsOf(name).flatMap(({ events }) => ofKind(events, "unknown").map((event) => event.name));
    expect(unknown).toEqual(
      name === "stream-unknown-delta" ? ["stream_event/content_block_delta/brand_new_delta"] : [],
    );
  });
});

describe("the captures together", () => {
  // What is looked at in each of them is in some of them only.
  it("hold enough of what each test above looks at", () => {
    const turns = captureNames.flatMap((name) => turnsOf(name));
    const events = turns.flatMap((turn) => turn.events);
    const count = (fits: (event: TurnEvent) => boolean) => events.filter(fits).length;
    // Texts, by deltas and by blocks, and what was taken back of them.
    expect(ofKind(events, "textDelta").length).toBeGreaterThan(200);
    expect(ofKind(events, "assistantBlock").filter(({ block }) => block.kind === "text").length).toBeGreaterThan(80);
    expect(ofKind(events, "retracted").length).toBeGreaterThan(5);
    // Turns that used something, and messages that are not a turn's first.
    expect(turns.filter(({ end }) => end.usage.outputTokens > 0).length).toBeGreaterThan(70);
    expect(count((event) => "messageIndex" in event && event.messageIndex > 0)).toBeGreaterThan(150);
    // What the CLI filled in, with paths in it that were replaced.
    expect(count(isFilledByCli)).toBeGreaterThan(800);
    expect(count((event) => isFilledByCli(event) && /<(?:cwd|home|tmp)>/.test(JSON.stringify(event)))).toBeGreaterThan(
      5,
    );
    // Inputs of tools that can be parsed, and one that cannot.
    expect(ofKind(events, "toolUse").filter(({ unparsable }) => !unparsable).length).toBeGreaterThan(25);
    expect(ofKind(events, "toolUse").filter(({ unparsable }) => unparsable).length).toBeGreaterThan(0);
  });
});

describe("the mapper", () => {
  const only = (name: string) => turnsOf(name)[0]!.events;

  it("retracts the text of a broken stream and passes the rescue on as deltas", () => {
    const events = only("stream-abandoned-nonstreaming");
    expect(ofKind(events, "retracted")).toEqual([
      expect.objectContaining({ messageIndex: 0, fromBlockIndex: 0, textBytes: 10, cause: "streamBroken" }),
    ]);
    expect([...textByDeltas(events)]).toEqual([[1, "Hello there, general reply."]]);
    const kinds = events.filter((event) => "messageIndex" in event && event.messageIndex === 1).map(({ kind }) => kind);
    expect(kinds).toEqual([
      "messageStart",
      "blockStart",
      "textDelta",
      "assistantBlock",
      "blockStop",
      "messageDelta",
      "messageStop",
    ]);
  });

  it("keeps what was complete when a stream broke behind it", () => {
    const events = only("stream-cut-after-complete-block");
    expect(ofKind(events, "retracted")).toEqual([expect.objectContaining({ messageIndex: 0, fromBlockIndex: 1 })]);
    expect([...textByDeltas(events).values()].join("|")).toBe("Running.|Done step 1");
  });

  it("retracts nothing when an interrupt cut a block off", () => {
    const [turn] = turnsOf("interrupt-stream-with-queued");
    expect(ofKind(turn!.events, "retracted")).toEqual([]);
    expect(ofKind(turn!.events, "assistantBlock")).toEqual([expect.objectContaining({ aborted: true })]);
  });

  it("retracts the refused answer when another model takes over", () => {
    const events = only("refusal-model-switch");
    expect(ofKind(events, "retracted")).toEqual([expect.objectContaining({ messageIndex: 1, cause: "refusal" })]);
    expect(ofKind(events, "modelSwitched")[0]).toMatchObject({
      trigger: "refusal",
      fromModel: "claude-opus-5-5",
      toModel: "claude-opus-4-8",
      refusalCategory: "cyber",
    });
    expect(turnsOf("refusal-model-switch")[0]!.end.workerReusable).toBe(false);
  });

  it("marks what belongs to a sub-agent, and takes none of it for the answer", () => {
    const events = only("subagent-forwarded-text");
    const uses = ofKind(events, "toolUse");
    expect(uses.map(({ toolName, parentToolUseId }) => [toolName, parentToolUseId])).toEqual([
      ["Agent", undefined],
      ["Bash", uses[0]!.toolUseId],
    ]);
    expect([...textByDeltas(events).values()].join("|")).not.toContain("Sub");
    const [fromSub, handBack] = ofKind(events, "toolResult");
    expect(fromSub).toMatchObject({
      parentToolUseId: uses[0]!.toolUseId,
      content: [{ kind: "text", text: "from-sub" }],
    });
    expect(handBack!.output).toMatchObject({ kind: "agent", report: "Sub report.", totalTokens: 1550, toolUses: 1 });
    expect(ofKind(events, "task").map(({ state }) => state)).toEqual(["started", "progress", "completed", "completed"]);
  });

  it("types what tools report, and leaves whole files out", () => {
    const outputs = turnsOf("tools-edit-cycle-and-parallel").flatMap(({ events }) => ofKind(events, "toolResult"));
    expect(outputs.map(({ output }) => output?.kind)).toEqual([
      "bash",
      "fileChange",
      "fileRead",
      "fileChange",
      "fileRead",
      "bash",
      "bash",
    ]);
    expect(outputs[1]).toMatchObject({ output: { path: "<cwd>/f.txt", created: true }, elidedBytes: 12 });
    expect(outputs[3]!.output).toMatchObject({
      created: false,
      hunks: [{ oldStartLine: 1, oldLineCount: 2, lines: [" hello", "-world", "+there"] }],
    });
    expect(outputs[0]).toMatchObject({ permissionDecision: "accept", permissionSource: "config", isError: false });
  });

  it("names the tool use of a heartbeat, not the heartbeat", () => {
    const events = only("tool-heartbeat");
    const [use] = ofKind(events, "toolUse");
    expect(ofKind(events, "toolProgress")).toEqual([
      { kind: "toolProgress", toolUseId: use!.toolUseId, toolName: "Bash", elapsedMs: 30_000 },
    ]);
  });

  it("tells when a window of the account ends, as a time", () => {
    expect(ofKind(only("rate-limit-oauth"), "rateLimit")).toEqual([
      expect.objectContaining({ status: "allowed", window: "five_hour", utilization: 0.93, resetAtMs: 1795219720_000 }),
    ]);
  });

  it("hides the CLI's own prompts from the answer and shows them as what they are", () => {
    const prompts = ofKind(only("max-tokens-and-context-window"), "syntheticPrompt");
    expect(prompts).toHaveLength(3);
    expect(prompts[0]!.text).toMatch(/^Output token limit hit/);
  });

  it("passes nothing on that the model writes beyond the limit of output", () => {
    const meter = new TurnMeter({ maxOutputBytes: 12 });
    const turn = new MappedTurn({ detail: "standard", paths: new HostPaths(capturedPaths), meter, onUnknown() {} });
    const events: TurnEvent[] = [];
    for (const line of linesOf("text-happy")) mapMessage(turn, parseLine(line)!, events);
    expect(meter.reached).toBe("outputLimit");
    expect(ofKind(events, "textDelta").map(({ text }) => text)).toEqual(["Hello ther"]);
    expect(ofKind(events, "assistantBlock")).toEqual([]);
    expect(turn.answer.text).toBe("Hello ther");
  });

  it("throws at no line, however it is changed", () => {
    const lines = captureNames.flatMap((name) => linesOf(name));
    const mutation = fc.record({
      at: fc.nat(lines.length - 1),
      path: fc.array(fc.nat(20), { maxLength: 6 }),
      value: fc.jsonValue(),
    });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 20 }), (mutations) => {
        const turn = newTurn("full");
        const paths = new HostPaths(capturedPaths);
        const events: TurnEvent[] = [];
        for (const { at, path, value } of mutations) {
          const line = JSON.stringify(replaceAt(JSON.parse(lines[at]!), path, value));
          const message = parseLine(line);
          if (message === undefined) continue;
          mapMessage(turn, message, events);
          expect(typeof paths.line(message, line)).toBe("string");
          turnEnd({
            mapped: turn,
            result: message.body,
            charge: undefined,
            cause: undefined,
            death: undefined,
            wantsStructuredOutput: true,
            wallNowMs: 0,
            isUsable: true,
          });
        }
      }),
      { numRuns: 300 },
    );
  });
});
