/**
 * Servers that are killed in the middle of their work, one after the other, on one store: what the callers of the last
 * one were told is compared with what the next one knows.
 *
 * For the bench (`bench/scenarios/crashes.ts`) and, with fewer kills, for `npm test`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { makeFakeCli } from "../../test/fakes/fake-cli.ts";
import { Audit } from "./crash-audit.ts";
import { callUntilKilled, clientsOf, Told } from "./crash-load.ts";
import { Rig } from "./crash-rig.ts";

export interface CrashOptions {
  /** A private folder, which is the caller's to remove. */
  readonly folder: string;
  readonly random: () => number;
  readonly killCount: number;
  readonly signal: AbortSignal;
  readonly progress?: (killCount: number) => void;
}

export interface CrashOutcome {
  readonly killCount: number;
  /** Of these, kills of servers that had not started yet. */
  readonly killedInStartCount: number;
  /** Turns that callers knew to be accepted. */
  readonly acceptedCount: number;
  readonly lostCount: number;
  readonly sessionTurnCount: number;
  /** Turns of sessions with tools that went on from their transcript after a kill. */
  readonly toolSessionTurnCount: number;
  /** Sessions with tools that were suspended after a kill, with a reason. */
  readonly suspendedCount: number;
  readonly requestCount: number;
  /** From the start of a server to where it serves, in milliseconds. */
  readonly startMs: readonly number[];
  /** Everything that was not as it must be, in words. */
  readonly problems: readonly string[];
}

const callerCount = 12;
/** A server is killed a moment after it has accepted so many turns. */
const mostTurns = 60;
const longestMomentMs = 300;
const loadTimeoutMs = 30_000;
const inStartShare = 0.1;
const checkEvery = 10;

export async function killAndRestart(options: CrashOptions): Promise<CrashOutcome> {
  const { folder, random, killCount, signal, progress } = options;
  await using fake = await makeFakeCli();
  const rig = await Rig.make(folder, fake.path);
  const audit = new Audit();
  let told: Told | undefined;
  let killedInStartCount = 0;
  for (let kill = 0; kill <= killCount; kill += 1) {
    signal.throwIfAborted();
    progress?.(kill);
    await using server = rig.serve();
    const sinceMs = performance.now();
    if (kill < killCount && random() < inStartShare) {
      killedInStartCount += 1;
      await sleep(800 * random(), undefined, { signal });
      await server.kill();
      continue;
    }
    const ports = await rig.portsOf(server, signal);
    audit.startMs.push(performance.now() - sinceMs);
    await audit.leftovers(server, rig);
    const clients = clientsOf(ports, rig.token);
    if (told !== undefined) await audit.whatWasTold(told, clients[0]);
    if (kill % checkEvery === 0 || kill === killCount) await audit.storeIsWhole(rig);
    if (kill === killCount) break;
    told = new Told();
    const killed = new AbortController();
    const load = callUntilKilled({ clients, random, callerCount, told, killed: killed.signal });
    await accepted(told, 1 + Math.floor(mostTurns * random()), signal);
    await sleep(longestMomentMs * random(), undefined, { signal });
    killed.abort();
    await server.kill();
    await load;
    audit.problems.push(...told.failures.map((why) => `a call failed before the server was killed: ${why}`));
  }
  audit.runs(await fake.record());
  return { killCount, killedInStartCount, ...audit.figures(), startMs: audit.startMs, problems: audit.problems };
}

/** Waits until callers know of so many turns. */
async function accepted(told: Told, count: number, signal: AbortSignal): Promise<void> {
  const giveUpAtMs = performance.now() + loadTimeoutMs;
  while (told.turns.size < count && performance.now() < giveUpAtMs) await sleep(10, undefined, { signal });
}
