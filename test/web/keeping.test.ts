import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import {
  GetInfoResponseSchema,
  RetainedKind,
  StorageKind,
} from "../../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { keepingOf } from "../../web/keeping.ts";

const info = (storage: NonNullable<MessageInitShape<typeof GetInfoResponseSchema>["storage"]>) =>
  create(GetInfoResponseSchema, { storage });
const kept = { name: "default", keepsContent: true };
const retained = [{ kind: RetainedKind.SESSION, onDisk: true, retention: { seconds: 2_592_000n } }];

it("what is kept in a file is said with the time after which it is deleted", () => {
  expect(keepingOf(info({ kind: StorageKind.SQLITE, retained }), kept)).toEqual({
    words: "The server keeps the conversation for 30 d after its last change, or until you delete it.",
    tone: "info",
  });
});

it("what is in memory, or has a problem, is said as a warning", () => {
  expect(keepingOf(info({ kind: StorageKind.MEMORY, problem: "no folder" }), kept)).toEqual({
    words: "The server keeps conversations in memory only: they are gone when it restarts.",
    tone: "warning",
  });
  const full = keepingOf(info({ kind: StorageKind.SQLITE, problem: "the disk is full" }), kept);
  expect(full.tone).toBe("warning");
  expect(full.words).toMatch(/The disk is full\.$/);
});

it("a profile that keeps no words is named", () => {
  const { words, tone } = keepingOf(info({ kind: StorageKind.SQLITE }), { name: "quiet", keepsContent: false });
  expect(words).toMatch(/^The profile quiet keeps no words\. .* in this page only/);
  expect(tone).toBe("warning");
});
