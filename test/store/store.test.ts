import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/store/open-store.ts";
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
      rmSync(folder, { recursive: true });
    },
  };
});
