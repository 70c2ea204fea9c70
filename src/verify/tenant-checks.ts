/**
 * What the gathered bytes of two tenants say: whose words are where. Pure.
 *
 * Each check first looks for what has to be there. Where that is missing it could not have found anything, and says so
 * instead of passing.
 */
import { Outcome } from "../../gen/claude/runner/v1/result_pb.ts";
import type { Canaries, Canary } from "./canaries.ts";
import type { CaseOutcome } from "./case-outcome.ts";
import type { TenantTurn } from "./tenant-turns.ts";

/** What a tenant saw of one of its turns. */
export interface SeenTurn {
  readonly tenant: string;
  readonly turn: TenantTurn;
  /** All bytes that came to it: events, headers, trailers, the error with its details. */
  readonly text: string;
  readonly workerId: string;
  readonly wasReused: boolean;
  readonly outcome: Outcome;
  /** The message of the error that it ended with; empty without one. */
  readonly error: string;
}

/** Everything that came out of the server while the tenants asked. */
export interface Gathered {
  readonly canaries: Canaries;
  readonly turns: readonly SeenTurn[];
  readonly modelRequests: readonly { readonly headers: object; readonly bodyText: string }[];
  readonly logLines: readonly string[];
  readonly spans: string;
  /** What went to the collector, and what Prometheus would read. */
  readonly metrics: string;
  /** The files that the workers had while they were idle. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

interface Check {
  readonly group: string;
  readonly name: string;
  readonly look: (gathered: Gathered) => CaseOutcome;
}

const tenants = "Two tenants on one server";
const operators = "What operators see";

const checks: readonly Check[] = [
  { group: tenants, name: "each request to the model API has the words of one turn only", look: lookAtModelRequests },
  { group: tenants, name: "events, raw lines, headers and errors have no other turn's words", look: lookAtAnswers },
  { group: tenants, name: "no worker serves both", look: lookAtWorkers },
  { group: operators, name: "log lines have a turn's labels and none of its words", look: lookAtLog },
  { group: operators, name: "spans have no words of a turn, no token and no key", look: lookAtSpans },
  { group: operators, name: "metrics have no words of a turn, no token and no key", look: lookAtMetrics },
  { group: operators, name: "files of idle workers have no words of a turn, no token and no key", look: lookAtFiles },
];

/** For the table, before anything was run. */
export const tenantChecks: readonly Pick<Check, "group" | "name">[] = checks;

export function checkTenants(gathered: Gathered): Readonly<Record<string, CaseOutcome>> {
  const missing = whatIsMissing(gathered);
  return Object.fromEntries(checks.map(({ name, look }) => [name, missing ?? look(gathered)]));
}

/** Turns that did not go as planned, or workers that were not used again: then nothing could have crossed. */
function whatIsMissing({ turns }: Gathered): CaseOutcome | undefined {
  const odd = turns.find(({ turn, outcome }) => outcome !== turn.outcome);
  if (odd === undefined) return undefined;
  const { turn, outcome, error } = odd;
  const ended = `the turn "${turn.owner}" ended as ${nameOf(outcome)}, not as ${nameOf(turn.outcome)}`;
  return broken(error === "" ? ended : `${ended}: ${error}`);
}

function lookAtModelRequests({ canaries, modelRequests, turns }: Gathered): CaseOutcome {
  const seen = new Set<string>();
  for (const [index, { headers, bodyText }] of modelRequests.entries()) {
    const inBody = canaries.in(bodyText);
    const whose = new Set(inBody.map(({ owner }) => owner).filter((owner) => !isOfAll(owner)));
    const tenantsOf = new Set(inBody.map(({ owner }) => tenantOf(owner)));
    for (const { owner } of inBody) seen.add(owner);
    if (whose.size > 1 || tenantsOf.size > 1) return leak(`request ${index + 1}`, inBody);
    const wrong = inBody.filter(({ what }) => ["label", "token", "API key"].includes(what));
    if (wrong.length > 0) return leak(`request ${index + 1}`, wrong);
    const inHeaders = canaries.in(JSON.stringify(headers)).filter(({ what }) => what !== "API key");
    if (inHeaders.length > 0) return leak(`the headers of request ${index + 1}`, inHeaders);
  }
  const unheard = turns.find(({ turn }) => !seen.has(turn.owner));
  return unheard === undefined ? clean : broken(`the turn "${unheard.turn.owner}" did not reach the model API`);
}

function lookAtAnswers({ canaries, turns }: Gathered): CaseOutcome {
  for (const { tenant, turn, text } of turns) {
    const found = canaries.in(text);
    // The model API's words about a failure are not for callers, so that such an answer has none of the turn's.
    if (turn.outcome !== Outcome.UPSTREAM_ERROR && !found.some(({ owner }) => owner === turn.owner)) {
      return broken(`the turn "${turn.owner}" was answered without its own words`);
    }
    const foreign = found.filter(({ owner }) => owner !== turn.owner && owner !== `${tenant}/all`);
    if (foreign.length > 0) return leak(`what the turn "${turn.owner}" got`, foreign);
  }
  return clean;
}

function lookAtWorkers({ turns }: Gathered): CaseOutcome {
  const tenantOfWorker = new Map<string, string>();
  for (const { tenant, workerId } of turns) {
    const other = tenantOfWorker.get(workerId);
    if (other !== undefined && other !== tenant) {
      return { kind: "leak", what: `worker ${workerId} served ${other} and ${tenant}` };
    }
    if (workerId !== "") tenantOfWorker.set(workerId, tenant);
  }
  const perTenant = new Set(turns.filter(({ wasReused }) => wasReused).map(({ tenant }) => tenant));
  if (perTenant.size < 2) return { kind: "notApplicable", reason: "no worker was used again" };
  return clean;
}

function lookAtLog({ canaries, logLines, turns }: Gathered): CaseOutcome {
  let labelCount = 0;
  for (const line of logLines) {
    const found = canaries.in(line);
    // What the model API says about a failure is for the operator, without what it repeats of the turn.
    const words = found.filter(({ what }) => what !== "label" && what !== "error");
    if (words.length > 0) return leak(`the log line ${messageOf(line)}`, words);
    const labels = found.filter(({ what }) => what === "label");
    if (new Set(found.map(({ owner }) => owner)).size > 1) return leak(`the log line ${messageOf(line)}`, found);
    labelCount += labels.length;
  }
  // Labels are meant for the log: they show that the lines of all turns are here.
  return labelCount >= turns.length ? clean : broken(`the log has ${labelCount} of ${turns.length} turns`);
}

function lookAtSpans({ canaries, spans }: Gathered): CaseOutcome {
  const found = canaries.in(spans);
  if (found.length > 0) return leak("spans", found);
  return spans.includes("runner.turn") ? clean : broken("no spans were sent");
}

function lookAtMetrics({ canaries, metrics }: Gathered): CaseOutcome {
  const found = canaries.in(metrics);
  if (found.length > 0) return leak("metrics", found);
  const isThere = metrics.includes("runner.turns") && metrics.includes("runner_turns");
  return isThere ? clean : broken("no metrics were sent");
}

function lookAtFiles({ canaries, files }: Gathered): CaseOutcome {
  for (const { name, text } of files) {
    const found = canaries.in(text);
    if (found.length > 0) return leak(`the file ${name}`, found);
  }
  // The CLI keeps its state there: where that is missing, this is not where it writes.
  return files.some(({ name }) => name === ".claude.json") ? clean : broken("the workers have no files");
}

const clean: CaseOutcome = { kind: "clean" };

function broken(error: string): CaseOutcome {
  return { kind: "broken", error };
}

function nameOf(outcome: Outcome): string {
  return Object.entries(Outcome).find(([, value]) => value === outcome)?.[0] ?? String(outcome);
}

/** Says whose words were found, not the words. */
function leak(where: string, found: readonly Canary[]): CaseOutcome {
  const whose = found.map(({ owner, what }) => `${what} of "${owner}"`);
  return { kind: "leak", what: `in ${where}: ${[...new Set(whose)].join(", ")}` };
}

function tenantOf(owner: string): string {
  return owner.split("/", 1)[0] ?? owner;
}

/** A system prompt that all turns of a tenant have. */
function isOfAll(owner: string): boolean {
  return owner.endsWith("/all");
}

function messageOf(line: string): string {
  try {
    return JSON.stringify((JSON.parse(line) as { message?: unknown }).message);
  } catch {
    // A line that is no JSON has no message.
    return "(no JSON)";
  }
}
