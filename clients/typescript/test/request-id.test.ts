import { expect, it } from "vitest";
import { newId } from "../src/request-id.ts";

it("ids are UUIDs of version 7, each another, in the order of their time", () => {
  const ids = [1, 2, 70_000, 2 ** 33].map((nowMs) => newId(nowMs));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(ids.toSorted()).toEqual(ids);
  expect(newId(1_796_000_000_000).slice(0, 13)).toBe("01a229f1-2800");
  expect(new Set(Array.from({ length: 1_000 }, () => newId(5))).size).toBe(1_000);
});
