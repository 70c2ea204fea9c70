/**
 * Requests that are submitted again and again under their id, at once and later, by StreamChat and Chat, some of whose
 * callers go: each must run once, and every caller must get what came of it.
 *
 * For the bench (`bench/scenarios/duplicates.ts`), over real clients and processes, and for `npm test`, over neither.
 */
import { setTimeout as sleep } from "node:timers/promises";

export interface Submit {
  readonly method: "StreamChat" | "Chat";
  readonly requestId: string;
  readonly prompt: string;
  /** Whether the turn goes on when the call that began it goes. */
  readonly goesOn: boolean;
  /** Aborts when this caller goes. */
  readonly signal: AbortSignal;
}

/** What a caller got. */
export type Answer =
  /** `text`: absent where the method does not say all of it. */
  | {
      readonly kind: "result";
      readonly turnId: string;
      readonly outcome: string;
      readonly costUsdMicros: bigint;
      readonly text?: string;
    }
  /** It failed, and nothing was said about a turn that ran. */
  | { readonly kind: "refused"; readonly reason: string };

export interface DuplicatesOptions {
  readonly random: () => number;
  readonly submitCount: number;
  /** Requests that are submitted at the same time. */
  readonly requestsAtOnce: number;
  /** How long after its first submit a request is submitted for the last time, in milliseconds, at most. */
  readonly spreadMs: number;
  /** Never rejects. */
  readonly submit: (submit: Submit) => Promise<Answer>;
  readonly signal: AbortSignal;
  readonly progress?: (submitCount: number) => void;
}

export interface DuplicatesOutcome {
  readonly submitCount: number;
  readonly requestCount: number;
  /** Callers that went. */
  readonly goneCount: number;
  /** How the submits ended. */
  readonly ends: ReadonlyMap<string, number>;
  /** Prompts of requests of which a caller got a result: these must have run. */
  readonly resultPrompts: readonly string[];
  readonly prompts: readonly string[];
  readonly problems: readonly string[];
}

const mostPerRequest = 32;
const goneShare = 0.15;

export async function raceDuplicates(options: DuplicatesOptions): Promise<DuplicatesOutcome> {
  const race = new Race(options);
  await Promise.all(
    Array.from({ length: options.requestsAtOnce }, async () => {
      while (race.isGoingOn) await race.one();
    }),
  );
  return race.outcome();
}

/** What is wrong with how often each prompt ran; `runs` is by the account of who ran it. */
export function runProblems(outcome: DuplicatesOutcome, runs: ReadonlyMap<string, number>): readonly string[] {
  const withResult = new Set(outcome.resultPrompts);
  return outcome.prompts.flatMap((prompt) => {
    const count = runs.get(prompt) ?? 0;
    if (count > 1) return [`"${prompt}" ran ${count} times`];
    return count === 0 && withResult.has(prompt) ? [`"${prompt}" has a result and never ran`] : [];
  });
}

class Race {
  readonly #options: DuplicatesOptions;
  readonly #ends = new Map<string, number>();
  readonly #prompts: string[] = [];
  readonly #resultPrompts: string[] = [];
  readonly #problems: string[] = [];
  #submitCount = 0;
  #goneCount = 0;

  constructor(options: DuplicatesOptions) {
    this.#options = options;
  }

  get isGoingOn(): boolean {
    return this.#submitCount < this.#options.submitCount && !this.#options.signal.aborted;
  }

  /** One request, from its first submit to one that comes when everything is over. */
  async one(): Promise<void> {
    const { random, spreadMs } = this.#options;
    const number = this.#prompts.length;
    const [requestId, prompt] = [`request-${number}`, `prompt ${number}.`];
    this.#prompts.push(prompt);
    const goesOn = random() < 0.5;
    const of = { requestId, prompt, goesOn };
    const count = 2 + Math.floor((mostPerRequest - 2) * random());
    const early = Array.from({ length: count - 1 }, async () => {
      // Most of them at the very same time.
      if (random() < 0.3) await sleep(spreadMs * random());
      return this.#submit(of, random() < goneShare ? spreadMs * random() : undefined);
    });
    const answers = await Promise.all(early);
    answers.push(await this.#submit(of, undefined));
    this.#compare(of, answers);
    this.#options.progress?.(this.#submitCount);
  }

  async #submit(
    of: { readonly requestId: string; readonly prompt: string; readonly goesOn: boolean },
    goesAfterMs: number | undefined,
  ): Promise<{ readonly answer: Answer; readonly isGone: boolean }> {
    const { random, submit } = this.#options;
    const method = random() < 0.5 ? "StreamChat" : "Chat";
    const leave = new AbortController();
    const timer = goesAfterMs === undefined ? undefined : setTimeout(() => leave.abort(), goesAfterMs);
    this.#submitCount += 1;
    const answer = await submit({ ...of, method, signal: leave.signal });
    clearTimeout(timer);
    const end = answer.kind === "result" ? answer.outcome : answer.reason;
    this.#ends.set(end, (this.#ends.get(end) ?? 0) + 1);
    if (leave.signal.aborted) this.#goneCount += 1;
    return { answer, isGone: leave.signal.aborted };
  }

  #compare(
    { requestId, prompt, goesOn }: { readonly requestId: string; readonly prompt: string; readonly goesOn: boolean },
    answers: readonly { readonly answer: Answer; readonly isGone: boolean }[],
  ): void {
    const results = answers.flatMap(({ answer }) => (answer.kind === "result" ? [answer] : []));
    const [first] = results;
    if (first !== undefined) this.#resultPrompts.push(prompt);
    const mayEndEarly = !goesOn && answers.some(({ isGone }) => isGone);
    for (const { turnId, outcome, costUsdMicros } of results) {
      if (first === undefined) break;
      if (turnId === first.turnId && outcome === first.outcome && costUsdMicros === first.costUsdMicros) continue;
      this.#problems.push(
        `${requestId} is ${outcome} of ${turnId} to one caller and ${first.outcome} of ${first.turnId}`,
      );
    }
    const texts = new Set(results.flatMap(({ text }) => (text === undefined ? [] : [text])));
    if (texts.size > 1) this.#problems.push(`${requestId} has ${texts.size} answers`);
    if (!mayEndEarly && first?.outcome !== "COMPLETED") this.#problems.push(`${requestId} was not completed`);
    for (const { answer, isGone } of answers) {
      if (answer.kind === "result" || isGone) continue;
      // The turn of a caller that went before it had begun: whoever waited for it hears so, and may ask again.
      if (mayEndEarly && answer.reason === "CANCELLED") continue;
      this.#problems.push(`${requestId} was ${answer.reason} to a caller that stayed`);
    }
  }

  outcome(): DuplicatesOutcome {
    return {
      submitCount: this.#submitCount,
      requestCount: this.#prompts.length,
      goneCount: this.#goneCount,
      ends: this.#ends,
      resultPrompts: this.#resultPrompts,
      prompts: this.#prompts,
      problems: this.#problems,
    };
  }
}
