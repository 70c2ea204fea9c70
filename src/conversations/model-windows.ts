/**
 * How many tokens each model's context window has, as turns that ended have reported it.
 *
 * A conversation knows the window of its last turn's model only; a turn that asks for another model is guarded by that one's.
 */

/** Models that are remembered; the one that was reported least recently is forgotten. A server has a handful. */
const maxModels = 100;

export class ModelWindows {
  /** By the model's name as it is asked for. */
  readonly #tokens = new Map<string, number>();

  /** `undefined`: no turn with it has ended here. */
  of(model: string): number | undefined {
    return this.#tokens.get(model);
  }

  /** 0 tokens: not known. */
  learn(model: string, tokens: number): void {
    if (tokens <= 0) return;
    this.#tokens.delete(model);
    this.#tokens.set(model, tokens);
    if (this.#tokens.size > maxModels) this.#tokens.delete(this.#tokens.keys().next().value!);
  }
}
