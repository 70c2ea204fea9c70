/**
 * A store that takes everything at once and remembers what it was told, for tests of what is above it. What a store does
 * is tested in test/store.
 */
import type { Acceptance, NewTurn, Store, TurnEnding, TurnLease } from "../../src/store/store.ts";

export class QuickStore {
  readonly accepted: NewTurn[] = [];
  readonly ends: { readonly lease: TurnLease; readonly ending: TurnEnding }[] = [];
  readonly raised: number[] = [];
  /** What an acceptance waits for, and may answer instead. */
  onAccept: (turn: NewTurn) => Promise<Acceptance | undefined> = async () => undefined;
  onEnd: (ending: TurnEnding) => Promise<void> = async () => {};

  /** As a whole store: what a test does not expect to be asked is not there. */
  get asStore(): Store {
    return this as unknown as Store;
  }

  async acceptTurn(turn: NewTurn): Promise<Acceptance> {
    const answer = await this.onAccept(turn);
    if (answer !== undefined) return answer;
    this.accepted.push(turn);
    return { kind: "accepted", epoch: 1, session: undefined };
  }

  async startTurn(): Promise<void> {}

  async raiseHighestSequence(_lease: TurnLease, highestSequence: number): Promise<void> {
    this.raised.push(highestSequence);
  }

  async endTurn(lease: TurnLease, ending: TurnEnding): Promise<void> {
    await this.onEnd(ending);
    this.ends.push({ lease, ending });
  }
}
