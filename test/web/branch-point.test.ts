import { expect, it } from "vitest";
import { branchPointOf } from "../../web/branch-point.ts";

const turns = [
  { id: "1", inConversation: true },
  { id: "2", inConversation: false },
  { id: "3", inConversation: true },
  { id: "4", inConversation: false },
];

it("a conversation is copied up to the turn that is asked again", () => {
  expect(branchPointOf(turns, "1")).toEqual({ kind: "before", turnId: "1" });
  expect(branchPointOf(turns, "3")).toEqual({ kind: "before", turnId: "3" });
});

it("a turn that is no part of the conversation is asked again before the next one that is", () => {
  expect(branchPointOf(turns, "2")).toEqual({ kind: "before", turnId: "3" });
});

it("nothing is copied when nothing came after the turn, or the server never took it in", () => {
  expect(branchPointOf(turns, "4")).toEqual({ kind: "here" });
  expect(branchPointOf(turns, "")).toEqual({ kind: "here" });
});
