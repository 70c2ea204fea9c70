/**
 * Tokens and cost of a turn, together and by model.
 */

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadInputTokens: number;
  readonly cacheCreationInputTokens: number;
  readonly thinkingTokens: number;
  readonly webSearchRequests: number;
}

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  thinkingTokens: 0,
  webSearchRequests: 0,
};

export interface ModelUsage {
  readonly model: string;
  readonly usage: Usage;
  readonly costUsdMicros: number;
  /** What the price is based on, in the CLI's words: `list`, `unknown`, … */
  readonly costBasis: string;
}
