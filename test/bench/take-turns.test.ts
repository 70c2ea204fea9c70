import { describe, expect, it } from "vitest";
import { seededRandom } from "../../bench/random.ts";
import { roundsOf, type Side, takeTurns } from "../../bench/take-turns.ts";

/** Sides whose samples count up; `done` has what happened, in order. */
function setUp(names: readonly string[]) {
  const done: string[] = [];
  const sides = names.map((name): Side => {
    let count = 0;
    return {
      name,
      begin: async () => done.push(`${name} begins`),
      sample: async () => {
        done.push(name);
        count += 1;
        return count;
      },
      end: async () => done.push(`${name} ends`),
    };
  });
  return { sides, done };
}

const options = { rounds: 2, samplesPerRound: 3, warmUpRounds: 1, signal: new AbortController().signal };

describe("sides that take turns", () => {
  it("have their samples by round, without those of the warm-up", async () => {
    const { sides } = setUp(["a", "b"]);
    const measured = await takeTurns(sides, { ...options, random: seededRandom(1) });
    for (const name of ["a", "b"]) {
      expect(roundsOf(measured, name)).toEqual([
        [4, 5, 6],
        [7, 8, 9],
      ]);
    }
    expect(() => roundsOf(measured, "c")).toThrow("nothing was measured of c");
  });

  it("have one sample each before any has its next, between the beginning and the end of the round", async () => {
    const { sides, done } = setUp(["a", "b", "c"]);
    await takeTurns(sides, { ...options, rounds: 1, warmUpRounds: 0, random: seededRandom(1) });
    expect(done.slice(0, 3)).toEqual(["a begins", "b begins", "c begins"]);
    for (let at = 3; at < 12; at += 3) expect(done.slice(at, at + 3).toSorted()).toEqual(["a", "b", "c"]);
    expect(done.slice(12)).toEqual(["a ends", "b ends", "c ends"]);
  });

  it("come in an order that the seed decides", async () => {
    const orderOf = async (seed: number) => {
      const { sides, done } = setUp(["a", "b", "c"]);
      await takeTurns(sides, { ...options, samplesPerRound: 10, random: seededRandom(seed) });
      return done.join();
    };
    expect(await orderOf(1)).toBe(await orderOf(1));
    expect(await orderOf(1)).not.toBe(await orderOf(2));
  });

  it("stop when the run is to end", async () => {
    const { sides, done } = setUp(["a", "b"]);
    const signal = AbortSignal.abort(new Error("it is over"));
    await expect(takeTurns(sides, { ...options, signal, random: seededRandom(1) })).rejects.toThrow("it is over");
    expect(done).not.toContain("a");
  });
});
