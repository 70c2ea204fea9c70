import { expect, test } from "vitest";
import { type MatchingInput, matchTurns } from "../../src/pool/matching.ts";
import type { WorkerState } from "../../src/pool/worker.ts";

const limits = { checkIdleAfterMs: 30_000, resetWaitMs: 250, overtakeMs: 1_000 };
const nowMs = 100_000;

interface Turn {
  readonly id: string;
  readonly affinity: string;
  readonly arrivedAtMs: number;
}
interface Candidate {
  readonly id: string;
  readonly state: WorkerState;
}

let order = 0;
const turn = (id: string, affinity = "a", arrivedAtMs = nowMs): Turn => ({ id, affinity, arrivedAtMs });
const spare = (id: string, verifiedAtMs = nowMs): Candidate => ({
  id,
  state: { kind: "spare", sinceMs: 0, order: ++order, verifiedAtMs },
});
const bound = (id: string, affinity = "a", verifiedAtMs = nowMs): Candidate => ({
  id,
  state: { kind: "boundIdle", sinceMs: 0, order: ++order, verifiedAtMs, affinity },
});
const resetting = (id: string, affinity = "a", sinceMs = nowMs): Candidate => ({
  id,
  state: { kind: "resetting", sinceMs, affinity },
});

function match(
  turns: Turn[],
  workers: Candidate[],
  placesToFree: MatchingInput<Turn, Candidate>["placesToFree"] = () => 0,
) {
  const { give, check, evict, unfitted, lookAgainAtMs } = matchTurns({ nowMs, turns, workers, placesToFree }, limits);
  return {
    give: give.map((pair) => `${pair.turn.id}-${pair.worker.id}`),
    check: check.map(({ id }) => id),
    evict: evict.map(({ id }) => id),
    unfittedCount: unfitted.length,
    lookAgainAtMs,
  };
}

test("prefers a bound worker to a spare, and the most recently used to others", () => {
  const workers = [bound("old"), bound("recent"), spare("spare"), bound("foreign", "z")];
  expect(match([turn("t")], workers).give).toEqual(["t-recent"]);
});

test("gives each worker to one turn, in the order of the queue", () => {
  const turns = [turn("t1"), turn("t2"), turn("t3", "z"), turn("t4")];
  const result = match(turns, [bound("w1"), spare("w2"), spare("w3")]);
  expect(result).toMatchObject({ give: ["t1-w1", "t2-w3", "t3-w2"], unfittedCount: 1 });
});

test("prefers a bound worker that answered lately to a more recently used one that did not", () => {
  const workers = [bound("verified"), bound("silent", "a", nowMs - 30_000)];
  expect(match([turn("t")], workers).give).toEqual(["t-verified"]);
});

test("has a worker that has not answered for long checked before it is given out", () => {
  expect(match([turn("t")], [spare("w", nowMs - 30_000)])).toEqual({
    give: [],
    check: ["w"],
    evict: [],
    unfittedCount: 0,
    lookAgainAtMs: nowMs + 250,
  });
});

test("gives a verified spare rather than have an unverified one checked", () => {
  const workers = [spare("verified"), spare("silent", nowMs - 30_000)];
  expect(match([turn("t")], workers)).toMatchObject({ give: ["t-verified"], check: [] });
});

test("lets as many turns wait for resets of their affinity as there are such resets", () => {
  const turns = [turn("t1"), turn("t2"), turn("t3")];
  const result = match(turns, [resetting("r1"), resetting("r2"), resetting("r3", "z"), spare("s")]);
  expect(result).toMatchObject({ give: ["t3-s"], unfittedCount: 0, lookAgainAtMs: nowMs + 250 });
});

test("counts the wait for a reset from its start or the turn's coming, whichever was later", () => {
  const late = match([turn("t")], [resetting("r", "a", nowMs - 10_000), spare("s")]);
  expect(late).toMatchObject({ give: [], lookAgainAtMs: nowMs + 250 });
  const over = match([turn("t", "a", nowMs - 250)], [resetting("r", "a", nowMs - 10_000), spare("s")]);
  expect(over).toMatchObject({ give: ["t-s"], lookAgainAtMs: undefined });
});

test("a turn that has waited long enough for a reset without a spare needs a worker to be started", () => {
  expect(match([turn("t", "a", nowMs - 250)], [resetting("r", "a", nowMs - 10_000)]).unfittedCount).toBe(1);
});

test("lets a turn that fits overtake the head for a while, though the head needs the place", () => {
  const turns = [turn("head", "z", nowMs - 999), turn("t")];
  expect(match(turns, [bound("w")], () => 1)).toMatchObject({ give: ["t-w"], evict: [], unfittedCount: 1 });
});

test("after that while the place is the head's", () => {
  const turns = [turn("head", "z", nowMs - 1000), turn("t")];
  expect(match(turns, [bound("w")], () => 1)).toMatchObject({ give: [], evict: ["w"], unfittedCount: 1 });
});

test("a late overtaker is not held up where there is another place for the head", () => {
  const turns = [turn("head", "z", nowMs - 5000), turn("t")];
  const workers = [bound("unused", "y"), bound("fits")];
  expect(match(turns, workers, () => 1)).toMatchObject({ give: ["t-fits"], evict: ["unused"] });
});

test("nor where the head needs no place, because a worker for it is on its way", () => {
  const turns = [turn("head", "z", nowMs - 5000), turn("t")];
  expect(match(turns, [bound("fits")], () => 0)).toMatchObject({ give: ["t-fits"], evict: [] });
});

test("gives up the least recently used of the bound workers that no waiting turn fits", () => {
  const turns = [turn("head", "z"), turn("t", "b")];
  const workers = [bound("used", "b"), bound("old", "x"), bound("recent", "y")];
  expect(match(turns, workers, () => 1)).toMatchObject({ give: ["t-used"], evict: ["old"] });
});
