/**
 * The model's messages of one turn and their blocks: which position a block has, what of it was streamed, what is void.
 *
 * Bookkeeping only; the text of the answer is `answer-text.ts`. A block's position is counted here: the indexes that a
 * gateway sends may have gaps, repeat or be no numbers at all.
 */

import type { JsonObject } from "../protocol/json-members.ts";
import { DeltaTail } from "./delta-tail.ts";

export interface BlockRecord {
  /** The position in the message, in the order in which the blocks began. */
  readonly index: number;
  /** The index that the model API gave it. */
  readonly rawIndex: number;
  /** Whether another block of the message had the same before. */
  readonly repeatsRawIndex: boolean;
  readonly kind: string;
  readonly toolUseId: string;
  /** Its text as far as it was passed on. */
  text: string;
  /** The size of that. */
  textBytes: number;
  /** What waits of its texts. */
  readonly tails: { readonly text: DeltaTail; readonly thinking: DeltaTail; readonly input: DeltaTail };
  /** The pieces of a tool's input, until the whole block came. */
  partialJson: string[];
  /** Whether the `assistant` line of the block came: the CLI has it in its conversation. */
  isWhole: boolean;
  isVoid: boolean;
}

export interface MessageRecord {
  /** The position in the turn. */
  readonly index: number;
  readonly id: string;
  readonly model: string;
  /** False for a message that came whole, without a stream: after a rescue, or of a sub-agent. */
  readonly isStreamed: boolean;
  /** By position. */
  readonly blocks: BlockRecord[];
  /** The last block that had an index, by the index of the model API. */
  readonly byRawIndex: Map<number, BlockRecord>;
  /** Blocks whose `assistant` line may still come, the oldest first. */
  readonly incomplete: Set<BlockRecord>;
  /** The block that the last `assistant` line was taken for, until a block ends. */
  completedLast: { readonly block: BlockRecord; readonly lineUuid: string } | undefined;
  stopReason: string;
  /** Whether nothing more of it comes. Gateways may give the next message the same id. */
  isOver: boolean;
  /** Whether a tool has answered since it began. */
  isAnswered: boolean;
  /** The line that ended a message without a stream, until its end was passed on. */
  unsaidEnd: JsonObject | undefined;
}

/** What a retraction made void. */
export interface Retraction {
  readonly message: MessageRecord;
  readonly fromBlockIndex: number;
  readonly textBytes: number;
}

/** More blocks than any message has whose lines are still to come. */
const maxIncomplete = 256;

export class TurnMessages {
  #nextIndex = 0;
  #current: MessageRecord | undefined;
  readonly #byId = new Map<string, MessageRecord>();
  readonly #ofSubAgents = new Map<string, MessageRecord>();
  /** Which block an `assistant` line was, by the line's uuid: refusals retract by uuid. */
  readonly #byLine = new Map<string, { readonly message: MessageRecord; readonly blockIndex: number }>();

  /** The message whose stream is running or ran last. */
  get current(): MessageRecord | undefined {
    return this.#current;
  }

  /** A position for something that is no message of the main conversation, such as an error that the CLI wrote. */
  takeIndex(): number {
    return this.#nextIndex++;
  }

  /** A message of the main conversation begins. */
  begin(id: string, model: string, isStreamed: boolean): MessageRecord {
    for (const block of this.#current?.blocks ?? []) forget(block);
    this.#current = this.#make(id, model, isStreamed);
    this.#byId.set(id, this.#current);
    return this.#current;
  }

  /** The message of the main conversation that had this id last. */
  find(id: string): MessageRecord | undefined {
    return this.#byId.get(id);
  }

  /** A message of a sub-agent: it has a position, and nothing of it is streamed. */
  ofSubAgent(parentToolUseId: string, id: string, model: string): MessageRecord {
    const key = `${parentToolUseId} ${id}`;
    const message = this.#ofSubAgents.get(key) ?? this.#make(id, model, false);
    this.#ofSubAgents.set(key, message);
    return message;
  }

  beginBlock(message: MessageRecord, rawIndex: number, kind: string, toolUseId: string): BlockRecord {
    const block: BlockRecord = {
      index: message.blocks.length,
      rawIndex,
      repeatsRawIndex: message.byRawIndex.has(rawIndex),
      kind,
      toolUseId,
      text: "",
      textBytes: 0,
      tails: { text: new DeltaTail(), thinking: new DeltaTail(), input: new DeltaTail() },
      partialJson: [],
      isWhole: false,
      isVoid: false,
    };
    message.blocks.push(block);
    message.byRawIndex.set(rawIndex, block);
    message.incomplete.add(block);
    const [oldest] = message.incomplete;
    if (message.incomplete.size > maxIncomplete) message.incomplete.delete(oldest!);
    return block;
  }

  /**
   * The block that an `assistant` line completes: the line names its tool use, else it is the first of its kind left.
   * Which one it was is certain when a block ends next.
   */
  completes(message: MessageRecord, kind: string, toolUseId: string, lineUuid: string): BlockRecord | undefined {
    for (const block of message.incomplete) {
      if (block.isVoid || block.kind !== kind || (toolUseId !== "" && block.toolUseId !== toolUseId)) continue;
      this.#complete(message, block, lineUuid);
      message.completedLast = { block, lineUuid };
      return block;
    }
    return undefined;
  }

  /** A block has ended. If it had a line, that was the last one before. */
  blockEnded(message: MessageRecord, block: BlockRecord): void {
    const last = message.completedLast;
    message.completedLast = undefined;
    if (last !== undefined && !block.isWhole && !last.block.isVoid && last.block.kind === block.kind) {
      last.block.isWhole = false;
      message.incomplete.add(last.block);
      this.#complete(message, block, last.lineUuid);
    }
    // None comes for one that is blank.
    if (block.kind === "text" && block.text.trim() === "") message.incomplete.delete(block);
  }

  #complete(message: MessageRecord, block: BlockRecord, lineUuid: string): void {
    message.incomplete.delete(block);
    block.isWhole = true;
    this.note(lineUuid, message, block.index);
  }

  /** Where what the CLI has lost of a message begins: text behind the last block that it has in its conversation. */
  lostFrom(message: MessageRecord): number | undefined {
    let from: number | undefined;
    for (let at = message.blocks.length - 1; at >= 0; at--) {
      const block = message.blocks[at]!;
      if (block.isVoid) continue;
      if (block.isWhole) break;
      // It keeps no blocks of white space, and nobody misses them.
      if (block.text.trim() !== "") from = at;
    }
    return from;
  }

  /** Remembers which block a line was. */
  note(lineUuid: string, message: MessageRecord, blockIndex: number): void {
    if (lineUuid !== "") this.#byLine.set(lineUuid, { message, blockIndex });
  }

  /** Whether the block that a line was is void. */
  isVoid(lineUuid: string): boolean {
    const line = this.#byLine.get(lineUuid);
    return line !== undefined && line.message.blocks[line.blockIndex]?.isVoid === true;
  }

  /** Makes the blocks from a position on void. `undefined` when there is none that was not void already. */
  retract(message: MessageRecord, fromBlockIndex: number): Retraction | undefined {
    let textBytes = 0;
    let hasAny = false;
    for (const block of message.blocks) {
      if (block.index < fromBlockIndex || block.isVoid) continue;
      hasAny = true;
      textBytes += block.textBytes;
      block.isVoid = true;
      forget(block);
    }
    return hasAny ? { message, fromBlockIndex, textBytes } : undefined;
  }

  /** The same from an index of the model API on, as the CLI tells it: one behind that of the last block it has kept. */
  retractFromRaw(message: MessageRecord, fromRawIndex: number): Retraction | undefined {
    if (fromRawIndex === 0) return this.retract(message, 0);
    const lastKept = message.blocks.findLast(
      (block) => block.rawIndex < fromRawIndex && (block.isWhole || !block.repeatsRawIndex),
    );
    return this.retract(message, lastKept === undefined ? 0 : lastKept.index + 1);
  }

  /** Makes the blocks void that these lines were, and those behind them in the same message. */
  retractLines(lineUuids: readonly string[]): readonly Retraction[] {
    const firsts = new Map<MessageRecord, number>();
    for (const uuid of lineUuids) {
      const line = this.#byLine.get(uuid);
      if (line === undefined) continue;
      firsts.set(line.message, Math.min(line.blockIndex, firsts.get(line.message) ?? line.blockIndex));
    }
    return [...firsts].map(([message, from]) => this.retract(message, from)).filter((done) => done !== undefined);
  }

  #make(id: string, model: string, isStreamed: boolean): MessageRecord {
    return {
      index: this.#nextIndex++,
      id,
      model,
      isStreamed,
      blocks: [],
      byRawIndex: new Map(),
      incomplete: new Set(),
      completedLast: undefined,
      stopReason: "",
      isOver: false,
      isAnswered: false,
      unsaidEnd: undefined,
    };
  }
}

function forget(block: BlockRecord): void {
  block.text = "";
  block.partialJson = [];
  for (const tail of Object.values(block.tails)) tail.drop();
}
