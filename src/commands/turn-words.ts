/**
 * What was said in a turn, as lines for a terminal. Pure.
 */
import type { Turn, TurnPart } from "../../gen/claude/runner/v1/turn_pb.ts";
import { TurnState } from "../../gen/claude/runner/v1/turn_pb.ts";
import { turnState } from "./kept-tables.ts";
import { type Style, singleLine, sizeText, withoutControls } from "./terminal.ts";

/** The prompt, then the answer; with a mark when the conversation does not go through the turn. */
export function conversationLines(turn: Turn, style: Style): string[] {
  const { prompt, answer, hasContent, inConversation, state, sessionId } = turn;
  if (!hasContent) return [style.dim(`${singleLine(turn.id)}: its words are not kept`)];
  const isAside = sessionId !== "" && state === TurnState.ENDED && !inConversation;
  const mark = state !== TurnState.ENDED || isAside ? [turnState(turn, style).text] : [];
  const aside = isAside ? ["not part of the conversation"] : [];
  const heading = [...mark, ...aside, singleLine(turn.id)].join(" · ");
  return [
    style.dim(heading),
    ...prompt.flatMap((part, at) =>
      partLines(part).map((line, row) => `${at + row === 0 ? style.bold("› ") : "  "}${line}`),
    ),
    ...answer.flatMap(partLines),
  ];
}

function partLines({ mediaType, text, textTruncated, sizeBytes, title, digest }: TurnPart): string[] {
  if (text === "")
    return [`[${singleLine(title === "" ? mediaType : `${title}, ${mediaType}`)}, ${bytesText(sizeBytes)}]`];
  const lines = withoutControls(text).split("\n");
  if (!textTruncated) return lines;
  return [...lines, `[cut: ${bytesText(sizeBytes)} in all; GetTurnContent has it under ${digest}]`];
}

function bytesText(bytes: bigint): string {
  return bytes < 1024n * 1024n ? `${Math.ceil(Number(bytes) / 1024)} KiB` : sizeText(Number(bytes));
}
