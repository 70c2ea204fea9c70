import { expect, test } from "vitest";
import type { TurnEvent } from "../../src/turn-event.ts";
import { TurnReader } from "../../src/turns/turn-reader.ts";
import { FakeClock } from "../fake-clock.ts";
import { text } from "./scripted.ts";

/** A source that gives what it is handed, when it is handed it. */
function handed() {
  const waiting: ((step: IteratorResult<TurnEvent>) => void)[] = [];
  const kept: IteratorResult<TurnEvent>[] = [];
  const give = (step: IteratorResult<TurnEvent>) => {
    const next = waiting.shift();
    if (next === undefined) kept.push(step);
    else next(step);
  };
  const source: AsyncIterable<TurnEvent> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const step = kept.shift();
        return step === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(step);
      },
    }),
  };
  return {
    source: { events: source },
    event: (value: TurnEvent) => give({ done: false, value }),
    end: () => give({ done: true, value: undefined }),
  };
}

test("events come in order and none is lost to a tick", async () => {
  const clock = new FakeClock();
  const { source, event, end } = handed();
  using reader = new TurnReader(source, clock, 1_000);
  const first = reader.next();
  await clock.advance(1_000);
  expect(await first).toEqual({ kind: "tick" });
  event(text("1")); // nobody waits: the reader keeps it
  await clock.settle();
  event(text("2"));
  end();
  expect(await reader.next()).toEqual({ kind: "event", event: text("1") });
  expect(await reader.next()).toEqual({ kind: "event", event: text("2") });
  await expect(reader.next()).rejects.toThrow("without an end");
});

test("ticks come once in their time while nothing else does", async () => {
  const clock = new FakeClock();
  using reader = new TurnReader(handed().source, clock, 1_000);
  for (let tick = 1; tick <= 3; tick += 1) {
    const next = reader.next();
    await clock.advance(1_000);
    expect(await next).toEqual({ kind: "tick" });
  }
});

test("a source that fails fails the reader, also when nobody waited", async () => {
  const clock = new FakeClock();
  const broken = (async function* (): AsyncGenerator<TurnEvent> {
    await new Promise<void>((resolve) => clock.after(1_500, resolve));
    throw new Error("broken");
  })();
  using reader = new TurnReader({ events: broken }, clock, 1_000);
  const tick = reader.next();
  await clock.advance(1_000);
  await tick;
  await clock.advance(1_000);
  await expect(reader.next()).rejects.toThrow("broken");
});

test("leaves no timer behind", async () => {
  const clock = new FakeClock();
  {
    using reader = new TurnReader(handed().source, clock, 1_000);
    const next = reader.next();
    await clock.advance(1_000);
    await next;
  }
  expect(clock.pendingTimerCount).toBe(0);
});
