import { describe, expect, it } from "vitest";
import { EventPipe } from "../../../src/cli/turn/event-pipe.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";

const delta = (text: string, blockIndex = 0): TurnEvent => ({ kind: "textDelta", text, messageIndex: 0, blockIndex });

function readAll(pipe: EventPipe): TurnEvent[] {
  const read: TurnEvent[] = [];
  for (let event = pipe.takeReady(); event !== undefined; event = pipe.takeReady()) read.push(event);
  return read;
}

const textOf = (events: readonly TurnEvent[]) =>
  events.map((event) => (event.kind === "textDelta" ? event.text : "")).join("");

describe("a late reader", () => {
  it("gets a million one-byte deltas in a bounded number of events, and all of their text", () => {
    const pipe = new EventPipe(() => undefined);
    for (let at = 0; at < 1_000; at++) pipe.push(Array.from({ length: 1_000 }, () => delta("x")));
    const read = readAll(pipe);
    expect(textOf(read)).toBe("x".repeat(1_000_000));
    expect(read.length).toBeLessThan(100);
    for (const event of read) expect(textOf([event]).length).toBeLessThanOrEqual(16 * 1024);
  });

  it("counts as late by the pieces, so that the process is held back as before", () => {
    const pipe = new EventPipe(() => undefined);
    for (let at = 0; at < 500; at++) pipe.push([delta("x")]);
    expect(pipe.unreadCount).toBe(500);
    expect(readAll(pipe).length).toBeLessThan(100);
    expect(pipe.unreadCount).toBe(0);
  });

  it("gets pieces of different blocks apart, and what came between them in its place", () => {
    const pipe = new EventPipe(() => undefined);
    const events: TurnEvent[] = Array.from({ length: 200 }, (_, at) =>
      at % 50 === 49 ? { kind: "messageStop", messageIndex: 0 } : delta(String(at % 10), Math.floor(at / 25)),
    );
    for (const event of events) pipe.push([event]);
    const read = readAll(pipe);
    expect(textOf(read)).toBe(textOf(events));
    const order = (all: readonly TurnEvent[]) => {
      const keys = all.map((event) => (event.kind === "textDelta" ? `block ${event.blockIndex}` : event.kind));
      return keys.filter((key, at) => key !== keys[at - 1]);
    };
    expect(order(read)).toEqual(order(events));
  });

  it("keeps its answer when the rest is dropped", () => {
    const pipe = new EventPipe(() => undefined);
    pipe.push([delta("a"), { kind: "messageStop", messageIndex: 0 }, delta("b")]);
    pipe.drop(({ kind }) => kind === "textDelta");
    pipe.push([{ kind: "messageStop", messageIndex: 1 }, delta("c")]);
    expect(textOf(readAll(pipe))).toBe("abc");
  });
});

describe("pieces that the process wrote together", () => {
  const at = { messageIndex: 0, blockIndex: 1 };

  it("are one event, of text, of thinking and of a tool's input", () => {
    const pipe = new EventPipe(() => undefined);
    pipe.push([
      { kind: "thinkingDelta", thinking: "a", messageIndex: 0, blockIndex: 0 },
      { kind: "thinkingDelta", thinking: "b", messageIndex: 0, blockIndex: 0 },
      { kind: "textDelta", text: "c", ...at },
      { kind: "textDelta", text: "d", ...at },
      { kind: "toolInputDelta", partialJson: "{", messageIndex: 0, blockIndex: 2 },
      { kind: "toolInputDelta", partialJson: "}", messageIndex: 0, blockIndex: 2 },
    ]);
    expect(readAll(pipe)).toEqual([
      { kind: "thinkingDelta", thinking: "ab", messageIndex: 0, blockIndex: 0 },
      { kind: "textDelta", text: "cd", ...at },
      { kind: "toolInputDelta", partialJson: "{}", messageIndex: 0, blockIndex: 2 },
    ]);
  });

  it("stay apart when each carries its line, as at full detail", () => {
    const pipe = new EventPipe(() => undefined);
    const events: TurnEvent[] = [
      { kind: "textDelta", text: "a", ...at, raw: "{}" },
      { kind: "textDelta", text: "b", ...at, raw: "{}" },
    ];
    pipe.push(events);
    expect(readAll(pipe)).toEqual(events);
  });

  it("come one by one to a reader who waits for each", async () => {
    const pipe = new EventPipe(() => undefined);
    for (const text of ["a", "b", "c"]) {
      const next = pipe.next();
      pipe.push([{ kind: "textDelta", text, ...at }]);
      expect((await next).value).toEqual({ kind: "textDelta", text, ...at });
    }
  });
});
