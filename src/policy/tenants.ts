/**
 * What the tokens say of tenants in comparison with each other: their weights, and which profiles several of them share.
 *
 * No I/O: the tokens come in through the constructor and `reload`.
 */

/** A token as the settings name it. */
export interface WeighedToken {
  readonly tenant: string;
  readonly profiles: readonly string[];
  readonly weight: number;
}

export class Tenants {
  /** The tenant that a profile belongs to, if it does. */
  readonly #ownerOf: (profile: string) => string | undefined;
  #tokens: readonly WeighedToken[] = [];
  #weights: ReadonlyMap<string, number> = new Map();
  /** By profile, once it was asked for. */
  readonly #areSeveral = new Map<string, boolean>();

  constructor(tokens: readonly WeighedToken[], ownerOf: (profile: string) => string | undefined) {
    this.#ownerOf = ownerOf;
    this.reload(tokens);
  }

  reload(tokens: readonly WeighedToken[]): void {
    this.#tokens = tokens;
    this.#areSeveral.clear();
    const weights = new Map<string, number>();
    for (const { tenant, weight } of tokens) weights.set(tenant, Math.max(weight, weights.get(tenant) ?? 0));
    this.#weights = weights;
  }

  /** The largest weight of the tenant's tokens; 1 for one without any. */
  weightOf(tenant: string): number {
    return this.#weights.get(tenant) ?? 1;
  }

  /** Whether more than one tenant may use the profile. */
  areSeveral(profile: string): boolean {
    let areSeveral = this.#areSeveral.get(profile);
    if (areSeveral === undefined) {
      const may = this.#tokens.filter(({ profiles }) => profiles.includes("*") || profiles.includes(profile));
      areSeveral = this.#ownerOf(profile) === undefined && new Set(may.map(({ tenant }) => tenant)).size > 1;
      this.#areSeveral.set(profile, areSeveral);
    }
    return areSeveral;
  }
}
