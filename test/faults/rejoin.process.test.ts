/**
 * A twentieth of `npm run bench -- --only rejoin`, on the fake CLI: attached streams that are cut at random.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { readerKinds } from "../../bench/proofs/attach-readers.ts";
import { cutAndRejoin } from "../../bench/proofs/rejoin.ts";
import { seededRandom } from "../../bench/random.ts";
import { tenants } from "../e2e/scene.ts";
import { type FakeScene, openFakeScene } from "./fake-scene.ts";

const seed = Number(process.env.PROOF_SEED ?? 1);
const cutCount = Number(process.env.PROOF_CUTS ?? 500);

let scene: FakeScene;
let folder: string;
afterEach(async () => {
  await scene?.close();
  await rm(folder, { recursive: true, force: true });
});

test(`streams that are cut ${cutCount} times are read on without a lost or doubled event (seed ${seed})`, async () => {
  folder = await mkdtemp(join(tmpdir(), "runner-rejoin-"));
  scene = await openFakeScene({
    store: { kind: "sqlite", folder: join(folder, "store"), maxMemoryEventBytes: 2 ** 20 },
    calls: { maxTurnReadersPerTenant: 1_000 },
  });
  const { cuts, turnCount, eventCount, failures, ...found } = await cutAndRejoin({
    target: { ...scene.target, token: tenants.acme },
    random: seededRandom(seed),
    cutCount,
    turnsAtOnce: 2,
    readersPerKind: 3,
    lateReaders: 2,
    // So large that turns of a moment ago are in the store alone.
    prompt: (random) =>
      `[[fake answer {"flood":{"deltas":${Math.floor(100 + 200 * random())},"chars":1500},"perSecond":200}]]`,
    signal: new AbortController().signal,
  });
  expect(failures).toEqual([]);
  const { lostCount, doubledCount, disorderedCount, differentCount, gapCount } = found;
  expect({ lostCount, doubledCount, disorderedCount, differentCount, gapCount }).toEqual({
    lostCount: 0,
    doubledCount: 0,
    disorderedCount: 0,
    differentCount: 0,
    gapCount: 0,
  });
  expect([...cuts.keys()].toSorted()).toEqual(readerKinds.map(({ name }) => name).toSorted());
  expect([...cuts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(cutCount);
  expect(found.brokenWireCount).toBeGreaterThan(0);
  expect(turnCount).toBeGreaterThan(0);
  expect(eventCount).toBeGreaterThan(cutCount);
}, 600_000);
