import { expect, test } from "vitest";
import { isNameOf, keptNames, type SessionTurn } from "../../src/conversations/kept-names.ts";

const settings = { model: "m", effort: "medium" } as const;

function names(id: string, lastTurnId?: string, more: Partial<SessionTurn> = {}) {
  return keptNames({ sessionId: "s", lastTurnId, turn: { id, settings }, ...more });
}

test("a turn asks for what the last turn of its session left", () => {
  expect(names("t2", "t1").before).toBe(names("t1").after);
  expect(names("t3", "t2").before).toBe(names("t2", "t1").after);
});

test("the first turn of a session asks for nothing", () => {
  expect(names("t1").before).toBeUndefined();
});

test.each<[string, Partial<SessionTurn>]>([
  ["model", { turn: { id: "t2", settings: { ...settings, model: "n" } } }],
  ["effort", { turn: { id: "t2", settings: { ...settings, effort: "high" } } }],
  ["session", { sessionId: "other" }],
])("a turn with another %s asks for something that no worker has", (_, more) => {
  const { before } = names("t2", "t1", more);
  expect(before).toBeDefined();
  expect(before).not.toBe(names("t1").after);
});

test("a turn that did not complete leaves nothing to its successor, which asks for what came before it", () => {
  const failed = names("t2", "t1");
  expect(names("t3", "t1").before).toBe(failed.before);
  expect(names("t3", "t1").before).not.toBe(failed.after);
});

test("names do not run into each other", () => {
  const one = keptNames({ sessionId: "a", turn: { id: "b", settings: { model: "c:d", effort: "low" } } });
  const other = keptNames({ sessionId: "a", turn: { id: "b:c", settings: { model: "d", effort: "low" } } });
  expect(one.after).not.toBe(other.after);
});

test("a name is known to be of its session, and of no other", () => {
  const turn = { id: "t", settings: { model: "m", effort: "low" } } as const;
  const { after } = keptNames({ sessionId: 'a"b', turn });
  expect(isNameOf(after, 'a"b')).toBe(true);
  for (const other of ["a", 'a"', 'a"b"', "b", ""]) expect(isNameOf(after, other)).toBe(false);
});
