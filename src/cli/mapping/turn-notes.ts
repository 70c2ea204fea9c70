/**
 * What the mappers of a turn find out on the way that decides how it is judged. Read by anyone, written by its methods
 * only, which say what a second word about the same thing does to the first.
 *
 * Mappers do not return notes beside their events: nearly all lines are deltas, and each would make a list for nothing.
 */
import type { ResetFailure } from "../../worker-process.ts";
import type { JsonObject } from "../protocol/json-members.ts";

/** An error that the CLI reported as a message of its own. The last one of a turn explains its result. */
export interface ReportedFailure {
  /** The CLI's words and those of the model API. */
  readonly text: string;
  /** What is told in their place. */
  readonly sentence: string;
  readonly cliError: string;
  readonly httpStatus: number | undefined;
  readonly apiError: string;
  readonly apiErrorType: string;
  readonly apiErrorParams: JsonObject;
  readonly requestId: string;
  readonly stopReason: string;
  readonly refusalCategory: string;
  readonly refusalExplanation: string;
}

/** Why a process cannot be reset after this turn. */
export type Taint = Extract<
  ResetFailure,
  | "compacted"
  | "model_switched"
  | "background_tasks"
  | "conversation_reset"
  | "foreign_turn"
  | "second_result"
  | "stale_events"
  | "garbage"
  | "cost_unknown"
  | "idle_not_confirmed"
  | "unexpected_end"
>;

export class TurnNotes {
  #cliVersion = "";
  #model = "";
  #contentStreamed = false;
  #failure: ReportedFailure | undefined;
  #blockedByHook = false;
  #retryCount = 0;
  #refusalCategory = "";
  #refusalExplanation = "";
  #structuredInputJson = "";
  #taint: Taint | undefined;

  get cliVersion(): string {
    return this.#cliVersion;
  }

  /** The model that answered last; before the first answer, the one that `init` named. */
  get model(): string {
    return this.#model;
  }

  /** Whether text or a tool use of the model was passed on. */
  get contentStreamed(): boolean {
    return this.#contentStreamed;
  }

  get failure(): ReportedFailure | undefined {
    return this.#failure;
  }

  /** Whether a hook blocked the prompt. */
  get blockedByHook(): boolean {
    return this.#blockedByHook;
  }

  /** How many retries of model calls there were. */
  get retryCount(): number {
    return this.#retryCount;
  }

  get refusalCategory(): string {
    return this.#refusalCategory;
  }

  get refusalExplanation(): string {
    return this.#refusalExplanation;
  }

  /** The input of the last use of the tool for structured output, as the model wrote it; empty when it was not streamed. */
  get structuredInputJson(): string {
    return this.#structuredInputJson;
  }

  get taint(): Taint | undefined {
    return this.#taint;
  }

  /** The process cannot be reset after this turn. The first reason stands. */
  tainted(why: Taint | undefined): void {
    this.#taint ??= why;
  }

  initialised(cliVersion: string, model: string): void {
    this.#cliVersion = cliVersion;
    this.#model = model;
  }

  /** A model answers; one that is not named changes nothing. */
  answers(model: string): void {
    if (model !== "") this.#model = model;
  }

  /** Called for every delta of text. */
  passedOn(): void {
    this.#contentStreamed = true;
  }

  /** The last failure stands. */
  failed(failure: ReportedFailure): void {
    this.#failure = failure;
  }

  hookBlocked(): void {
    this.#blockedByHook = true;
  }

  retried(): void {
    this.#retryCount += 1;
  }

  /** The last refusal stands. */
  refused(category: string, explanation: string): void {
    this.#refusalCategory = category;
    this.#refusalExplanation = explanation;
  }

  /** What is said again of a refusal, as far as it says anything. */
  refusalExplained(category: string, explanation: string): void {
    if (category !== "") this.#refusalCategory = category;
    if (explanation !== "") this.#refusalExplanation = explanation;
  }

  /** The last use stands. */
  structuredInput(json: string): void {
    this.#structuredInputJson = json;
  }
}
