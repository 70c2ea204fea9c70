/**
 * A claim as its turn has it: what it was given, and that it is given back once.
 */
import type { Claim, Release } from "./claim.ts";

type Given = Omit<Claim, "finishing" | "release" | typeof Symbol.dispose>;

export interface ClaimHooks {
  /** The turn is over, and the worker will be given back in a moment. */
  readonly finish: () => void;
  /** Called once at most. */
  readonly giveBack: (how: Release) => void;
}

export function givenClaim(given: Given, { finish, giveBack }: ClaimHooks): Claim {
  let isHeld = true;
  const release = (how: Release) => {
    if (!isHeld) return;
    isHeld = false;
    giveBack(how);
  };
  return {
    ...given,
    finishing() {
      if (isHeld) finish();
    },
    release,
    [Symbol.dispose]: () => release({ kind: "discard", why: "not_released" }),
  };
}
