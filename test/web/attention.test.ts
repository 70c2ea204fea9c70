import { expect, it } from "vitest";
import { Attention } from "../../web/attention.ts";

it("whoever listens is told of changes alone, until they do not want to be", () => {
  const attention = new Attention(true);
  const told: boolean[] = [];
  const forget = attention.onChange((isLooking) => told.push(isLooking));
  for (const isLooking of [true, false, false, true]) attention.set(isLooking);
  forget();
  attention.set(false);
  expect(told).toEqual([false, true]);
});

it("a wait for somebody to look ends at once when they do already, when they do, or when nobody waits any more", async () => {
  const attention = new Attention(true);
  const abort = new AbortController();
  await attention.untilLooking(abort.signal);
  attention.set(false);
  const looked = attention.untilLooking(abort.signal);
  attention.set(true);
  await looked;
  attention.set(false);
  const given = attention.untilLooking(abort.signal);
  abort.abort();
  await given;
  await attention.untilLooking(abort.signal);
  expect(attention.isLooking).toBe(false);
});
