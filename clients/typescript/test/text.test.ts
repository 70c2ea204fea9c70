import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { StreamChatResponseSchema } from "../src/index.ts";
import { pieceOf, TextCollector } from "../src/text.ts";

const delta = (text: string, messageIndex = 0, blockIndex = 0, parentToolUseId = "") =>
  create(StreamChatResponseSchema, {
    parentToolUseId,
    event: { case: "textDelta", value: { text, messageIndex, blockIndex } },
  });
const retracted = (messageIndex: number, fromBlockIndex: number, parentToolUseId = "") =>
  create(StreamChatResponseSchema, {
    parentToolUseId,
    event: { case: "retracted", value: { messageIndex, fromBlockIndex } },
  });

test("text is all deltas in the order in which they came", () => {
  const collector = new TextCollector();
  for (const piece of [delta("a"), delta("b"), delta("c", 0, 1), delta("d", 1)]) collector.note(piece);
  expect(collector.text).toBe("abcd");
});

test("a retraction takes the message's blocks from the named one on, and no others", () => {
  const collector = new TextCollector();
  for (const piece of [delta("keep "), delta("void ", 0, 1), delta("void ", 0, 2), delta("other", 1, 1)]) {
    collector.note(piece);
  }
  collector.note(retracted(0, 1));
  expect(collector.text).toBe("keep other");
});

test("what comes for the same place after a retraction is new", () => {
  const collector = new TextCollector();
  collector.note(delta("wrong"));
  collector.note(retracted(0, 0));
  collector.note(delta("right"));
  expect(collector.text).toBe("right");
});

test("what a sub-agent says, and takes back, is no part of it", () => {
  const collector = new TextCollector();
  const said = [delta("answer"), delta("aside", 0, 0, "toolu_1"), retracted(0, 0, "toolu_1")];
  for (const event of said) collector.note(event);
  expect(collector.text).toBe("answer");
  expect(said.map(pieceOf)).toEqual(["answer", undefined, undefined]);
});
