import { beforeEach, describe, expect, it } from "vitest";
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import { Canaries } from "../../src/verify/canaries.ts";
import type { Gathered, SeenTurn } from "../../src/verify/tenant-checks.ts";
import { checkTenants, tenantChecks } from "../../src/verify/tenant-checks.ts";

const [requests, answers, workers, log, spans, metrics, files] = tenantChecks.map(({ name }) => name) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];

/** A run in which two tenants had one turn each and nothing crossed, with places to let something cross. */
class Run {
  readonly canaries = new Canaries();
  readonly key = this.canaries.plant("server", "API key");
  readonly words = {
    first: this.canaries.plant("first/1 plain", "prompt"),
    second: this.canaries.plant("second/1 plain", "prompt"),
  };
  readonly labels = {
    first: this.canaries.plant("first/1 plain", "label"),
    second: this.canaries.plant("second/1 plain", "label"),
  };
  readonly turns = [this.#turn("first", "w1"), this.#turn("second", "w2")] as [SeenTurn, SeenTurn];
  modelRequests: Gathered["modelRequests"][number][] = Object.values(this.words).map((bodyText) => ({
    headers: { "x-api-key": this.key },
    bodyText,
  }));
  logLines = Object.values(this.labels).map((label) => JSON.stringify({ message: "turn ended", labels: { label } }));
  spans = "runner.turn";
  metrics = "runner.turns runner_turns";
  files = [{ name: ".claude.json", text: "{}" }];

  outcomeOf(check: string) {
    return checkTenants(this satisfies Gathered)[check];
  }

  #turn(tenant: "first" | "second", workerId: string): SeenTurn {
    const promptCanary = this.words[tenant];
    return {
      tenant,
      turn: {
        owner: `${tenant}/1 plain`,
        promptCanary,
        request: {},
        answer: () => "text",
        leavesAtFirstText: false,
        outcome: Outcome.COMPLETED,
      },
      text: `You said ${promptCanary}.`,
      workerId,
      wasReused: true,
      outcome: Outcome.COMPLETED,
      error: "",
    };
  }
}

describe("what two tenants leave", () => {
  let run: Run;
  beforeEach(() => {
    run = new Run();
  });

  it("is clean when everybody's words are where they belong", () => {
    for (const { name } of tenantChecks) expect(run.outcomeOf(name)).toEqual({ kind: "clean" });
  });

  it("leaks when a request has the words of two turns", () => {
    run.modelRequests.push({ headers: {}, bodyText: `${run.words.first} ${run.words.second}` });
    expect(run.outcomeOf(requests)).toMatchObject({ kind: "leak" });
  });

  it("leaks when a label or the key is in a request's body", () => {
    for (const text of [run.labels.first, run.key]) {
      run.modelRequests = [{ headers: {}, bodyText: `${run.words.first} ${text}` }];
      expect(run.outcomeOf(requests)).toMatchObject({ kind: "leak" });
    }
  });

  it("leaks when a tenant gets another's words, or a piece of them", () => {
    for (const text of [run.words.second, run.words.second.slice(0, -4), run.key]) {
      run.turns[0] = { ...run.turns[0], text: `${run.words.first} ${text}` };
      expect(run.outcomeOf(answers)).toMatchObject({ kind: "leak" });
    }
  });

  it("leaks when a worker serves both", () => {
    run.turns[1] = { ...run.turns[1], workerId: "w1" };
    expect(run.outcomeOf(workers)).toEqual({ kind: "leak", what: "worker w1 served first and second" });
  });

  it("leaks when a log line has words, or the labels of two turns", () => {
    for (const line of [run.words.first, run.key, `${run.labels.first} ${run.labels.second}`]) {
      run.logLines = [...run.logLines.slice(0, 2), line];
      expect(run.outcomeOf(log)).toMatchObject({ kind: "leak" });
    }
  });

  it("leaks when spans, metrics or files have words, and does not repeat them", () => {
    run.spans += run.labels.first;
    run.metrics += run.key;
    run.files.push({ name: "notes", text: run.words.first });
    for (const check of [spans, metrics, files]) {
      const outcome = run.outcomeOf(check);
      expect(outcome).toMatchObject({ kind: "leak" });
      expect(run.canaries.in(JSON.stringify(outcome))).toEqual([]);
    }
  });

  it("proves nothing when a turn went another way, or nothing was there to look at", () => {
    run.logLines = [];
    run.spans = "";
    run.metrics = "";
    run.files = [];
    run.modelRequests = [];
    for (const check of [requests, log, spans, metrics, files]) {
      expect(run.outcomeOf(check)).toMatchObject({ kind: "broken" });
    }
    run.turns[0] = { ...run.turns[0], outcome: Outcome.UPSTREAM_ERROR, error: "it failed" };
    expect(run.outcomeOf(workers)).toEqual({
      kind: "broken",
      error: 'the turn "first/1 plain" ended as UPSTREAM_ERROR, not as COMPLETED: it failed',
    });
  });
});
