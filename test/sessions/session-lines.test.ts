import { expect, test } from "vitest";
import { SessionLines } from "../../src/sessions/session-lines.ts";

const session = { tenant: "acme", id: "s" };
const never = new AbortController().signal;

function scene() {
  const lines = new SessionLines();
  const order: string[] = [];
  const enter = (id: string, overtaking = false) => {
    const place = lines.enter(session, id, overtaking);
    void place.first(never).then(() => order.push(id));
    return place;
  };
  return { lines, order, enter };
}
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test("turns have the session in the order in which they came", async () => {
  const { lines, order, enter } = scene();
  const [a, b, c] = [enter("a"), enter("b"), enter("c")];
  await settled();
  expect([a.holderId, b.holderId, order]).toEqual([undefined, "a", ["a"]]);
  a.leave();
  a.leave();
  await settled();
  expect([c.holderId, order]).toEqual(["b", ["a", "b"]]);
  b.leave();
  c.leave();
  await settled();
  expect([order, lines.count]).toEqual([["a", "b", "c"], 0]);
});

test("one that leaves while it waits makes nobody the first", async () => {
  const { order, enter } = scene();
  const [a, b, _c] = [enter("a"), enter("b"), enter("c")];
  b.leave();
  await settled();
  expect(order).toEqual(["a"]);
  a.leave();
  await settled();
  expect(order).toEqual(["a", "c"]);
});

test("one that overtakes goes before those that wait, and after the one that has the session", async () => {
  const { order, enter } = scene();
  const [a, _b, c] = [enter("a"), enter("b"), enter("c", true)];
  a.leave();
  c.leave();
  await settled();
  expect(order).toEqual(["a", "c", "b"]);
});

test("a turn knows of all before it whether they stay, whoever that is", async () => {
  const { enter } = scene();
  const [a, b, c] = [enter("a"), enter("b"), enter("c")];
  const certain: string[] = [];
  for (const [name, place] of Object.entries({ a, b, c })) void place.othersDecided().then(() => certain.push(name));
  await settled();
  expect(certain).toEqual(["a"]);
  a.leave();
  await settled();
  expect([certain, b.holderId]).toEqual([["a", "b"], undefined]);
  b.stay();
  await settled();
  expect([certain, c.holderId]).toEqual([["a", "b", "c"], "b"]);
});

test("a wait ends with its signal", async () => {
  const { lines, enter } = scene();
  enter("a");
  const abort = new AbortController();
  const waiting = lines.enter(session, "b").first(abort.signal);
  abort.abort(new Error("gone"));
  await expect(waiting).rejects.toThrow("gone");
});

test("sessions of one id of two tenants have nothing to do with each other", () => {
  const lines = new SessionLines();
  lines.enter(session, "a");
  expect(lines.enter({ tenant: "other", id: "s" }, "b").holderId).toBeUndefined();
});
