import { expect, it } from "vitest";
import { hashOf, placeOf } from "../../web/place.ts";

it.each([
  ["", { view: "chat", sessionId: undefined }],
  ["#chat", { view: "chat", sessionId: undefined }],
  ["#pool", { view: "pool" }],
  ["#chat/a.b_c:d-1", { view: "chat", sessionId: "a.b_c:d-1" }],
  ["#chat/", { view: "chat", sessionId: undefined }],
  ["#chat/<script>", { view: "chat", sessionId: undefined }],
  [`#chat/${"x".repeat(129)}`, { view: "chat", sessionId: undefined }],
  ["#elsewhere", { view: "chat", sessionId: undefined }],
] as const)("the address %j says what is looked at", (hash, place) => {
  expect(placeOf(hash)).toEqual(place);
});

it("what is looked at is found again by its address", () => {
  for (const hash of ["#chat", "#pool", "#chat/some-id"]) expect(hashOf(placeOf(hash))).toBe(hash);
});
