/**
 * What each result is to be charged for: the CLI's accounts run on over the turns of a process, a turn is the difference.
 *
 * Books every result, also those of seeded messages and of turns that the CLI started itself: a result that is not
 * booked would be charged to the next turn. Leaves out prices; the CLI's own estimate is taken as it is.
 */
import { type ModelUsage, noUsage, type Usage } from "../../usage.ts";
import { addUsage, modelUsage, usdMicros } from "../mapping/cli-usage.ts";
import { amountAt, isObject, type JsonObject, numberAt, objectAt, toCount } from "../protocol/json-members.ts";

/** What one result is charged for. */
export interface Charge {
  readonly usage: Usage;
  readonly modelUsage: readonly ModelUsage[];
  readonly costUsdMicros: number;
  /** Whether a price in it is a guess. */
  readonly costIsEstimate: boolean;
  /** Time in requests to the model API, in milliseconds. */
  readonly apiMs: number;
}

export class Charges {
  /** The running account as of the last result, per model. */
  #account: JsonObject = {};
  #totalCostUsd = 0;
  #apiMs = 0;

  /** The cost of all turns that were booked, in millionths of a US dollar: the base line for asking in mid-turn. */
  get totalCostUsdMicros(): number {
    return usdMicros(this.#totalCostUsd);
  }

  /** What a process that resumed a session says it has cost before it has done anything: its accounts go on from there. */
  carriedOver(session: JsonObject): void {
    this.#account = objectAt(session, "model_usage");
    this.#totalCostUsd = amountAt(session, "total_cost_usd");
    this.#apiMs = amountAt(session, "total_api_duration_ms");
  }

  /** Books a result. */
  book(result: JsonObject): Charge {
    const account = objectAt(result, "modelUsage");
    const exact = result.model_usage_since_last_result;
    // Absent before 2.1.329.
    const delta = isObject(exact) ? exact : difference(account, this.#account);
    this.#account = account;
    this.#totalCostUsd = amountAt(result, "total_cost_usd");
    const apiMs = amountAt(result, "duration_api_ms");
    // It runs on as well; lower than before, it has begun anew.
    const turnApiMs = apiMs >= this.#apiMs ? apiMs - this.#apiMs : apiMs;
    this.#apiMs = apiMs;
    return charge(delta, turnApiMs);
  }

  /** The conversation was cleared: the CLI's accounts begin at zero again. */
  conversationReset(): void {
    this.#account = {};
    this.#totalCostUsd = 0;
  }
}

function charge(entries: JsonObject, apiMs: number): Charge {
  const models = Object.keys(entries)
    .map((model) => modelUsage(model, objectAt(entries, model)))
    .filter(isUsed);
  return {
    usage: models.reduce((sum, { usage }) => addUsage(sum, usage), noUsage),
    modelUsage: models,
    costUsdMicros: models.reduce((sum, { costUsdMicros }) => toCount(sum + costUsdMicros), 0),
    costIsEstimate: models.some(({ costBasis }) => costBasis === "unknown"),
    apiMs,
  };
}

function difference(now: JsonObject, before: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.keys(now).map((model) => {
      const [entry, past] = [objectAt(now, model), objectAt(before, model)];
      const members = Object.keys(entry).map((key) => {
        const value = entry[key];
        return [
          key,
          typeof value === "number" ? Math.max(0, value - (numberAt(past, key) ?? 0)) : (value ?? null),
        ] as const;
      });
      return [model, Object.fromEntries(members)];
    }),
  );
}

function isUsed({ usage, costUsdMicros }: ModelUsage): boolean {
  return costUsdMicros > 0 || Object.values(usage).some((count) => count > 0);
}
