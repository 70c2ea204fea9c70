import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { ErrorReason } from "../../clients/typescript/src/gen/claude/runner/v1/error_pb.ts";
import { Outcome } from "../../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import { TurnSchema, TurnState } from "../../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";
import { hasTextPrompt, turnOf } from "../../web/recorded-turn.ts";

const said = (text: string) => ({ mediaType: "text/plain", text });
const picture = { mediaType: "image/png", sizeBytes: 14_000n, digest: "0".repeat(64) };
const record = (change: Exclude<MessageInitShape<typeof TurnSchema>, Message> = {}) =>
  create(TurnSchema, {
    id: "t",
    state: TurnState.ENDED,
    outcome: Outcome.COMPLETED,
    prompt: [said("What?")],
    answer: [said("One. "), said("Two.")],
    costUsdMicros: 1_300n,
    usage: { inputTokenCount: 7n },
    ...change,
  });

it("a turn that is written down has its prompt, its answer block for block, and what it cost", () => {
  const turn = turnOf(record());
  expect(turn.request.prompt).toBe("What?");
  expect(turn.text).toBe("One. Two.");
  expect(turn.items).toHaveLength(2);
  expect(turn.end).toEqual({ kind: "result" });
  expect(turn.result).toMatchObject({ costUsdMicros: 1_300n, usage: { inputTokenCount: 7n } });
});

it("one that failed says why, whether or not it had begun", () => {
  const error = { reason: ErrorReason.WORKER_DIED, message: "the worker died" };
  const died = turnOf(record({ outcome: Outcome.WORKER_DIED, error }));
  expect(died.end).toMatchObject({ kind: "failed", failure: { reason: "WORKER_DIED", message: "the worker died" } });
  const full = { reason: ErrorReason.QUEUE_FULL, message: "full" };
  const refused = turnOf(record({ outcome: Outcome.UNSPECIFIED, error: full, answer: [] }));
  expect(refused.end).toMatchObject({ kind: "failed", failure: { reason: "QUEUE_FULL" } });
});

it("one that was stopped is said to be", () => {
  const error = { reason: ErrorReason.TURN_INTERRUPTED, message: "stopped" };
  expect(turnOf(record({ outcome: Outcome.INTERRUPTED, error })).end).toEqual({ kind: "cancelled" });
});

it("one that runs has no end and no answer yet", () => {
  const turn = turnOf(record({ state: TurnState.RUNNING, outcome: Outcome.UNSPECIFIED }));
  expect([turn.end, turn.items, turn.lastSequence]).toEqual([undefined, [], 0]);
});

it("a picture in a prompt is named, and a prompt with one cannot be sent again", () => {
  const turn = record({ prompt: [said("Look"), picture] });
  expect(turnOf(turn).request.prompt).toBe("Look\n\n[image/png, 14 kB]");
  expect([hasTextPrompt(turn), hasTextPrompt(record())]).toEqual([false, true]);
});
