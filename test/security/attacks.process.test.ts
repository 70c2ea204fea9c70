/**
 * The negative tests against a running server. After each the server is asked whether it is well; `npm run security` runs
 * them and prints the table.
 */
import { afterAll, afterEach, beforeAll, describe, it } from "vitest";
import { testName } from "./attack.ts";
import { attackGroups } from "./attacks.ts";
import { Lab } from "./lab.ts";

describe("attacks", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.open();
  });
  afterAll(() => lab[Symbol.asyncDispose]());
  afterEach(() => lab.isWell());

  for (const { title, attacks } of attackGroups) {
    describe(title, () => {
      for (const attack of attacks) it(testName(attack), () => attack.run(lab));
    });
  }
});
