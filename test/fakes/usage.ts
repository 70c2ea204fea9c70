/** Tokens, what they cost by the CLI's list, and how its messages write both down. */

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadInputTokens: number;
  readonly cacheCreationInputTokens: number;
}

export const noUsage: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
};

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadInputTokens: a.cacheReadInputTokens + b.cacheReadInputTokens,
    cacheCreationInputTokens: a.cacheCreationInputTokens + b.cacheCreationInputTokens,
  };
}

/** What `result` and `get_usage` say about the models of a ledger. */
export function usageByModel(usages: ReadonlyMap<string, Usage>): object {
  return Object.assign({}, ...[...usages].map(([model, usage]) => modelUsage(model, usage)));
}

/** A model's part of it, with the price that the CLI gives the tokens. */
function modelUsage(model: string, usage: Usage): Readonly<Record<string, object>> {
  return {
    [model]: {
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      cacheReadInputTokens: usage.cacheReadInputTokens,
      cacheCreationInputTokens: usage.cacheCreationInputTokens,
      webSearchRequests: 0,
      costUSD: costUsd(usage),
      contextWindow: 1_000_000,
      maxOutputTokens: 128_000,
      thinkingTokens: 0,
      cacheCreationEphemeral5mInputTokens: usage.cacheCreationInputTokens,
      cacheCreationEphemeral1hInputTokens: 0,
      canonicalModel: model,
      provider: "firstParty",
      costBasis: "list",
    },
  };
}

/** Dollars, at the list price of the default model. */
export function costUsd(usage: Usage): number {
  const perMillion =
    4 * usage.inputTokens +
    20 * usage.outputTokens +
    0.2 * usage.cacheReadInputTokens +
    5 * usage.cacheCreationInputTokens;
  return perMillion / 1_000_000;
}
