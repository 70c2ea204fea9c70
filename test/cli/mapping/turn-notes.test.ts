import { describe, expect, it } from "vitest";
import { TurnNotes } from "../../../src/cli/mapping/turn-notes.ts";

describe("the notes of a turn", () => {
  it("keep the first reason why a process cannot be reset", () => {
    const notes = new TurnNotes();
    notes.tainted(undefined);
    expect(notes.taint).toBeUndefined();
    notes.tainted("compacted");
    notes.tainted("stale_events");
    notes.tainted(undefined);
    expect(notes.taint).toBe("compacted");
  });

  it("know the model that answered last, and keep it when one does not say its name", () => {
    const notes = new TurnNotes();
    notes.initialised("2.1.329", "first");
    notes.answers("");
    expect([notes.cliVersion, notes.model]).toEqual(["2.1.329", "first"]);
    notes.answers("second");
    notes.answers("");
    expect(notes.model).toBe("second");
  });

  it("take a refusal as it is said last, and what explains it only as far as it says anything", () => {
    const notes = new TurnNotes();
    notes.refused("cyber", "why");
    notes.refusalExplained("", "");
    expect([notes.refusalCategory, notes.refusalExplanation]).toEqual(["cyber", "why"]);
    notes.refusalExplained("bio", "");
    expect([notes.refusalCategory, notes.refusalExplanation]).toEqual(["bio", "why"]);
    notes.refused("", "");
    expect([notes.refusalCategory, notes.refusalExplanation]).toEqual(["", ""]);
  });
});
