import { expect, it } from "vitest";
import { Watch } from "../../web/watch.ts";

/** A watched stream whose every opening a test plays, with pauses that a test ends. */
function setUp({ isFinal = () => false }: { isFinal?: (error: unknown) => boolean } = {}) {
  const seen: string[] = [];
  const pauses: { readonly ms: number; readonly end: () => void }[] = [];
  const openings: (() => AsyncIterable<string>)[] = [];
  const signals: AbortSignal[] = [];
  const watch = new Watch<string>({
    open(signal) {
      signals.push(signal);
      const next = openings.shift();
      if (next === undefined) throw new Error("no server");
      return next();
    },
    onState: (state) => seen.push(state),
    onBreak: (error, nextTryMs) => seen.push(`${error instanceof Error ? error.message : error}, next in ${nextTryMs}`),
    isFinal,
    after(ms, run) {
      pauses.push({ ms, end: run });
      return () => {};
    },
  });
  return { watch, seen, pauses, openings, signals };
}

async function* of(...states: string[]) {
  yield* states;
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

it("a watched stream that ends is opened again, after a pause that grows until a state comes", async () => {
  const { watch, seen, pauses, openings } = setUp();
  openings.push(() => of("a"));
  watch.start();
  await settled();
  expect(seen).toEqual(["a", "the stream ended, next in 500"]);
  for (let round = 0; round < 7; round += 1) {
    pauses.at(-1)?.end();
    await settled();
  }
  expect(pauses.map(({ ms }) => ms)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  openings.push(() => of("b"));
  pauses.at(-1)?.end();
  await settled();
  expect(seen.slice(-2)).toEqual(["b", "the stream ended, next in 500"]);
  watch.stop();
});

it("a watch that cannot succeed is not tried again", async () => {
  const { watch, seen, pauses } = setUp({ isFinal: () => true });
  watch.start();
  await settled();
  expect(seen).toEqual(["no server, next in undefined"]);
  expect(pauses).toEqual([]);
});

it("a watch that is stopped ends its stream and tells nothing more", async () => {
  const { watch, seen, openings, signals } = setUp();
  const gate = Promise.withResolvers<void>();
  openings.push(async function* () {
    yield "a";
    await gate.promise;
    yield "b";
  });
  watch.start();
  await settled();
  watch.stop();
  gate.resolve();
  await settled();
  expect(signals[0]?.aborted).toBe(true);
  expect(seen).toEqual(["a"]);
});
