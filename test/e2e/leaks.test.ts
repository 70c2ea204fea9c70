/**
 * That nothing crosses from one turn of a worker to the next, on the pinned Claude Code; and that the suite which says so
 * finds out a reset that does not do what it says.
 */
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { CliLocator, type FoundCli } from "../../src/cli/program/locate.ts";
import { systemClock } from "../../src/clock.ts";
import { runProgram } from "../../src/commands/program.ts";
import type { Turn } from "../../src/turn.ts";
import { type CaseResult, isFailure } from "../../src/verify/case-outcome.ts";
import { type VerifyReport, verifyCli } from "../../src/verify/run.ts";
import type { ResetOutcome, WorkerProcess } from "../../src/worker-process.ts";
import { testTerminal } from "../commands/test-terminal.ts";
import { findRealCli } from "../standin/real-cli.ts";

const path = findRealCli();
/** Half a minute as a rule; a machine that is busy with other things gets its time. */
const wholeSuiteMs = 480_000;

describe.skipIf(path === undefined)("on the pinned Claude Code", () => {
  let cli: FoundCli;
  beforeAll(async () => {
    const located = await new CliLocator({ path, env: {}, clock: systemClock }).locate();
    if (located.kind !== "found") throw new Error(located.why);
    cli = located;
  });

  describe("the whole suite", () => {
    let report: VerifyReport;
    const named = (fits: (result: CaseResult) => boolean) =>
      report.results.filter(fits).map(({ group, name, outcome }) => ({ case: `${group}: ${name}`, outcome }));

    beforeAll(async () => {
      report = await verifyCli({ cli });
    }, wholeSuiteMs);

    it("finds no leak, and can carry out every case", () => {
      expect(named(({ outcome }) => isFailure(outcome))).toEqual([]);
      expect(report.hasPassed).toBe(true);
    });

    it("shows in every case the situation that it is about", () => {
      expect(named(({ outcome }) => outcome.kind === "notApplicable")).toEqual([]);
    });

    it("loses no worker that could be used again", () => {
      expect(named(({ outcome }) => outcome.kind === "ended" && !outcome.expected)).toEqual([]);
    });

    it("ends the worker whose conversation was summarised", () => {
      expect(named(({ name }) => name === "a conversation that Claude Code summarised")).toMatchObject([
        { outcome: { kind: "ended", expected: true, why: "compacted" } },
      ]);
    });

    it("covers all that it says, and names the seed of its walks", () => {
      expect(new Set(report.results.map(({ group }) => group))).toEqual(
        new Set([
          "Comparing",
          "Answers",
          "Turns that are broken off",
          "Failures of the model API",
          "Histories, commands, settings",
          "Conversations that are kept",
          "Conversations in other processes",
          "Answers that follow a schema",
          "Tools",
          "Random walks",
          "Two tenants on one server",
          "What operators see",
        ]),
      );
      const walks = named(({ group }) => group === "Random walks");
      expect(walks).toHaveLength(2);
      for (const walk of walks) expect(walk.case).toContain(`seed ${report.seed}`);
    });
  });

  describe("a reset that", () => {
    const outcomeWith = async (only: string, reset: (worker: WorkerProcess) => Promise<ResetOutcome>) => {
      const report = await verifyCli({ cli, only, wrapWorker: (worker) => withReset(worker, reset) });
      expect(report.results).toHaveLength(1);
      expect(report.hasPassed).toBe(false);
      return report.results[0]?.outcome;
    };
    const doesNothing = async (): Promise<ResetOutcome> => ({ clean: true });

    it("does nothing and says that it is done is a leak", async () => {
      expect(await outcomeWith("Answers: one turn", doesNothing)).toMatchObject({
        kind: "leak",
        difference: {
          where: expect.stringContaining("$.messages"),
          reused: expect.stringContaining("keep this in mind"),
        },
      });
    });

    it("leaves a summary behind is a leak", async () => {
      expect(await outcomeWith("a conversation that Claude Code summarised", doesNothing)).toMatchObject({
        kind: "leak",
      });
    });

    it("asks the model something on the way is a leak", async () => {
      const reset = async (worker: WorkerProcess): Promise<ResetOutcome> => {
        const running = worker.run({ ...chat, id: randomUUID() });
        await running.idle;
        return worker.reset();
      };
      expect(await outcomeWith("Answers: one turn", reset)).toMatchObject({ kind: "leak" });
    });

    it("refuses without need is no leak, and is told", async () => {
      const refuse = async (): Promise<ResetOutcome> => ({ clean: false, why: "reset_failed" });
      const report = await verifyCli({
        cli,
        only: "Answers: one turn",
        wrapWorker: (worker) => withReset(worker, refuse),
      });
      expect(report.hasPassed).toBe(true);
      expect(report.results[0]?.outcome).toEqual({ kind: "ended", expected: false, why: "reset_failed" });
    });
  });

  it("the command ends well for the reset that is used, and badly for /clear with its residue", async () => {
    const run = async (...args: readonly string[]) => {
      const terminal = testTerminal();
      const exitCode = await runProgram(["verify", "--cli", path!, "--only", "Answers: one turn", ...args], terminal);
      return { exitCode, ...terminal.written };
    };
    const good = await run("--json", "--seed", "7");
    expect(JSON.parse(good.stdout)).toMatchObject({
      seed: 7,
      hasPassed: true,
      failureCount: 0,
      counts: { identical: 1 },
    });
    expect(good).toMatchObject({ exitCode: 0, stderr: "" });

    const bad = await run("--clear");
    expect(bad.stdout).toMatch(/✗ one turn .* LEAK/);
    expect(bad.stdout).toContain("<local-command-caveat>");
    expect(bad.exitCode).toBe(1);
  });
});

it("doctor --deep says that there is nothing to prove where no Claude Code can be used", async () => {
  const terminal = testTerminal();
  const exitCode = await runProgram(["doctor", "--deep", "--json", "--cli-path", "/nonexistent/claude"], terminal);
  expect(JSON.parse(terminal.written.stdout)).toMatchObject({ verify: null });
  expect(terminal.written.stderr).toContain("cli.path");
  expect(exitCode).toBe(1);
});

const chat: Omit<Turn, "id"> = {
  tenant: "verify",
  profile: "plain",
  content: [{ kind: "text", text: "Are you still there?" }],
  history: [],
  binding: {},
  settings: { model: "", effort: "medium" },
  limits: { maxDurationMs: 30_000 },
  detail: "text",
  labels: {},
};

/** A worker with another reset. */
function withReset(worker: WorkerProcess, reset: (worker: WorkerProcess) => Promise<ResetOutcome>): WorkerProcess {
  return {
    id: worker.id,
    pid: worker.pid,
    startedAtMs: worker.startedAtMs,
    exited: worker.exited,
    ready: (signal) => worker.ready(signal),
    ping: (timeoutMs, signal) => worker.ping(timeoutMs, signal),
    bind: (binding, signal) => worker.bind(binding, signal),
    configure: (settings, signal) => worker.configure(settings, signal),
    seed: (history, signal) => worker.seed(history, signal),
    run: (turn) => worker.run(turn),
    reset: () => reset(worker),
    usage: () => worker.usage(),
    stop: () => worker.stop(),
  };
}
