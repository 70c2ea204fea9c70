/**
 * Asks the CLI what a running turn has cost, and says when that is too much. Only the CLI knows prices.
 *
 * Asked in mid-turn it answers with all calls that are complete, those of sub-agents included: the limit is passed by at
 * most the calls that are running then.
 */
import type { Log } from "../../telemetry/log.ts";
import { usdMicros } from "../mapping/cli-usage.ts";
import { isObject, type JsonObject, numberAt } from "../protocol/json-members.ts";

export interface CostSource {
  readonly log: Log;
  /** The cost of all turns before, in millionths of a US dollar. */
  readonly chargedUsdMicros: number;
  request(request: { readonly subtype: string }): Promise<JsonObject>;
}

export class CostWatch {
  readonly #source: CostSource;
  readonly #baseUsdMicros: number;
  readonly #limitUsdMicros: number;
  readonly #onReached: () => void;
  #isAsking = false;

  constructor(source: CostSource, limitUsdMicros: number, onReached: () => void) {
    this.#source = source;
    this.#baseUsdMicros = source.chargedUsdMicros;
    this.#limitUsdMicros = limitUsdMicros;
    this.#onReached = onReached;
  }

  /** Asks, unless an answer is due already. Does not reject. */
  async ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const { session } = await this.#source.request({ subtype: "get_usage" });
      const totalUsd = isObject(session) ? numberAt(session, "total_cost_usd") : undefined;
      // Counts that are text, from some gateways, make the CLI's sum no number for the rest of its life.
      if (totalUsd === undefined) throw new Error("Claude Code does not say what it has cost");
      if (usdMicros(totalUsd) - this.#baseUsdMicros >= this.#limitUsdMicros) this.#onReached();
    } catch (error) {
      // What cannot be watched must not be spent. When the turn is over this does nothing.
      this.#source.log.debug({ err: error }, "the cost of a running turn could not be asked for");
      this.#onReached();
    } finally {
      this.#isAsking = false;
    }
  }
}
