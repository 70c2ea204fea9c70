/**
 * A process that has a store open and writes to it until it is killed, for tests of what is left then. Says on stdout
 * what the store has acknowledged, a line of JSON each.
 *
 * Its arguments are the folder of the store and what it does: `turns` (many at once, in sessions and without), `hold` (one
 * open turn in a session), `fill` (words until the disk is full, then ends, then again once there is room).
 */
import { rmSync, writeSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import { isRunnerError } from "../../src/runner-error.ts";
import { openStore } from "../../src/store/open-store.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { accept, answered, eventRun, inSession, newTurn, text } from "./samples.ts";

const [folder, what, ballast] = process.argv.slice(2) as [string, string, string | undefined];
const say = (line: object) => writeSync(1, `${JSON.stringify(line)}\n`);

const { store } = await openStore({ kind: "sqlite", folder, clock: systemClock, log: silentLog });
// The clock's timers keep no process.
process.stdin.resume();
say({ opened: store.ownerId });

if (what === "hold") {
  const lease = await accept(store, newTurn("acme", { session: inSession("held"), highestSequence: 64 }));
  await store.startTurn(lease);
  say({ accepted: lease.turnId });
}

if (what === "turns") {
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      for (let round = 0; ; round += 1) {
        const isInSession = lane % 2 === 0;
        const lease = await accept(
          store,
          newTurn("acme", {
            onDisconnect: "continue",
            ...(isInSession && { session: inSession(`lane-${lane}`), content: [text("prompt", `round ${round}`)] }),
          }),
        );
        say({ accepted: lease.turnId });
        await store.startTurn(lease);
        await store.raiseHighestSequence(lease, 20);
        await store.appendEvents(lease, eventRun(1, 10));
        say({ stored: lease.turnId, lastSequence: 10 });
        await store.endTurn(lease, { ...answered(`round ${round}`), lastSequence: 12 });
        say({ ended: lease.turnId });
      }
    }),
  );
}

if (what === "fill") {
  const reasonOf = (error: unknown) => (isRunnerError(error) ? error.reason : String(error));
  const running = await accept(store, newTurn("acme", { session: inSession("running") }));
  for (let at = 0; ; at += 1) {
    try {
      const content = [text("prompt", "x".repeat(300_000))];
      const lease = await accept(store, newTurn("acme", { session: inSession(`s${at}`), content }));
      await store.endTurn(lease, answered("y"));
    } catch (error) {
      say({ full: reasonOf(error), count: at, health: store.health() });
      break;
    }
  }
  // The reserve is for this.
  await store.endTurn(running, answered("the end")).then(
    () => say({ ended: running.turnId }),
    (error: unknown) => say({ failed: reasonOf(error) }),
  );
  say({ again: await store.acceptTurn(newTurn("acme")).catch(reasonOf), health: store.health() });
  rmSync(ballast as string);
  for (;;) {
    await new Promise((resolve) => systemClock.after(200, () => resolve(undefined)));
    if (store.health().takesTurns) break;
  }
  say({ recovered: (await store.acceptTurn(newTurn("acme"))).kind });
  await store[Symbol.asyncDispose]();
  process.exit(0);
}
