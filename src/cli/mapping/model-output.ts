/**
 * What the model writes, on its way out: counted, held back at the end of a piece where it has to be, noted for the answer.
 *
 * Every delta of text, thinking and tool input that a caller gets is made here, whichever line of the CLI it came with.
 * Empty ones are not made.
 */
import type { TurnEvent } from "../../turn-event.ts";
import type { MappedTurn } from "./mapped-turn.ts";
import type { BlockRecord, MessageRecord, Retraction } from "./message-records.ts";

type Tail = keyof BlockRecord["tails"];

/** A piece of text of a block. */
export function pass(
  turn: MappedTurn,
  message: MessageRecord,
  block: BlockRecord,
  tail: Tail,
  piece: string,
  out: TurnEvent[],
): void {
  turn.meter.wrote(Buffer.byteLength(piece));
  if (turn.isMuted) return;
  if (tail === "input") block.partialJson.push(piece);
  push(turn, message, block, tail, block.tails[tail].push(piece), out);
}

/** Nothing more of a block comes: what was held back of it goes out. */
export function endBlock(turn: MappedTurn, message: MessageRecord, block: BlockRecord, out: TurnEvent[]): void {
  if (turn.isMuted || block.isVoid) return;
  for (const tail of ["text", "thinking", "input"] as const) {
    push(turn, message, block, tail, block.tails[tail].end(), out);
  }
}

/** Nothing more of a message comes. */
export function endMessage(turn: MappedTurn, message: MessageRecord, out: TurnEvent[]): void {
  if (message.isOver) return;
  message.isOver = true;
  for (const block of message.blocks) endBlock(turn, message, block, out);
}

/** A message of the main conversation begins; the one before is over, whether or not it was said so. */
export function beginMessage(
  turn: MappedTurn,
  id: string,
  model: string,
  isStreamed: boolean,
  out: TurnEvent[],
): MessageRecord {
  const { current } = turn.messages;
  if (current !== undefined) {
    endMessage(turn, current, out);
    retractLost(turn, current, out);
  }
  const message = turn.messages.begin(id, model, isStreamed);
  turn.notes.answers(message.model);
  return message;
}

/**
 * The CLI asks the model again, and text that it never took over is in no answer that the model could go on from: of a
 * block without an end, or in the first frame of one. The answer begins anew, so what was shown of it is void.
 */
function retractLost(turn: MappedTurn, message: MessageRecord, out: TurnEvent[]): void {
  // What came before a tool's answer is no part of the answer.
  if (!message.isStreamed || message.isAnswered) return;
  const from = turn.messages.lostFrom(message);
  if (from === undefined) return;
  const retraction = turn.messages.retract(message, from);
  if (retraction !== undefined) pushRetracted(turn, retraction, "streamBroken", out);
}

export function pushRetracted(
  turn: MappedTurn,
  retraction: Retraction,
  cause: "streamBroken" | "refusal" | "unknown",
  out: TurnEvent[],
): void {
  const { message, fromBlockIndex, textBytes } = retraction;
  turn.answer.retract(message.index, fromBlockIndex);
  out.push({
    kind: "retracted",
    messageIndex: message.index,
    fromBlockIndex,
    messageId: message.id,
    textBytes,
    cause,
  });
}

function push(
  turn: MappedTurn,
  message: MessageRecord,
  block: BlockRecord,
  tail: Tail,
  text: string,
  out: TurnEvent[],
): void {
  if (text === "") return;
  const at = { messageIndex: message.index, blockIndex: block.index };
  switch (tail) {
    case "text":
      block.text += text;
      block.textBytes += Buffer.byteLength(text);
      turn.answer.add(at.messageIndex, at.blockIndex, text);
      turn.notes.passedOn();
      out.push({ kind: "textDelta", text, ...at });
      break;
    case "thinking":
      if (turn.wantsAll) out.push({ kind: "thinkingDelta", thinking: text, ...at });
      break;
    case "input":
      if (turn.wantsAll) out.push({ kind: "toolInputDelta", partialJson: text, ...at });
      break;
    default:
      tail satisfies never;
  }
}
