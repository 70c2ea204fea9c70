import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { checkStore } from "../../src/store/sqlite/store-check.ts";
import { visitStore } from "../../src/store/sqlite/store-visit.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { storeContract } from "./contract.ts";

storeContract("memory", async (clock, limits) => {
  const { store } = await openStore({ kind: "memory", folder: undefined, clock, log: silentLog, limits });
  return { store, close: async () => store[Symbol.asyncDispose]() };
});

storeContract("sqlite", async (clock, limits) => {
  const folder = mkdtempSync(join(tmpdir(), "store-"));
  const { store } = await openStore({ kind: "sqlite", folder, clock, log: silentLog, limits });
  return {
    store,
    close: async () => {
      await store[Symbol.asyncDispose]();
      const visit = visitStore(folder);
      expect(checkStore(visit.sql)).toEqual([]);
      visit.close();
      rmSync(folder, { recursive: true });
    },
  };
});
