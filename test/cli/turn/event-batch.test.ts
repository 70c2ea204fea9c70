import { describe, expect, it } from "vitest";
import { EventBatch } from "../../../src/cli/turn/event-batch.ts";
import type { TurnEvent } from "../../../src/turn-event.ts";

const event = (name: string): TurnEvent => ({ kind: "unknown", name, internal: true });
const namesOf = (events: readonly TurnEvent[]) => events.map((each) => (each.kind === "unknown" ? each.name : ""));

describe("the events of a turn on their way", () => {
  it("wait for init, which goes first", () => {
    const batch = new EventBatch();
    batch.next.push(event("early"));
    expect([batch.hasInit, batch.isEmpty]).toEqual([false, true]);
    expect(batch.take()).toEqual([]);
    batch.ready.push(event("init"));
    batch.begin();
    batch.next.push(event("late"));
    expect([batch.hasInit, batch.isEmpty]).toEqual([true, false]);
    expect(namesOf(batch.take())).toEqual(["init", "early", "late"]);
    expect(batch.isEmpty).toBe(true);
  });

  it("can be forgotten, before init and after it", () => {
    const batch = new EventBatch();
    batch.next.push(event("early"));
    batch.drop();
    batch.ready.push(event("init"));
    batch.begin();
    batch.next.push(event("late"));
    expect(namesOf(batch.take())).toEqual(["init", "late"]);
    batch.next.push(event("later"));
    batch.drop();
    expect(batch.take()).toEqual([]);
    expect(batch.hasInit).toBe(true);
  });
});
