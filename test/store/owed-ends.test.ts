import { describe, expect, it } from "vitest";
import { OwedEnds } from "../../src/store/sqlite/owed-ends.ts";
import { storeUnavailable } from "../../src/store/sqlite/sqlite-faults.ts";
import type { StoreLink } from "../../src/store/sqlite/store-link.ts";
import { LeaseLost } from "../../src/store/store.ts";
import { ending } from "./samples.ts";

const input = (turnId: string) => ({
  ...ending(),
  turnId,
  epoch: 1,
  hasLastEvent: false,
  hasResult: false,
  session: undefined,
});

/** A way to a store that answers each end as it is told. */
function owedTo(answer: (turnId: string) => Error | undefined) {
  const asked: string[] = [];
  const run = (async (_: string, { turnId }: { turnId: string }) => {
    asked.push(turnId);
    const error = answer(turnId);
    if (error !== undefined) throw error;
    return { output: undefined, pieces: [] };
  }) as unknown as StoreLink["run"];
  return { owed: new OwedEnds({ run }), asked };
}

describe("ends that could not be written", () => {
  it("are written when the store takes them again, each once", async () => {
    let isFull = true;
    const { owed, asked } = owedTo(() => (isFull ? storeUnavailable("full") : undefined));
    owed.add(input("a"), {});
    owed.add(input("b"), {});
    await owed.pay();
    expect(owed.count).toBe(2);
    isFull = false;
    await owed.pay();
    expect(owed.count).toBe(0);
    await owed.pay();
    expect(asked).toEqual(["a", "b", "a", "b"]);
  });

  it("are given up when somebody else has ended the turn", async () => {
    const { owed } = owedTo((turnId) => (turnId === "a" ? new LeaseLost("gone") : storeUnavailable("full")));
    owed.add(input("a"), {});
    owed.add(input("b"), {});
    await owed.pay();
    expect(owed.count).toBe(1);
  });
});
