/**
 * A turn as the server has written it down, as the page shows turns: what was asked, what was answered, how it ended. Tools
 * and thinking are not written down.
 */
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { Outcome, TurnResultSchema } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import {
  type TurnPart,
  type Turn as TurnRecord,
  TurnState,
} from "../clients/typescript/src/gen/claude/runner/v1/turn_pb.ts";
import { failureWith, statusOf } from "../clients/typescript/src/turn-status.ts";
import { failureOf } from "./failure.ts";
import { sizeText } from "./format.ts";
import { Turn, type TurnEnd } from "./turn.ts";

/** Of a turn that runs the events are still to come, so nothing of its answer is put into it. */
export function turnOf(record: TurnRecord): Turn {
  const prompt = record.prompt.map(promptText).join("\n\n");
  const turn = new Turn({ prompt, traceId: "", sentAtMs: performance.now() });
  turn.turnId = record.id;
  if (record.state !== TurnState.ENDED) return turn;
  for (const [index, { text }] of record.answer.entries()) {
    if (text === "") continue;
    turn.items.push({
      kind: "text",
      messageIndex: 0,
      blockIndex: index,
      text,
      isOver: true,
      sources: [],
      revision: 1,
    });
  }
  const { outcome, error, usage, costUsdMicros, costIsEstimate } = record;
  if (outcome !== Outcome.UNSPECIFIED) {
    turn.result = create(TurnResultSchema, {
      outcome,
      costUsdMicros,
      costIsEstimate,
      ...(error && { error }),
      ...(usage && { usage }),
    });
  }
  turn.finish(endOf(record, turn));
  return turn;
}

/** Whether the prompt is text alone, so that the page can send it again. */
export function hasTextPrompt({ prompt }: TurnRecord): boolean {
  return prompt.length > 0 && prompt.every(({ mediaType }) => mediaType === "text/plain");
}

function endOf({ outcome, error, answer }: TurnRecord, { result }: Turn): TurnEnd {
  if (outcome === Outcome.INTERRUPTED || outcome === Outcome.CANCELLED) return { kind: "cancelled" };
  const status =
    result === undefined
      ? error && failureWith(Code.Aborted, error)
      : statusOf(result, { hasContent: answer.length > 0 });
  return status === undefined
    ? { kind: "result" }
    : { kind: "failed", failure: failureOf(status, { hasBegun: answer.length > 0 }) };
}

function promptText({ text, mediaType, sizeBytes, title }: TurnPart): string {
  if (mediaType === "text/plain") return text;
  return `[${title === "" ? mediaType : `${title}, ${mediaType}`}, ${sizeText(Number(sizeBytes))}]`;
}
