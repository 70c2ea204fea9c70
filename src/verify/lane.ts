/**
 * Plays cases one after another on the same worker, and compares what the model API gets after each reset with what a
 * fresh worker sends. A worker that has ended, or is suspected, is followed by a fresh one.
 */
import type { CliCapabilities } from "../cli/program/capabilities.ts";
import type { Standin } from "../standin/standin-server.ts";
import type { Binding, Effort, HistoryMessage, ModelSettings } from "../turn.ts";
import type { WorkerProcess } from "../worker-process.ts";
import type { ResetCase } from "./case.ts";
import { type CaseOutcome, errorText, gravest, isFailure } from "./case-outcome.ts";
import { firstDifference, keepsConnections, type SentRequest } from "./compare.ts";
import { CrossedOver, Lease, nextIndex, requestsSince } from "./lease.ts";
import { answered, said } from "./said.ts";

export interface LaneOptions {
  readonly start: () => Promise<WorkerProcess>;
  /** Of this lane alone; closed with it. */
  readonly standin: Standin;
  readonly capabilities: CliCapabilities;
  readonly profile: string;
  readonly binding: Binding;
  readonly settings: ModelSettings;
  readonly workspace: string;
}

export const usualLeaseCount = 2;

/** What is asked on both sides of a comparison. The same on both, as the CLI puts a digest of it into its requests. */
interface Question {
  readonly prompt: string;
  readonly history: readonly HistoryMessage[];
  readonly effort?: Effort;
}

/** A first prompt by itself, and what else can come right after a reset. Leases take turns with them. */
const questions: readonly [Question, Question] = [
  { prompt: "What do you know of what was said before?", history: [] },
  {
    prompt: "And what was that?",
    history: [said("What is said first?"), answered("This is said first.")],
    effort: "high",
  },
];

export class Lane implements AsyncDisposable {
  readonly #options: LaneOptions;
  #worker: WorkerProcess | undefined;
  /** What a fresh worker sends for each question, once that was needed. */
  readonly #fresh = new Map<Question, readonly SentRequest[]>();
  #comparisonCount = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Whether two fresh workers send the same. If they do not, no comparison says anything. */
  compareFreshWorkers(): Promise<CaseOutcome> {
    return this.#guarded(async () => {
      const outcomes: CaseOutcome[] = [];
      for (const question of this.#questions()) {
        await this.#freshRequests(question);
        await this.#end();
        this.#worker = await this.#start();
        outcomes.push(await this.#compare(this.#worker, question, nextIndex(this.#options.standin)));
      }
      return gravest(outcomes);
    });
  }

  /** Plays a case as often as it says, on the same worker as long as that is allowed. */
  async play(resetCase: ResetCase, signal?: AbortSignal): Promise<CaseOutcome> {
    const outcomes: CaseOutcome[] = [];
    for (let lease = 0; lease < (resetCase.leaseCount ?? usualLeaseCount); lease++) {
      signal?.throwIfAborted();
      const outcome = await this.playOnce(resetCase, true);
      outcomes.push(outcome);
      if (isFailure(outcome) || outcome.kind === "notApplicable") break;
    }
    return gravest(outcomes);
  }

  /** One lease and its reset. Without a comparison the next lease follows at once. */
  playOnce(resetCase: ResetCase, isCompared: boolean): Promise<CaseOutcome> {
    const { needs } = resetCase;
    if (needs !== undefined && !this.#options.capabilities[needs]) {
      return Promise.resolve({
        kind: "notApplicable",
        reason: `this Claude Code lacks a capability that it needs: ${needs}`,
      });
    }
    return this.#guarded(async () => {
      const question = this.#nextQuestion();
      await this.#freshRequests(question);
      this.#worker ??= await this.#start();
      const worker = this.#worker;
      const lease = this.#lease(worker);
      await resetCase.play(lease);
      const deviation = lease.deviations.join("; ");
      // From here on nothing may be sent but what the question makes.
      const first = nextIndex(this.#options.standin);
      const reset = await worker.reset();
      if (!reset.clean) {
        await this.#end();
        if (deviation !== "") return { kind: "notApplicable", reason: `${deviation}; the worker was ended` };
        return { kind: "ended", expected: this.#mayEnd(resetCase), why: reset.why };
      }
      const isLookedAt = isCompared || resetCase.reset === "mustEnd";
      const compared: CaseOutcome = isLookedAt ? await this.#compare(worker, question, first) : { kind: "identical" };
      if (compared.kind !== "identical") return compared;
      if (deviation !== "") return { kind: "notApplicable", reason: deviation };
      if (resetCase.reset !== "mustEnd") return compared;
      await this.#end();
      return { kind: "notEnded" };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.#options.standin.close();
  }

  /** A CLI without a proven reset ends every worker, and is right to. */
  #mayEnd({ reset }: ResetCase): boolean {
    return reset !== "clean" || !this.#options.capabilities.rewind;
  }

  /** Runs a case's work. Whatever throws leaves no worker behind that something could be left on. */
  async #guarded(work: () => Promise<CaseOutcome>): Promise<CaseOutcome> {
    try {
      return await work();
    } catch (error) {
      await this.#end();
      if (error instanceof CrossedOver) return { kind: "leak", what: error.message };
      return { kind: "broken", error: errorText(error) };
    }
  }

  /** A CLI that takes no history is only asked the first one. */
  #questions(): readonly Question[] {
    return this.#options.capabilities.seeding ? questions : [questions[0]];
  }

  #nextQuestion(): Question {
    const asked = this.#questions();
    return asked[this.#comparisonCount++ % asked.length] ?? questions[0];
  }

  /** Asks a worker that was reset, and compares all that it sent since `first`. Then it is reset again, or ended. */
  async #compare(worker: WorkerProcess, question: Question, first: number): Promise<CaseOutcome> {
    const fresh = await this.#freshRequests(question);
    const { sent } = await this.#ask(worker, question, first);
    const difference = firstDifference(fresh, sent);
    if (difference !== undefined) {
      await this.#end();
      return { kind: "leak", what: "the next request is not a fresh worker's", difference };
    }
    const reset = await worker.reset();
    if (!reset.clean) {
      await this.#end();
      const expected = !this.#options.capabilities.rewind;
      return { kind: "ended", expected, why: `${reset.why}, after the comparison` };
    }
    if (keepsConnections(sent) || !keepsConnections(fresh)) return { kind: "identical" };
    // It is so for the rest of its life, and would be told again of every case after this one.
    await this.#end();
    return { kind: "identical", note: "it no longer keeps a connection open" };
  }

  /** What a worker sends that has never been asked anything. It is ended then. */
  async #freshRequests(question: Question): Promise<readonly SentRequest[]> {
    const known = this.#fresh.get(question);
    if (known !== undefined) return known;
    const worker = await this.#start();
    try {
      const { sent, deviations } = await this.#ask(worker, question, nextIndex(this.#options.standin));
      if (deviations.length > 0) throw new Error(`a fresh worker: ${deviations.join("; ")}`);
      this.#fresh.set(question, sent);
      return sent;
    } finally {
      await worker.stop();
    }
  }

  /** Everything that was sent since `first`, once the question is answered. How it ended is up to who asks. */
  async #ask(worker: WorkerProcess, { prompt, history, effort }: Question, first: number) {
    const { standin, settings } = this.#options;
    const lease = this.#lease(worker);
    if (history.length > 0) await lease.seed(history);
    await lease.turn({ prompt, settings: { ...settings, ...(effort && { effort }) } });
    // What was under way when a turn was cancelled may arrive only now: that turn's, and broken off by the CLI itself.
    const sent = requestsSince(standin, first).filter(({ aborted }) => !aborted);
    return { sent, deviations: lease.deviations };
  }

  #lease(worker: WorkerProcess): Lease {
    return new Lease({ ...this.#options, worker, startOther: () => this.#start() });
  }

  async #start(): Promise<WorkerProcess> {
    const worker = await this.#options.start();
    try {
      await worker.ready();
      await worker.bind(this.#options.binding);
      return worker;
    } catch (error) {
      await worker.stop();
      throw error;
    }
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.stop();
  }
}
