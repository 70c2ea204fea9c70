import { describe, expect, test } from "vitest";
import type { Dedication } from "../../src/pool/dedicated.ts";
import { matchTurns } from "../../src/pool/matching.ts";
import type { WorkerState } from "../../src/pool/worker-state.ts";

const limits = {
  checkIdleAfterMs: 30_000,
  resetWaitMs: 250,
  overtakeMs: 1_000,
  warmWorkerMs: 10_000,
  creditMs: 5_000,
};
const nowMs = 100_000;

interface Turn {
  readonly id: string;
  readonly affinity: string;
  readonly conversation: string | undefined;
  readonly dedication: Dedication | undefined;
  readonly tenant: string;
  readonly arrivedAtMs: number;
}
interface Candidate {
  readonly id: string;
  readonly state: WorkerState;
  readonly tenant: string | undefined;
  readonly dedication: Dedication | undefined;
}

let order = 0;
// An affinity is the tenant, and then its binding: "acme/x". Without a slash all is one tenant's.
const tenantOf = (affinity: string) => (affinity.includes("/") ? affinity.split("/", 1)[0]! : "one");
const turn = (id: string, affinity = "a", arrivedAtMs = nowMs, conversation?: string): Turn => ({
  id,
  affinity,
  conversation,
  dedication: undefined,
  tenant: tenantOf(affinity),
  arrivedAtMs,
});
const spare = (id: string, verifiedAtMs = nowMs): Candidate => ({
  id,
  tenant: undefined,
  dedication: undefined,
  state: { kind: "spare", sinceMs: 0, order: ++order, verifiedAtMs },
});
const bound = (id: string, affinity = "a", { verifiedAtMs = nowMs, sinceMs = nowMs } = {}): Candidate => ({
  id,
  tenant: tenantOf(affinity),
  dedication: undefined,
  state: { kind: "boundIdle", sinceMs, order: ++order, verifiedAtMs, affinity, holds: { kind: "binding" } },
});
const busy = (id: string, affinity = "a"): Candidate => ({
  id,
  tenant: tenantOf(affinity),
  dedication: undefined,
  state: {
    kind: "claimed",
    sinceMs: nowMs,
    turnId: id,
    affinity,
  },
});
const resetting = (id: string, affinity = "a", sinceMs = nowMs): Candidate => ({
  id,
  tenant: tenantOf(affinity),
  dedication: undefined,
  state: { kind: "resetting", sinceMs, affinity },
});

/** An idle worker that still has a conversation. */
const keeping = (id: string, conversation: string, affinity = "a", { verifiedAtMs = nowMs } = {}): Candidate => ({
  id,
  tenant: tenantOf(affinity),
  dedication: undefined,
  state: {
    kind: "boundIdle",
    sinceMs: nowMs,
    order: ++order,
    verifiedAtMs,
    affinity,
    holds: { kind: "conversation", id: conversation },
  },
});
const goesOn = (id: string, conversation: string, affinity = "a") => turn(id, affinity, nowMs, conversation);

interface Circumstances {
  /** How many bound idle workers have to end for the turns that have none. */
  readonly endCount?: number;
  /** For how many of those there is a place anyway. */
  readonly coveredCount?: number;
  readonly freelyBusyCount?: number;
  readonly servedMs?: Readonly<Record<string, number>>;
  readonly weights?: Readonly<Record<string, number>>;
}

function match(turns: Turn[], workers: Candidate[], around: Circumstances = {}) {
  const { endCount = 0, coveredCount = 0, freelyBusyCount = 100, servedMs = {}, weights = {} } = around;
  const { give, check, reset, evict, supersede, unfitted, held, lookAgainAtMs } = matchTurns(
    {
      nowMs,
      turns,
      workers,
      shares: { weightOf: (tenant) => weights[tenant] ?? 1, servedMs: (tenant) => servedMs[tenant] ?? 0 },
      freelyBusyCount,
      enoughCount: 100,
      placesFor: () => ({ coveredCount, endCount }),
    },
    limits,
  );
  return {
    give: give.map((pair) => `${pair.turn.id}-${pair.worker.id}`),
    check: check.map(({ id }) => id),
    reset: reset.map(({ id }) => id),
    evict: evict.map(({ id }) => id),
    supersede: supersede.map(({ id }) => id),
    unfittedCount: unfitted.length,
    held: held.map(({ id }) => id),
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
  const workers = [bound("verified"), bound("silent", "a", { verifiedAtMs: nowMs - 30_000 })];
  expect(match([turn("t")], workers).give).toEqual(["t-verified"]);
});

test("has a worker that has not answered for long checked before it is given out", () => {
  expect(match([turn("t")], [spare("w", nowMs - 30_000)])).toEqual({
    give: [],
    check: ["w"],
    reset: [],
    supersede: [],
    evict: [],
    unfittedCount: 0,
    held: [],
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
  expect(match(turns, [bound("w")], { endCount: 1 })).toMatchObject({ give: ["t-w"], evict: [], unfittedCount: 1 });
});

test("after that while the place is the head's", () => {
  const turns = [turn("head", "z", nowMs - 1000), turn("t")];
  expect(match(turns, [bound("w")], { endCount: 1 })).toMatchObject({ give: [], evict: ["w"], unfittedCount: 1 });
});

test("a late overtaker is not held up where there is another place for the head", () => {
  const turns = [turn("head", "z", nowMs - 5000), turn("t")];
  const workers = [bound("unused", "y"), bound("fits")];
  expect(match(turns, workers, { endCount: 1 })).toMatchObject({ give: ["t-fits"], evict: ["unused"] });
});

test("nor where the head needs no place, because a worker for it is on its way", () => {
  const turns = [turn("head", "z", nowMs - 5000), turn("t")];
  expect(match(turns, [bound("fits")], { endCount: 0 })).toMatchObject({ give: ["t-fits"], evict: [] });
});

test("gives up the least recently used of the bound workers that no waiting turn fits", () => {
  const turns = [turn("head", "z"), turn("t", "b")];
  const workers = [bound("used", "b"), bound("old", "x"), bound("recent", "y")];
  expect(match(turns, workers, { endCount: 1 })).toMatchObject({ give: ["t-used"], evict: ["old"] });
});

test("counts a turn that is checked for as one with a worker", () => {
  const workers = [busy("b", "acme/x"), bound("w", "acme/x", { verifiedAtMs: nowMs - 30_000 })];
  const turns = [turn("t1", "acme/x"), turn("t2", "acme/y")];
  expect(match(turns, workers, { freelyBusyCount: 2 })).toMatchObject({ check: ["w"], held: ["t2"] });
});

describe("a worker that has kept its conversation", () => {
  test("goes to the turn that asks for it, before any other of its binding", () => {
    const workers = [keeping("mine", "c1"), bound("free"), keeping("other", "c2"), spare("spare")];
    expect(match([goesOn("t", "c1")], workers)).toMatchObject({ give: ["t-mine"], reset: [] });
  });

  test("is left alone while another of its binding has forgotten its own", () => {
    const workers = [keeping("kept", "c1"), bound("free")];
    expect(match([turn("t")], workers)).toMatchObject({ give: ["t-free"], reset: [] });
    expect(match([goesOn("t", "c2")], workers)).toMatchObject({ give: ["t-free"], reset: [] });
  });

  test("is left alone while another of its binding is about to be idle", () => {
    const result = match([goesOn("t", "c2")], [keeping("kept", "c1"), resetting("soon")]);
    expect(result).toMatchObject({ give: [], reset: [], lookAgainAtMs: nowMs + 250 });
  });

  test("is reset for a turn that asks for another or for none, the longest unused first, before a spare is taken", () => {
    const workers = [keeping("old", "c1"), keeping("recent", "c2"), spare("spare")];
    expect(match([turn("t")], workers)).toMatchObject({ give: [], reset: ["old"], lookAgainAtMs: nowMs + 250 });
    expect(match([goesOn("t", "c3")], workers)).toMatchObject({ give: [], reset: ["old"] });
  });

  test("is no other binding's, nor another tenant's who asks for the same conversation", () => {
    const workers = [keeping("kept", "c1", "acme/x"), spare("s1"), spare("s2")];
    const turns = [goesOn("t", "c1", "acme/y"), goesOn("u", "c1", "zeta/x")];
    expect(match(turns, workers)).toMatchObject({ give: ["t-s2", "u-s1"], reset: [] });
  });

  test("has to answer before it goes on when it has been silent for long", () => {
    const workers = [keeping("mine", "c1", "a", { verifiedAtMs: nowMs - 30_000 }), bound("free")];
    expect(match([goesOn("t", "c1")], workers)).toMatchObject({ give: [], check: ["mine"], reset: [] });
  });

  test("gives its place to a turn that fits none, like any other", () => {
    const workers = [keeping("kept", "c1", "acme/x")];
    expect(match([turn("t", "acme/y")], workers, { endCount: 1 })).toMatchObject({ evict: ["kept"], reset: [] });
  });
});

describe("between tenants", () => {
  test("the last places are kept from a tenant that has a busy worker", () => {
    const workers = [busy("b1", "acme/x"), busy("b2", "acme/x"), bound("idle", "acme/x"), spare("s")];
    const turns = [turn("t1", "acme/x"), turn("t2", "acme/y"), turn("u", "umbrella/x")];
    const result = match(turns, workers, { freelyBusyCount: 2 });
    expect(result).toMatchObject({ give: ["u-s"], held: ["t1", "t2"], unfittedCount: 0 });
  });

  test("turns for which workers are to be started count as busy", () => {
    const turns = [turn("t1", "acme/x"), turn("t2", "acme/x"), turn("t3", "acme/x")];
    expect(match(turns, [], { freelyBusyCount: 2 })).toMatchObject({ unfittedCount: 2, held: ["t3"] });
  });

  test("a worker ends of the tenant that has the most, not the least recently used of all", () => {
    const workers = [bound("only", "umbrella/x"), bound("old", "acme/x"), bound("new", "acme/y")];
    expect(match([turn("t", "acme/z")], workers, { endCount: 1 }).evict).toEqual(["old"]);
    expect(match([turn("t", "zeta/z")], workers, { endCount: 1 }).evict).toEqual(["old"]);
  });

  test("the most is measured by weight", () => {
    const workers = [bound("z1", "zeta/x"), bound("z2", "zeta/y"), bound("a1", "acme/x"), bound("a2", "acme/y")];
    const around = { endCount: 1, weights: { zeta: 2 } };
    expect(match([turn("t", "umbrella/z")], workers, around).evict).toEqual(["a1"]);
  });

  test("a tenant's last warm worker is kept from one that has as many", () => {
    const workers = [busy("b", "acme/x"), bound("only", "umbrella/x")];
    expect(match([turn("t", "acme/x")], workers, { endCount: 1 })).toMatchObject({
      evict: [],
      lookAgainAtMs: nowMs + 10_000,
    });
  });

  test("but not when it was not used for long, nor from one that has none", () => {
    const cold = [busy("b", "acme/x"), bound("only", "umbrella/x", { sinceMs: nowMs - 10_000 })];
    expect(match([turn("t", "acme/x")], cold, { endCount: 1 }).evict).toEqual(["only"]);
    expect(match([turn("t", "zeta/x")], [bound("only", "umbrella/x")], { endCount: 1 }).evict).toEqual(["only"]);
  });

  test("a turn that fits overtakes another tenant's until its own has had a bounded part more", () => {
    const turns = [turn("head", "zeta/x", nowMs - 60_000), turn("t", "acme/x")];
    const served = (acme: number) => ({ endCount: 1, servedMs: { acme, zeta: 0 } });
    expect(match(turns, [bound("w", "acme/x")], served(4_999))).toMatchObject({ give: ["t-w"], evict: [] });
    expect(match(turns, [bound("w", "acme/x")], served(5_000))).toMatchObject({ give: [], evict: ["w"] });
  });

  test("a tenant with several workers gives one up sooner", () => {
    const head = (waitedMs: number) => [turn("head", "zeta/x", nowMs - waitedMs), turn("t", "acme/x")];
    const workers = [busy("b", "acme/x"), bound("w", "acme/x")];
    expect(match(head(999), workers, { endCount: 1 })).toMatchObject({ give: ["t-w"], evict: [] });
    expect(match(head(1_000), workers, { endCount: 1 })).toMatchObject({ give: [], evict: ["w"] });
  });

  test("a turn for which a worker is on its way ends nobody's", () => {
    const turns = [turn("first", "zeta/x", nowMs - 60_000), turn("second", "acme/y", nowMs - 60_000)];
    const workers = [bound("only", "umbrella/x"), busy("b", "acme/x")];
    expect(match(turns, workers, { coveredCount: 1, endCount: 1 }).evict).toEqual([]);
  });
});

describe("a turn of a session", () => {
  const dedicationTo = (session: string, conversation: string, more: Partial<Dedication> = {}): Dedication => ({
    tenant: "one",
    affinity: "a",
    cliSessionId: session,
    model: "m",
    effort: "medium",
    conversation,
    ...more,
  });
  const ofSession = (id: string, session: string, conversation: string, more: Partial<Dedication> = {}): Turn => ({
    ...turn(id, more.affinity),
    conversation,
    dedication: dedicationTo(session, conversation, more),
  });
  const parked = (id: string, session: string, conversation: string, more: Partial<Dedication> = {}): Candidate => ({
    ...keeping(id, conversation, more.affinity),
    dedication: dedicationTo(session, "as it began", more),
  });
  const starting = (id: string, session: string, conversation: string): Candidate => ({
    id,
    tenant: "one",
    dedication: dedicationTo(session, conversation),
    state: { kind: "starting", sinceMs: nowMs },
  });

  test("gets the parked worker that has its conversation, and no other worker whatever it has", () => {
    const workers = [
      parked("mine", "s1", "c1"),
      parked("other", "s2", "c1"),
      bound("b"),
      keeping("k", "c1"),
      spare("s"),
    ];
    expect(match([ofSession("t", "s1", "c1")], workers)).toMatchObject({ give: ["t-mine"], supersede: [] });
    expect(match([ofSession("t", "s3", "c1")], workers)).toMatchObject({ give: [], unfittedCount: 1, supersede: [] });
  });

  test("leaves a parked worker to its session: no other turn gets it", () => {
    const turns = [turn("t"), goesOn("u", "c1")];
    expect(match(turns, [parked("p", "s1", "c1")])).toMatchObject({ give: [], reset: [], unfittedCount: 2 });
  });

  test("waits for a parked worker to be checked when it was idle for long", () => {
    const worker = parked("p", "s1", "c1");
    const idle = { ...worker, state: { ...worker.state, verifiedAtMs: 0 } as WorkerState };
    expect(match([ofSession("t", "s1", "c1")], [idle])).toMatchObject({ check: ["p"], give: [], unfittedCount: 0 });
  });

  test.each<[string, Partial<Dedication>]>([
    ["another conversation", { conversation: "c2" }],
    ["another model", { model: "n" }],
    ["another effort", { effort: "high" }],
    ["another system prompt", { affinity: "b" }],
  ])(
    "has its session's worker ended when it needs %s, and waits until that is gone",
    (_, { conversation = "c1", ...more }) => {
      const result = match([ofSession("t", "s1", conversation, more)], [parked("p", "s1", "c1"), spare("s")]);
      expect(result).toMatchObject({ give: [], supersede: ["p"], evict: [], unfittedCount: 0 });
      const ending: Candidate = {
        ...parked("p", "s1", "c1"),
        state: { kind: "stopping", sinceMs: nowMs, why: "superseded" },
      };
      expect(match([ofSession("t", "s1", conversation, more)], [ending])).toMatchObject({
        supersede: [],
        unfittedCount: 0,
      });
    },
  );

  test("never has another tenant's worker ended, even if the session's id were the same", () => {
    const foreign = { ...parked("p", "s1", "c1", { tenant: "zeta", affinity: "zeta/a" }), tenant: "zeta" };
    expect(match([ofSession("t", "s1", "c2")], [foreign])).toMatchObject({ supersede: [], unfittedCount: 1 });
  });

  test("waits for the worker that is started for it, and no other turn does", () => {
    const workers = [starting("p", "s1", "c1")];
    expect(match([ofSession("t", "s1", "c1")], workers).unfittedCount).toBe(0);
    expect(match([turn("t"), ofSession("u", "s2", "c1")], workers).unfittedCount).toBe(2);
    expect(match([ofSession("t", "s1", "c2")], workers)).toMatchObject({ supersede: ["p"], unfittedCount: 0 });
  });

  test("is one of a session's at a time", () => {
    const turns = [ofSession("t", "s1", "c1"), ofSession("u", "s1", "c1")];
    expect(match(turns, [])).toMatchObject({ unfittedCount: 1 });
    expect(match(turns, [parked("p", "s1", "c1")])).toMatchObject({ give: ["t-p"], unfittedCount: 0 });
  });

  test("leaves the last places to tenants that have none, like any other", () => {
    const around = { freelyBusyCount: 1 };
    const workers = [busy("w"), parked("p", "s1", "c1")];
    expect(match([ofSession("t", "s1", "c1")], workers, around)).toMatchObject({ give: [], held: ["t"] });
    expect(match([ofSession("t", "s2", "c1")], workers, around)).toMatchObject({ unfittedCount: 0, held: ["t"] });
    // The one that is started for it is its own already.
    const own = [busy("w"), starting("p", "s1", "c1")];
    expect(match([ofSession("t", "s1", "c1")], own, around)).toMatchObject({ unfittedCount: 0, held: [] });
  });

  test("gets the place of a parked worker first, then a spare's, then a bound one's", () => {
    const workers = [bound("b"), spare("s"), parked("old", "s2", "c"), parked("new", "s3", "c")];
    const evictFor = (...turns: Turn[]) => match(turns, workers, { endCount: turns.length }).evict;
    const turns = ["s4", "s5", "s6", "s7"].map((session) => ofSession(session, session, "c"));
    expect(evictFor(...turns.slice(0, 1))).toEqual(["old"]);
    expect(evictFor(...turns)).toEqual(["old", "new", "s", "b"]);
  });

  test("ends no spare for a turn that could have it, and a parked worker for every turn, whosever it is", () => {
    const foreign = { ...parked("p", "s1", "c1", { tenant: "zeta", affinity: "zeta/a" }), tenant: "zeta" };
    const turns = [turn("t", "b"), turn("u", "c")];
    expect(match(turns, [foreign, busy("w"), spare("s")], { endCount: 2 })).toMatchObject({
      give: ["t-s"],
      evict: ["p"],
    });
  });

  test("does not count on a worker that is starting for any turn", () => {
    const anybodys: Candidate = { ...spare("any"), state: { kind: "starting", sinceMs: nowMs } };
    const turns = [ofSession("t", "s1", "c"), turn("u")];
    // One of the two will have a place: the one that the starting worker serves.
    const around = { coveredCount: 1, endCount: 1 };
    const result = match(turns, [anybodys, parked("p", "s2", "c")], around);
    expect(result).toMatchObject({ unfittedCount: 2, evict: ["p"] });
  });
});
