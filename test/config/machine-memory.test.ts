import { describe, expect, it } from "vitest";
import { defaultMemoryBudgetBytes, machineMemory, memoryWithin } from "../../src/config/machine-memory.ts";
import { settingsSchema } from "../../src/config/settings.ts";

const gibibytes = 1024 ** 3;

describe("the memory that workers may use by default", () => {
  it("is half of the container's limit, not of the machine that it runs on", () => {
    const memory = memoryWithin(64 * gibibytes, 2 * gibibytes);
    expect(memory).toEqual({ bytes: 2 * gibibytes, isContainerLimit: true });
    expect(defaultMemoryBudgetBytes(memory)).toBe(1 * gibibytes);
    expect(defaultMemoryBudgetBytes(memoryWithin(64 * gibibytes, 1 * gibibytes))).toBe(0.5 * gibibytes);
  });

  it("is half of the machine's where nothing limits it", () => {
    // Without a limit the system says nothing, or a number that no machine has.
    for (const limit of [0, 2 ** 63, 64 * gibibytes]) {
      expect(memoryWithin(64 * gibibytes, limit)).toEqual({ bytes: 64 * gibibytes, isContainerLimit: false });
    }
    expect(settingsSchema.parse({}).pool.memoryBudgetBytes).toBe(defaultMemoryBudgetBytes(machineMemory()));
  });

  it("is never less than what workers can be run in", () => {
    expect(defaultMemoryBudgetBytes(memoryWithin(64 * gibibytes, gibibytes / 8))).toBe(gibibytes / 4);
  });
});
