/**
 * Runs the suite against one Claude Code program: the cases lane by lane, random walks, and two tenants through the real
 * server. Offline: what is asked is a stand-in on loopback, and nothing of the user's is read.
 */

import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import type { CliCapabilities } from "../cli/program/capabilities.ts";
import type { FoundCli } from "../cli/program/locate.ts";
import { systemClock } from "../clock.ts";
import { type Log, silentLog } from "../telemetry/log.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { ResetCase } from "./case.ts";
import { type CaseOutcome, type CaseResult, errorText, isFailure } from "./case-outcome.ts";
import { caseGroups } from "./cases.ts";
import { type Lane, usualLeaseCount } from "./lane.ts";
import type { LaneName } from "./lanes.ts";
import { openRig, type Rig } from "./rig.ts";
import { playSessionCase, sessionCases } from "./session-cases.ts";
import { tenantChecks } from "./tenant-checks.ts";
import { verifyTenants } from "./two-tenants.ts";
import { walk } from "./walk.ts";

export interface VerifyOptions {
  readonly cli: FoundCli;
  /** Of the random walks. Default: a new one, which the report names. */
  readonly seed?: number | undefined;
  /** Only cases whose name or group contains this text, in any case of letters. */
  readonly only?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
  readonly log?: Log;
  /** Resets by `/clear`, to see what that leaves: it is not expected to pass. */
  readonly resetByClear?: boolean | undefined;
  /** Stands between the suite and each worker that it drives itself; to see that one that lies is found out. */
  readonly wrapWorker?: (worker: WorkerProcess) => WorkerProcess;
}

/** Told after each case, in the order in which they end. */
export interface Progress {
  readonly result: CaseResult;
  readonly doneCount: number;
  readonly totalCount: number;
}

export interface VerifyReport {
  readonly cli: Pick<FoundCli, "path" | "version" | "source">;
  readonly capabilities: CliCapabilities;
  readonly seed: number;
  /** In the order of the table. */
  readonly results: readonly CaseResult[];
  readonly durationMs: number;
  /** No leak, no end that was missing, nothing that could not be carried out. */
  readonly hasPassed: boolean;
}

const walks = [
  { lane: "plain", leaseCount: 30, what: "without tools" },
  { lane: "tools", leaseCount: 12, what: "with tools" },
] as const;

/** A row of the table that is still to be filled. */
interface Task {
  readonly group: string;
  readonly name: string;
  readonly leaseCount: number;
  readonly lane: LaneName | "sessions" | "tenants";
  readonly run: (lane: Lane) => Promise<CaseOutcome>;
}

/** The order in which lanes begin: those that mostly wait first. */
const laneOrder: readonly Task["lane"][] = ["waiting", "plain", "tools", "sessions", "tenants", "schema"];

/** Rejects when the program does not start, or with the signal's reason. Nothing is left running either way. */
export async function verifyCli(options: VerifyOptions): Promise<VerifyReport> {
  const startedAtMs = systemClock.now();
  const { cli, signal, seed = randomInt(2 ** 31), log = silentLog } = options;
  signal?.throwIfAborted();
  const { resetByClear, wrapWorker } = options;
  await using rig = await openRig({ cli, log, resetByClear, ...(wrapWorker && { wrapWorker }) });

  const tasks = allTasks(seed, signal).filter(({ name, group }) => isWanted(options.only, name, group));
  const results = new Map<Task, CaseResult>();
  const finish = (task: Task, outcome: CaseOutcome, durationMs: number): void => {
    const { group, name, leaseCount } = task;
    const result = { group, name, outcome, leaseCount, durationMs: Math.round(durationMs) };
    results.set(task, result);
    options.onProgress?.({ result, doneCount: results.size, totalCount: tasks.length });
  };

  const jobs = laneOrder.map((name) => ({ name, tasks: tasks.filter(({ lane }) => lane === name) }));
  await sideBySide(
    jobs.filter((job) => job.tasks.length > 0),
    // A lane has one process that works; a few wait most of the time.
    Math.max(2, Math.min(4, availableParallelism())),
    (job) => {
      if (job.name === "tenants") return runTenants(rig, options, job.tasks, finish);
      if (job.name === "sessions") return runSessions(rig, job.tasks, signal, finish);
      return runLane(rig, job.name, job.tasks, signal, finish);
    },
  );
  signal?.throwIfAborted();

  const inOrder = tasks.map((task) => results.get(task)).filter((result) => result !== undefined);
  return {
    cli: { path: cli.path, version: cli.version, source: cli.source },
    capabilities: rig.capabilities,
    seed,
    results: inOrder,
    durationMs: Math.round(systemClock.now() - startedAtMs),
    hasPassed: !inOrder.some(({ outcome }) => isFailure(outcome)),
  };
}

type Finish = (task: Task, outcome: CaseOutcome, durationMs: number) => void;

function allTasks(seed: number, signal: AbortSignal | undefined): Task[] {
  const fresh = (lane: LaneName, what: string): Task => ({
    group: "Comparing",
    name: `two fresh workers send the same${what}`,
    lane,
    leaseCount: 0,
    run: (opened) => opened.compareFreshWorkers(),
  });
  const cases = caseGroups.flatMap(({ name: group, cases }) =>
    cases.map(
      (one): Task => ({
        group,
        name: one.name,
        lane: one.lane,
        leaseCount: one.leaseCount ?? usualLeaseCount,
        run: (lane) => lane.play(one, signal),
      }),
    ),
  );
  const walked = walks.map(
    ({ lane, leaseCount, what }): Task => ({
      group: "Random walks",
      name: `${leaseCount} leases ${what} on one worker, seed ${seed}`,
      lane,
      leaseCount,
      run: (opened) => walk(opened, { cases: walkable(lane), leaseCount, seed, signal }),
    }),
  );
  const elsewhere =
    (lane: "sessions" | "tenants") =>
    ({ group, name }: { readonly group: string; readonly name: string }): Task => ({
      group,
      name,
      lane,
      leaseCount: 0,
      run: () => Promise.reject(new Error("bug: not on a lane")),
    });
  return [
    fresh("plain", ""),
    fresh("tools", ", with tools"),
    fresh("schema", ", with a schema"),
    ...cases,
    ...walked,
    ...sessionCases.map(elsewhere("sessions")),
    ...tenantChecks.map(elsewhere("tenants")),
  ];
}

function walkable(lane: LaneName): readonly ResetCase[] {
  return caseGroups
    .flatMap(({ cases }) => cases)
    .filter((one) => one.lane === lane && one.reset === "clean" && one.inWalk !== false);
}

function isWanted(only: string | undefined, name: string, group: string): boolean {
  return only === undefined || `${group}: ${name}`.toLowerCase().includes(only.toLowerCase());
}

async function runLane(
  rig: Rig,
  name: LaneName,
  tasks: readonly Task[],
  signal: AbortSignal | undefined,
  finish: Finish,
): Promise<void> {
  await using lane = await rig.openLane(name);
  for (const task of tasks) {
    if (signal?.aborted) return;
    const startedAtMs = systemClock.now();
    const outcome = await task.run(lane).catch(broken);
    // What a Ctrl-C broke off is no result.
    if (!signal?.aborted) finish(task, outcome, systemClock.now() - startedAtMs);
  }
}

async function runSessions(
  rig: Rig,
  tasks: readonly Task[],
  signal: AbortSignal | undefined,
  finish: Finish,
): Promise<void> {
  await using stage = await rig.openSessions();
  for (const task of tasks) {
    if (signal?.aborted) return;
    const startedAtMs = systemClock.now();
    const outcome = await playSessionCase(stage, task.name);
    if (!signal?.aborted) finish(task, outcome, systemClock.now() - startedAtMs);
  }
}

async function runTenants(
  { folder }: Rig,
  { cli, signal }: VerifyOptions,
  tasks: readonly Task[],
  finish: Finish,
): Promise<void> {
  const startedAtMs = systemClock.now();
  const all = (outcome: CaseOutcome) => Object.fromEntries(tenantChecks.map(({ name }) => [name, outcome]));
  const outcomes = await verifyTenants({ cli, folder, signal }).catch((error: unknown) => all(broken(error)));
  if (signal?.aborted) return;
  const durationMs = systemClock.now() - startedAtMs;
  for (const task of tasks) finish(task, outcomes[task.name] ?? broken("bug: no outcome"), durationMs);
}

function broken(error: unknown): Extract<CaseOutcome, { kind: "broken" }> {
  return { kind: "broken", error: errorText(error) };
}

/** Works on all of them, so many at a time. Rejects with the first failure once all have ended. */
async function sideBySide<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lines = Array.from({ length: Math.min(width, left.length) }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  });
  const ended = await Promise.allSettled(lines);
  for (const line of ended) if (line.status === "rejected") throw line.reason;
}
