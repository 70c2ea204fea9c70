/**
 * What cannot be a system prompt: what the model API does not take, and words that Claude Code reads for itself.
 *
 * Measured: a prompt that is nothing but the marker is left out, and one that begins with the billing line stands in the
 * place of Claude Code's own line, which says to the operator's account who asked. Neither means anything elsewhere.
 */

const marker = "__SYSTEM_PROMPT_DYNAMIC_BOUNDARY__";
const billingLine = "x-anthropic-billing-header:";

export interface SystemPromptRules {
  readonly systemPrompt: string;
  /** What a caller's own does: takes its place, comes after it, or nothing. */
  readonly systemPromptPolicy: "replace" | "append" | "fixed";
}

/** The system prompt of a turn whose caller, or session, asks for its own. */
export function systemPromptOf(
  { systemPrompt, systemPromptPolicy }: SystemPromptRules,
  asked: string | undefined,
): string {
  if (asked === undefined || systemPromptPolicy === "fixed") return systemPrompt;
  return systemPromptPolicy === "append" ? `${systemPrompt}\n\n${asked}` : asked;
}

/** What is wrong with a system prompt, in words; `undefined` when nothing is. */
export function systemPromptProblem(text: string): string | undefined {
  if (text.trim() === "") return "must not be only white space";
  if (text.trim() === marker) return `must not be only ${marker}: Claude Code would leave it out`;
  if (text.trimStart().toLowerCase().startsWith(billingLine)) {
    return `must not begin with ${billingLine}: Claude Code would mistake it for its own billing line`;
  }
  return undefined;
}
