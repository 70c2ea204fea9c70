import { expect, test } from "vitest";
import { QuietReader } from "../../src/service/quiet-reader.ts";
import { FakeClock } from "../fake-clock.ts";

/** A source that gives what it is handed, when it is handed it. */
function handed<T>() {
  const waiting: ((step: IteratorResult<T>) => void)[] = [];
  const kept: IteratorResult<T>[] = [];
  const give = (step: IteratorResult<T>) => {
    const next = waiting.shift();
    if (next === undefined) kept.push(step);
    else next(step);
  };
  const source: AsyncIterable<T> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const step = kept.shift();
        return step === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(step);
      },
    }),
  };
  return {
    source,
    event: (value: T) => give({ done: false, value }),
    end: () => give({ done: true, value: undefined }),
  };
}

test("events come in order and none is lost to a tick", async () => {
  const clock = new FakeClock();
  const { source, event, end } = handed<number>();
  using reader = new QuietReader(source, clock, 1_000);
  const first = reader.next();
  await clock.advance(1_000);
  expect(await first).toEqual({ kind: "tick" });
  event(1); // nobody waits: the reader keeps it
  await clock.settle();
  event(2);
  end();
  expect(await reader.next()).toEqual({ kind: "event", event: 1 });
  expect(await reader.next()).toEqual({ kind: "event", event: 2 });
  expect(await reader.next()).toEqual({ kind: "end" });
});

test("ticks come once in their time while nothing else does", async () => {
  const clock = new FakeClock();
  using reader = new QuietReader(handed().source, clock, 1_000);
  for (let tick = 1; tick <= 3; tick += 1) {
    const next = reader.next();
    await clock.advance(1_000);
    expect(await next).toEqual({ kind: "tick" });
  }
});

test("a source that fails fails the reader, also when nobody waited", async () => {
  const clock = new FakeClock();
  const broken = (async function* (): AsyncGenerator<number> {
    await new Promise<void>((resolve) => clock.after(1_500, resolve));
    throw new Error("broken");
  })();
  using reader = new QuietReader(broken, clock, 1_000);
  const tick = reader.next();
  await clock.advance(1_000);
  await tick;
  await clock.advance(1_000);
  await expect(reader.next()).rejects.toThrow("broken");
});

test("leaves no timer behind", async () => {
  const clock = new FakeClock();
  {
    using reader = new QuietReader(handed().source, clock, 1_000);
    const next = reader.next();
    await clock.advance(1_000);
    await next;
  }
  expect(clock.pendingTimerCount).toBe(0);
});
