import { describe, expect, it } from "vitest";
import { parseLine } from "../../../src/cli/protocol/cli-messages.ts";
import { type Awaited, AwaitedParty } from "../../../src/cli/turn/awaited.ts";
import { maxModelSilenceMs, SilenceWatch } from "../../../src/cli/turn/silence-watch.ts";
import { FakeClock } from "../../fake-clock.ts";
import { linesOf } from "../captures.ts";

const bounds = { silenceTimeoutMs: 120_000, upstreamIdleTimeoutMs: 300_000, upstreamTimeoutMs: 60_000 };

/** A watch over a process that is played by the test: `answers` is whether it answers when it is asked. */
function watching({ awaited = "model" as Awaited, answers = true } = {}) {
  const clock = new FakeClock();
  const seen: string[] = [];
  const told = (what: string) => (silentMs: number) => seen.push(`${what} ${silentMs}`);
  const process = { awaited, answers, pings: 0 };
  const watch = new SilenceWatch({
    clock,
    bounds,
    awaited: () => process.awaited,
    ping: () => {
      process.pings += 1;
      return process.answers ? Promise.resolve() : Promise.reject(new Error("no answer"));
    },
    onRepeated: told("repeated"),
    onModelSilent: told("model silent"),
    onWorkerSilent: told("worker silent"),
  });
  return { watch, clock, seen, process };
}

describe("a silence in a turn", () => {
  it("of the model lasts as long as the settings allow, far beyond the silence of a worker", async () => {
    const { clock, seen, process } = watching();
    await clock.advance(669_999);
    expect(seen).toEqual(["repeated 301000", "repeated 601000"]);
    expect(process.pings).toBeGreaterThan(3);
    await clock.advance(1);
    expect(seen.at(-1)).toBe("model silent 670000");
    expect(maxModelSilenceMs(bounds)).toBe(670_000);
    expect(clock.pendingTimerCount).toBe(0);
  });

  it("of a worker that does not answer is the worker's, whoever is waited for", async () => {
    for (const awaited of ["model", "tool", "worker"] as const) {
      const { clock, seen } = watching({ awaited, answers: false });
      await clock.advance(119_999);
      expect(seen).toEqual([]);
      await clock.advance(1);
      expect(seen).toEqual(["worker silent 120000"]);
    }
  });

  it("of a worker that waits for nobody is the worker's, though it answers", async () => {
    const { clock, seen, process } = watching({ awaited: "worker" });
    await clock.advance(120_000);
    expect([seen, process.pings]).toEqual([["worker silent 120000"], 0]);
  });

  it("of a tool lasts as long as the worker answers", async () => {
    const { clock, seen, process } = watching({ awaited: "tool" });
    await clock.advance(3_600_000);
    expect(seen).toEqual([]);
    process.answers = false;
    await clock.advance(240_000);
    expect(seen).toHaveLength(1);
  });

  it("begins anew with everything that comes, and does not count while nobody reads", async () => {
    const { watch, clock, seen } = watching({ awaited: "worker" });
    await clock.advance(119_000);
    watch.heard();
    await clock.advance(119_000);
    watch.pause();
    await clock.advance(1_000_000);
    watch.resume();
    await clock.advance(119_999);
    expect(seen).toEqual([]);
    await clock.advance(1);
    expect(seen).toEqual(["worker silent 120000"]);
  });

  it("is nothing any more when the turn is over", async () => {
    const { watch, clock, seen } = watching({ answers: false });
    watch.stop();
    await clock.advance(1_000_000);
    expect([seen, clock.pendingTimerCount]).toEqual([[], 0]);
  });
});

describe("whom a turn waits for", () => {
  const partyAfter = (...messages: readonly object[]) => {
    const party = new AwaitedParty();
    for (const message of messages) party.see(parseLine(JSON.stringify(message))!);
    return party.party;
  };
  const stream = (event: object, more: object = {}) => ({
    type: "stream_event",
    event,
    parent_tool_use_id: null,
    ...more,
  });
  const requesting = { type: "system", subtype: "status", status: "requesting" };
  const stop = (reason: string) => stream({ type: "message_delta", delta: { stop_reason: reason } });

  it("is the model from the request to the end of the answer, and after a retry", () => {
    expect(partyAfter()).toBe("worker");
    expect(partyAfter(requesting)).toBe("model");
    expect(partyAfter(stream({ type: "message_start", message: {} }))).toBe("model");
    expect(partyAfter(requesting, stop("end_turn"))).toBe("worker");
    expect(partyAfter(requesting, stop("end_turn"), { type: "system", subtype: "api_retry" })).toBe("model");
    expect(partyAfter(stop("end_turn"), stream({ type: "message_stop" }, { abandoned_blocks: {} }))).toBe("model");
  });

  it("is a tool when the answer ends with one, streamed or whole, until the model is asked again", () => {
    expect(partyAfter(requesting, stop("tool_use"))).toBe("tool");
    const whole = { type: "assistant", message: { stop_reason: "tool_use", content: [] }, parent_tool_use_id: null };
    expect(partyAfter(requesting, whole)).toBe("tool");
    expect(partyAfter(requesting, whole, requesting)).toBe("model");
    expect(
      partyAfter(requesting, stop("tool_use"), {
        ...whole,
        message: { stop_reason: "end_turn" },
        parent_tool_use_id: "x",
      }),
    ).toBe("tool");
  });

  it("is nobody else at the end of a turn of the real CLI", () => {
    const party = new AwaitedParty();
    const seen = new Set<Awaited>();
    for (const line of linesOf("text-happy")) {
      const message = parseLine(line);
      if (message !== undefined) party.see(message);
      seen.add(party.party);
    }
    expect([...seen]).toEqual(["worker", "model"]);
    expect(party.party).toBe("worker");
  });
});
