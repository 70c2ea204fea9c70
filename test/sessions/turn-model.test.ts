/**
 * Turns, sessions, their readers and their store against a simple model of them, in whatever order things happen.
 *
 *     PROOF_SEED=4711 PROOF_RUNS=2000 npx vitest run --project unit test/sessions/turn-model.test.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { Model, steps } from "./turn-model.ts";
import { TurnWorld, type WorldParts } from "./turn-world.ts";

const seed = Number(process.env.PROOF_SEED ?? 1);
const runs = Number(process.env.PROOF_RUNS ?? 40);
const timeoutMs = 120_000 + runs * 3_000;

/** Goes through the steps, and to the end of whatever is open then. */
async function go(parts: WorldParts, all: Iterable<fc.AsyncCommand<Model, TurnWorld>>): Promise<void> {
  const model = new Model();
  const real = new TurnWorld(parts);
  await fc.asyncModelRun(() => ({ model, real }), all);
  await real.conclude(model);
}

const inMemory = async () => {
  const clock = new FakeClock();
  const { store } = await openStore({ kind: "memory", folder: undefined, clock, log: silentLog });
  let tenants = 0;
  const property = fc.asyncProperty(steps({ withRestarts: false }), async (all) => {
    tenants += 1;
    await go({ clock, store, tenant: `tenant-${tenants}` }, all);
  });
  try {
    await fc.assert(property, { seed, numRuns: runs });
  } finally {
    await store[Symbol.asyncDispose]();
  }
};

const inFiles = async () => {
  const property = fc.asyncProperty(steps({ withRestarts: true }), async (all) => {
    const clock = new FakeClock();
    const folder = mkdtempSync(join(tmpdir(), "turn-model-"));
    const open = () => openStore({ kind: "sqlite", folder: join(folder, "store"), clock, log: silentLog });
    let opened = await open();
    const reopen = async () => {
      await opened.store[Symbol.asyncDispose]();
      opened = await open();
      return opened.store;
    };
    try {
      await go({ clock, store: opened.store, tenant: "acme", reopen }, all);
    } finally {
      await opened.store[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    }
  });
  await fc.assert(property, { seed, numRuns: Math.ceil(runs / 10) });
};

test(`turns do what a simple model of them does (seed ${seed}, ${runs} runs)`, inMemory, timeoutMs);
test(`so they do when servers die and others go on with the store (seed ${seed})`, inFiles, timeoutMs);
