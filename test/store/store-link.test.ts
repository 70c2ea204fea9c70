import { afterEach, describe, expect, it } from "vitest";
import { StoreLink } from "../../src/store/sqlite/store-link.ts";
import { defaultStoreLimits } from "../../src/store/store-limits.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { ending, newTurn } from "./samples.ts";

const links: StoreLink[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link.close();
});

async function openLink(clock = new FakeClock()) {
  const errors: string[] = [];
  const log = { ...silentLog, error: (_: object, message: string) => void errors.push(message) };
  const link = new StoreLink({ ownerId: "me", limits: defaultStoreLimits, file: undefined }, { clock, log });
  links.push(link);
  await link.open();
  const turn = { ...newTurn("acme"), requestId: undefined, parts: [], weight: 1 };
  await link.run("acceptTurn", turn);
  const append = (sequence: number, bytes: number) =>
    link.run(
      "appendEvents",
      { turnId: turn.id, epoch: 1, firstSequence: sequence, lastSequence: sequence },
      { pieces: [new Uint8Array(bytes)], urgency: "soon" },
    );
  const { result: _, session: __, ...rest } = ending();
  const none = { hasLastEvent: false, hasResult: false, session: undefined };
  const end = () => link.run("endTurn", { ...rest, ...none, turnId: turn.id, epoch: 1 });
  return { clock, link, turn, append, end, errors };
}

describe("the way to the thread of a store", () => {
  it("lets events wait for a moment, or for somebody who does not wait", async () => {
    const { clock, link, append, turn } = await openLink();
    const written: string[] = [];
    const first = append(1, 10).then(() => written.push("first"));
    await link.run("turn", { tenant: "acme", turnId: turn.id }).then(() => written.push("read"));
    expect(written).toEqual(["first", "read"]);
    const second = append(2, 10);
    expect(clock.pendingTimerCount).toBe(1);
    await clock.advance(30);
    await Promise.all([first, second]);
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("sends much at once without waiting", async () => {
    const { append, clock } = await openLink();
    await append(1, 300_000);
    expect(clock.now()).toBe(0);
  });

  it("refuses more events than memory should hold, and never an end", async () => {
    const { append, end, turn, link } = await openLink();
    const appends = await Promise.allSettled([
      ...Array.from({ length: 80 }, (_, at) => append(at + 1, 1024 * 1024)),
      end(),
    ]);
    const refused = appends.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(80 - 63);
    expect(refused[0]).toMatchObject({
      reason: { reason: "STORE_UNAVAILABLE", message: expect.stringMatching(/too slow/) },
    });
    expect((await link.run("turn", { tenant: "acme", turnId: turn.id })).output).toMatchObject({ state: "ended" });
    // What has been written makes room for more.
    const next = newTurn("acme");
    const accepted = await link.run("acceptTurn", { ...next, requestId: undefined, parts: [], weight: 1 });
    expect(accepted.output).toMatchObject({ kind: "accepted" });
  });

  it("says that something is wrong when the disk takes too long, and when it is all over", async () => {
    const { clock, link, turn } = await openLink();
    const read = link.run("turn", { tenant: "acme", turnId: turn.id });
    expect(link.problem).toBeUndefined();
    clock.jump(6_000);
    expect(link.problem).toMatch(/has not answered for 6000 ms/);
    await read;
    expect(link.problem).toBeUndefined();
    await link.kill();
    expect(link.problem).toMatch(/restart the server/);
    await expect(link.run("turn", { tenant: "acme", turnId: turn.id })).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
  });
});
