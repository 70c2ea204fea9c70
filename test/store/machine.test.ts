import { describe, expect, it } from "vitest";
import { relation, thisMachine } from "../../src/store/sqlite/machine.ts";

const machine = (machineId: string, bootId: string) => ({ machineId, bootId, host: "h" });

describe("the machine of a server", () => {
  it("is the same in all its containers, whatever they say about its name", () => {
    expect(relation(machine("", "boot"), machine("m", "boot"))).toBe("same");
    expect(relation(thisMachine(), thisMachine())).toBe("same");
  });

  it("has nobody left of before it was started anew", () => {
    expect(relation(machine("m", "boot 1"), machine("m", "boot 2"))).toBe("rebooted");
    expect(relation(machine("", "boot 1"), machine("", "boot 2"))).toBe("rebooted");
  });

  it("knows nothing about another", () => {
    expect(relation(machine("m", "boot 1"), machine("n", "boot 2"))).toBe("other");
  });
});
