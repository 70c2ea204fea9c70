/**
 * Has the sides of a comparison take turns within each round, sample by sample and in an order that the seed decides, so
 * that whatever disturbs the machine disturbs all of them.
 */
import type { Rounds } from "./stats.ts";

export interface Side {
  readonly name: string;
  /** Before the samples of each round; nothing of it is measured. */
  begin?(): Promise<unknown>;
  sample(): Promise<number>;
  /** Behind each sample, of this side or another: until the next one is undisturbed. */
  settle?(): Promise<unknown>;
  /** Behind the samples of each round. */
  end?(): Promise<unknown>;
}

export interface TakingTurns {
  readonly rounds: number;
  readonly samplesPerRound: number;
  /** Rounds before those that count. */
  readonly warmUpRounds: number;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** How much is done, from 0 to 1. */
  readonly progress?: (doneShare: number) => void;
}

/** The samples by the side's name, round by round. */
export type Measured = ReadonlyMap<string, Rounds>;

export async function takeTurns(sides: readonly Side[], options: TakingTurns): Promise<Measured> {
  const { rounds, samplesPerRound, warmUpRounds, random, signal, progress } = options;
  const measured = new Map<string, number[][]>(sides.map(({ name }) => [name, []]));
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    progress?.((round + warmUpRounds) / (rounds + warmUpRounds));
    for (const side of sides) {
      await side.begin?.();
      await side.settle?.();
    }
    const ofRound = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
    for (let at = 0; at < samplesPerRound; at += 1) {
      for (const side of shuffled(sides, random)) {
        signal.throwIfAborted();
        ofRound.get(side.name)!.push(await side.sample());
        await side.settle?.();
      }
    }
    for (const side of sides) await side.end?.();
    if (round < 0) continue;
    for (const [name, samples] of ofRound) measured.get(name)!.push(samples);
  }
  return measured;
}

/** The samples of one side. Throws for a side that was not there: a figure must not come from nothing. */
export function roundsOf(measured: Measured, name: string): Rounds {
  const rounds = measured.get(name);
  if (rounds === undefined) throw new Error(`bug: nothing was measured of ${name}`);
  return rounds;
}

export function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random() * left.length), 1));
  return order;
}
