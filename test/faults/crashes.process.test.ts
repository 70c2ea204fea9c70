/**
 * A twentieth of `npm run bench -- --only crashes`: servers on the fake CLI that are killed under load, one after the
 * other, on one store.
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { killAndRestart } from "../../bench/proofs/crashes.ts";
import { seededRandom } from "../../bench/random.ts";

const seed = Number(process.env.PROOF_SEED ?? 1);
const killCount = Number(process.env.PROOF_KILLS ?? 10);

let folder: string;
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

test(`a server that is killed ${killCount} times loses nothing that it has acknowledged (seed ${seed})`, async () => {
  // As the kernel names it: a worker is known by the folder that it works in.
  folder = await realpath(await mkdtemp(join(tmpdir(), "runner-crashes-")));
  const { problems, ...found } = await killAndRestart({
    folder,
    random: seededRandom(seed),
    killCount,
    signal: new AbortController().signal,
  });
  expect(problems).toEqual([]);
  expect(found.killCount).toBe(killCount);
  expect(found.lostCount).toBeGreaterThan(0);
  expect(found.sessionTurnCount).toBeGreaterThan(0);
  expect(found.toolSessionTurnCount).toBeGreaterThan(0);
  expect(found.requestCount).toBeGreaterThan(0);
}, 900_000);
