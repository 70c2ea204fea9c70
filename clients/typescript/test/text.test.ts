import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { RetractedSchema, TextDeltaSchema } from "../src/index.ts";
import { TextCollector } from "../src/text.ts";

const delta = (text: string, messageIndex = 0, blockIndex = 0) =>
  create(TextDeltaSchema, { text, messageIndex, blockIndex });
const retracted = (messageIndex: number, fromBlockIndex: number) =>
  create(RetractedSchema, { messageIndex, fromBlockIndex });

test("text is all deltas in the order in which they came", () => {
  const collector = new TextCollector();
  for (const piece of [delta("a"), delta("b"), delta("c", 0, 1), delta("d", 1)]) collector.add(piece);
  expect(collector.text).toBe("abcd");
});

test("a retraction takes the message's blocks from the named one on, and no others", () => {
  const collector = new TextCollector();
  for (const piece of [delta("keep "), delta("void ", 0, 1), delta("void ", 0, 2), delta("other", 1, 1)]) {
    collector.add(piece);
  }
  collector.retract(retracted(0, 1));
  expect(collector.text).toBe("keep other");
});

test("what comes for the same place after a retraction is new", () => {
  const collector = new TextCollector();
  collector.add(delta("wrong"));
  collector.retract(retracted(0, 0));
  collector.add(delta("right"));
  expect(collector.text).toBe("right");
});
