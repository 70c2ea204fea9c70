import { expect, test } from "vitest";
import type { TurnEvent } from "../../src/turn-event.ts";
import { TurnReader } from "../../src/turns/turn-reader.ts";
import { ScriptedTurn, text } from "./scripted.ts";

test("events come in order, whether they were there or are waited for, and each is shown", async () => {
  const turn = new ScriptedTurn();
  const shown: TurnEvent[] = [];
  const reader = new TurnReader(turn, (event) => shown.push(event));
  turn.push(text("1"), text("2"));
  expect(await reader.next()).toEqual(text("1"));
  expect(await reader.next()).toEqual(text("2"));
  const third = reader.next();
  turn.push(text("3"));
  expect(await third).toEqual(text("3"));
  expect(shown).toEqual([text("1"), text("2"), text("3")]);
});

test("what is there already is taken without a wait", () => {
  const ready = [text("1"), text("2")];
  const shown: TurnEvent[] = [];
  const reader = new TurnReader({ events: new ScriptedTurn().events, takeReady: () => ready.shift() }, (event) =>
    shown.push(event),
  );
  expect([reader.poll(), reader.poll(), reader.poll()]).toEqual([text("1"), text("2"), undefined]);
  expect(shown).toHaveLength(2);
});

test("a source that fails, or ends without an end, fails the reader", async () => {
  const source = (next: () => Promise<IteratorResult<TurnEvent>>) => ({
    events: { [Symbol.asyncIterator]: () => ({ next }) },
  });
  const broken = source(() => Promise.reject(new Error("broken")));
  await expect(new TurnReader(broken).next()).rejects.toThrow("broken");
  const endless = source(() => Promise.resolve({ done: true, value: undefined }));
  await expect(new TurnReader(endless).next()).rejects.toThrow("without an end");
});
