/** Workers that serve one session: started for its turn, parked between its turns, ended when their place is needed. */
import { expect, test } from "vitest";
import type { Claim, ClaimRequest } from "../../src/pool/claim.ts";
import type { PoolProfile } from "../../src/pool/pool-options.ts";
import { ProcessStartError } from "../../src/pool/start-error.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { SessionLaunch } from "../../src/session-launch.ts";
import { type Changes, PoolUnderTest } from "./pool-under-test.ts";

const parkedIdleMs = 600_000;

async function pool(profile: Partial<PoolProfile> = {}, changes: Changes = {}): Promise<PoolUnderTest> {
  const own = { minSpares: 0, maxWorkers: 4, parkedIdleMs, maxParkedWorkers: 2, reuse: false, ...profile };
  return PoolUnderTest.warm({ profiles: { default: own }, ...changes });
}

function of(session: string, conversation: string, more: Partial<SessionLaunch> = {}): Partial<ClaimRequest> {
  const launch = { cliSessionId: session, model: "m", effort: "medium", binding: {}, ...more } as const;
  return { session: { conversation, launch } };
}

/** Has a turn of a session run, after which its worker holds `after`. */
async function runTurn(t: PoolUnderTest, request: Partial<ClaimRequest>, after: string | undefined): Promise<Claim> {
  const asked = t.ask(request);
  await t.clock.advance(1_000);
  const claim = asked.claim!;
  claim.release({ kind: "finished", conversation: after });
  await t.clock.settle();
  return claim;
}

test("the first turn of a session gets a worker that is started for it, with all that it needs", async () => {
  const t = await pool();
  const asked = t.ask(of("s1", "c0", { model: "n" }));
  await t.clock.advance(500);
  expect(asked.claim).toMatchObject({
    source: "COLD_POOL_OFF",
    holds: { kind: "conversation", id: "c0" },
    turnCount: 0,
    queueWaitMs: 500,
  });
  expect(t.workers.map(({ session }) => session)).toEqual([
    { cliSessionId: "s1", model: "n", effort: "medium", binding: {} },
  ]);
});

test("a spare does not serve it, and is there for others", async () => {
  const t = await pool({ minSpares: 2 });
  const asked = t.ask(of("s1", "c0"));
  const other = t.ask();
  await t.clock.advance(500);
  expect([asked.claim?.source, other.claim?.source]).toEqual(["COLD_NO_SPARE", "SPARE"]);
});

test("the next turn gets the parked worker at once, also in a profile whose workers serve one turn only", async () => {
  const t = await pool({ reuse: false });
  const first = await runTurn(t, of("s1", "c0"), "c1");
  const asked = t.ask(of("s1", "c1"));
  await t.clock.settle();
  expect(asked.claim).toMatchObject({
    source: "REUSED",
    holds: { kind: "conversation", id: "c1" },
    turnCount: 1,
    queueWaitMs: 0,
  });
  expect(asked.claim?.worker.id).toBe(first.worker.id);
  expect(t.workers.map(({ resetCount }) => resetCount)).toEqual([0]);
});

test("nobody else gets it: neither another session nor a turn of the same conversation without one", async () => {
  const t = await pool();
  const { worker } = await runTurn(t, of("s1", "c0"), "c1");
  const others = [t.ask(of("s2", "c1")), t.ask({ conversation: "c1" }), t.ask({ tenant: "zeta", ...of("s1", "c1") })];
  await t.clock.advance(1_000);
  expect(others.map(({ claim }) => claim === undefined || claim.worker.id === worker.id)).toEqual([
    false,
    false,
    false,
  ]);
  expect(t.recycleReasons).toEqual([]);
});

test.each([
  ["another conversation than the worker holds", of("s1", "c7")],
  ["another model", of("s1", "c1", { model: "n" })],
])("a turn with %s has the worker ended and gets its own when that is gone", async (_, request) => {
  const t = await pool();
  await runTurn(t, of("s1", "c0"), "c1");
  const asked = t.ask(request);
  await t.clock.advance(19);
  expect([t.workers.length, t.recycleReasons]).toEqual([1, ["superseded"]]);
  await t.clock.advance(501);
  expect(asked.claim).toMatchObject({ source: "COLD_POOL_OFF", queueWaitMs: 520 });
});

test("a parked worker ends when its session stays away", async () => {
  const t = await pool();
  await runTurn(t, of("s1", "c0"), "c1");
  await t.clock.advance(parkedIdleMs - 20_000);
  expect(t.counts().boundIdle).toBe(1);
  await t.clock.advance(30_000);
  expect(t.recycleReasons).toEqual(["parked_too_long"]);
});

test("no more than so many are parked: the longest parked ends for another", async () => {
  const t = await pool({ maxParkedWorkers: 2 });
  const first = await runTurn(t, of("s1", "c0"), "c1");
  await runTurn(t, of("s2", "c0"), "c1");
  await runTurn(t, of("s3", "c0"), "c1");
  expect(t.recycleReasons).toEqual(["parked_surplus"]);
  await t.clock.advance(100);
  expect(t.workers.find(({ id }) => id === first.worker.id)?.exit).toBeDefined();
});

test.each<[string, Partial<PoolProfile>, string | undefined]>([
  ["its profile parks none", { parkedIdleMs: 0 }, "c1"],
  ["none may be parked", { maxParkedWorkers: 0 }, "c1"],
  ["it was given back without a conversation", {}, undefined],
])("a worker ends with its turn when %s", async (_, profile, conversation) => {
  const t = await pool(profile);
  await runTurn(t, of("s1", "c0"), conversation);
  expect(t.recycleReasons).toEqual(["not_parked"]);
});

test("a parked worker that is worn out, outdated or in the way of a drain is ended like any other", async () => {
  const worn = await pool({}, { pool: { maxTurnsPerWorker: 1 } });
  await runTurn(worn, of("s1", "c0"), "c1");
  const outdated = await pool();
  await runTurn(outdated, of("s1", "c0"), "c1");
  outdated.workers[0]!.outdated = true;
  outdated.pool.replaceOutdated();
  const drained = await pool();
  await runTurn(drained, of("s1", "c0"), "c1");
  void drained.pool.drain();
  expect([worn, outdated, drained].map((t) => t.recycleReasons)).toEqual([["max_turns"], ["outdated"], ["drained"]]);
});

test("a turn that needs a place gets a parked worker's, before one that waits warm for its tenant", async () => {
  const t = await pool({ maxWorkers: 2, reuse: true });
  await runTurn(t, { bindingKey: "b1" }, undefined);
  await t.clock.advance(1_000);
  const { worker } = await runTurn(t, of("s1", "c0"), "c1");
  const asked = t.ask({ tenant: "zeta" });
  await t.clock.advance(1_000);
  expect(asked.claim).toBeDefined();
  expect(t.recycleReasons).toEqual(["evicted"]);
  expect(t.workers.find(({ id }) => id === worker.id)?.exit).toBeDefined();
});

test("where one worker is all there may be, a session's turn gets the spare's place, and a spare its own again", async () => {
  const t = await pool({ maxWorkers: 1, minSpares: 1, maxParkedWorkers: 1 });
  expect(t.counts().spare).toBe(1);
  const asked = t.ask(of("s1", "c0"));
  await t.clock.advance(1_000);
  expect(asked.claim?.holds).toEqual({ kind: "conversation", id: "c0" });
  asked.claim!.release({ kind: "finished", conversation: "c1" });
  const other = t.ask();
  await t.clock.advance(1_000);
  expect(other.claim?.holds).toEqual({ kind: "nothing" });
  expect(t.recycleReasons).toEqual(["evicted", "evicted"]);
});

test("a turn without room waits for it, in the queue and within its time", async () => {
  const t = await pool({ maxWorkers: 1 }, { queue: { timeoutMs: 5_000 } });
  const asked = t.ask(of("s1", "c0"));
  await t.clock.advance(500);
  const running = asked.claim!;
  const [patient, late] = [t.ask(of("s2", "c0")), t.ask(of("s3", "c0"))];
  await t.clock.advance(3_000);
  expect([patient.isWaiting, t.profile().waitingCount]).toEqual([true, 2]);
  running.release({ kind: "finished", conversation: "c1" });
  await t.clock.advance(3_000);
  expect(patient.claim?.holds).toEqual({ kind: "conversation", id: "c0" });
  expect(late.reason).toBe("QUEUE_TIMEOUT");
});

test("starts for sessions count: no more at once than may start, nor than there is memory for", async () => {
  const t = await pool({ maxWorkers: 4 }, { pool: { maxStartingWorkers: 2 } });
  const asked = ["s1", "s2", "s3"].map((session) => t.ask(of(session, "c0")));
  await t.clock.advance(499);
  expect(t.counts().starting).toBe(2);
  await t.clock.advance(501);
  expect(asked.map(({ claim }) => claim !== undefined)).toEqual([true, true, true]);
  const small = await pool({ maxWorkers: 4 }, { pool: { memoryBudgetBytes: 200 * 1024 ** 2 } });
  const both = ["s1", "s2"].map((session) => small.ask(of(session, "c0")));
  await small.clock.advance(5_000);
  expect(both.map(({ claim }) => claim !== undefined)).toEqual([true, false]);
  // What is parked gives its memory to whoever waits.
  both[0]!.claim!.release({ kind: "finished", conversation: "c1" });
  await small.clock.advance(5_000);
  expect(both[1]!.claim).toBeDefined();
  expect(small.recycleReasons).toEqual(["evicted"]);
});

test("a turn whose own worker does not start fails with the reason, and those of others go on waiting", async () => {
  const t = await pool({ maxWorkers: 2 });
  t.startError = new RunnerError("WORKER_START_FAILED", "made up");
  t.startErrorAfterMs = 100;
  const own = t.ask(of("s1", "c0"));
  await t.clock.advance(50);
  const other = t.ask(of("s2", "c0"));
  await t.clock.advance(50);
  expect([own.reason, other.isWaiting]).toEqual(["WORKER_START_FAILED", true]);
  await t.clock.advance(50);
  expect(other.reason).toBe("WORKER_START_FAILED");
});

test("a turn whose own worker does not start is told whether there was a process of its session", async () => {
  const t = await pool();
  const credentialMissing = new RunnerError("WORKER_START_FAILED", "made up");
  t.startError = credentialMissing;
  const without = t.ask(of("s1", "c0"));
  await t.clock.settle();
  t.startError = undefined;
  const having = t.ask(of("s2", "c0"));
  await t.clock.advance(100);
  t.workers[0]!.die();
  await t.clock.settle();
  expect(without.error).toBe(credentialMissing);
  expect(having.error).toBeInstanceOf(ProcessStartError);
  expect(having.reason).toBe("WORKER_START_FAILED");
});

test("a session that cannot be resumed says nothing of starts: its turn is told, and nobody else is", async () => {
  const t = await pool({}, { pool: { startFailuresToBreak: 1 } });
  t.startError = new RunnerError("SESSION_SUSPENDED", "its transcript is missing");
  const own = t.ask(of("s1", "c0"));
  await t.clock.settle();
  expect(own.reason).toBe("SESSION_SUSPENDED");
  expect(t.profile().starts).toBe("normal");
  t.startError = undefined;
  const other = t.ask();
  await t.clock.advance(500);
  expect(other.claim).toBeDefined();
});

test("a worker whose turn was cancelled while it started is parked, and serves the session's next turn", async () => {
  const t = await pool();
  const abort = new AbortController();
  const cancelled = t.ask({ ...of("s1", "c0"), signal: abort.signal });
  await t.clock.advance(100);
  abort.abort(new RunnerError("CANCELLED", "gone"));
  await t.clock.advance(1_000);
  expect([cancelled.reason, t.workers.length]).toEqual(["CANCELLED", 1]);
  const next = t.ask(of("s1", "c0"));
  await t.clock.settle();
  expect(next.claim).toMatchObject({ queueWaitMs: 0, turnCount: 0, source: "REUSED" });
});

test("a full queue refuses a session's turn, but not one whose worker is parked", async () => {
  const t = await pool({}, { queue: { maxLength: 2 }, pool: { maxStartingWorkers: 1 } });
  await runTurn(t, of("s1", "c0"), "c1");
  const waiting = [t.ask(of("s2", "c0")), t.ask(of("s3", "c0"))];
  const [refused, parked] = [t.ask(of("s4", "c0")), t.ask(of("s1", "c1"))];
  await t.clock.settle();
  expect(waiting.map(({ isWaiting }) => isWaiting)).toEqual([true, true]);
  expect([refused.reason, parked.claim?.source]).toEqual(["QUEUE_FULL", "REUSED"]);
});

test("what is deleted is forgotten: parked workers end, kept text conversations are reset, others stay", async () => {
  const t = await pool({ reuse: true, keepConversationMs: 60_000 });
  await runTurn(t, of("s1", "c0"), "gone");
  await runTurn(t, of("s2", "c0"), "stays");
  await runTurn(t, {}, "gone too");
  const [own, other, text] = t.workers;
  let isForgotten = false;
  void Promise.all([
    t.pool.forget((held) => held === "gone"),
    t.pool.forget((held) => held === "gone too"),
    t.pool.forget((held) => held === "unknown"),
  ]).then(() => {
    isForgotten = true;
  });
  await t.clock.settle();
  expect(isForgotten).toBe(false);
  await t.clock.advance(20);
  expect(isForgotten).toBe(true);
  expect(t.recycleReasons).toEqual(["session_deleted"]);
  expect([own!.exit !== undefined, other!.exit, text!.resetCount]).toEqual([true, undefined, 1]);
});

test("what is deleted while its worker starts ends that as well", async () => {
  const t = await pool();
  const abort = new AbortController();
  t.ask({ ...of("s1", "c0"), signal: abort.signal });
  await t.clock.advance(100);
  abort.abort(new RunnerError("CANCELLED", "gone"));
  void t.pool.forget((held) => held === "c0");
  await t.clock.advance(1_000);
  expect(t.counts()).toMatchObject({ starting: 0, boundIdle: 0 });
});
