/**
 * The model's messages of one turn and their blocks: which position a block has, what of it was streamed, what is void.
 *
 * Bookkeeping only. Text is kept for the last message, since that is the answer when the CLI does not say it itself;
 * of earlier ones only sizes are kept, for retractions.
 */
export interface BlockRecord {
  readonly index: number;
  readonly kind: string;
  readonly toolUseId: string;
  textBytes: number;
  text: string[];
  /** The pieces of a tool's input, until the whole block came. */
  partialJson: string[];
  /** Whether the `assistant` line of the block came. */
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
  readonly blocks: Map<number, BlockRecord>;
  stopReason: string;
}

/** What a retraction made void. */
export interface Retraction {
  readonly message: MessageRecord;
  readonly fromBlockIndex: number;
  readonly textBytes: number;
}

export class TurnMessages {
  #nextIndex = 0;
  #current: MessageRecord | undefined;
  readonly #byId = new Map<string, MessageRecord>();
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
    if (this.#current !== undefined) for (const block of this.#current.blocks.values()) forget(block);
    this.#current = this.#make(id, model, isStreamed);
    return this.#current;
  }

  find(id: string): MessageRecord | undefined {
    return this.#byId.get(id);
  }

  /** A message of a sub-agent: it has a position, and nothing of it is streamed. */
  ofSubAgent(id: string, model: string): MessageRecord {
    return this.#byId.get(id) ?? this.#make(id, model, false);
  }

  beginBlock(message: MessageRecord, index: number, kind: string, toolUseId: string): BlockRecord {
    const block: BlockRecord = {
      index,
      kind,
      toolUseId,
      textBytes: 0,
      text: [],
      partialJson: [],
      isWhole: false,
      isVoid: false,
    };
    message.blocks.set(index, block);
    return block;
  }

  /** The block that an `assistant` line completes: the line names its tool use, else it is the first of its kind left. */
  completes(message: MessageRecord, kind: string, toolUseId: string): BlockRecord | undefined {
    for (const block of message.blocks.values()) {
      if (block.isWhole || block.isVoid || block.kind !== kind) continue;
      if (toolUseId === "" || block.toolUseId === toolUseId) return block;
    }
    return undefined;
  }

  /** Remembers which block a line was. */
  note(lineUuid: string, message: MessageRecord, blockIndex: number): void {
    if (lineUuid !== "") this.#byLine.set(lineUuid, { message, blockIndex });
  }

  /** Makes the blocks from an index on void. `undefined` when there is none that was not void already. */
  retract(message: MessageRecord, fromBlockIndex: number): Retraction | undefined {
    let textBytes = 0;
    let hasAny = false;
    for (const block of message.blocks.values()) {
      if (block.index < fromBlockIndex || block.isVoid) continue;
      hasAny = true;
      textBytes += block.textBytes;
      block.isVoid = true;
      forget(block);
    }
    return hasAny ? { message, fromBlockIndex, textBytes } : undefined;
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

  /** The text of the last message as it was streamed, without what is void. */
  lastText(): string {
    if (this.#current === undefined) return "";
    const blocks = [...this.#current.blocks.values()].sort((a, b) => a.index - b.index);
    return blocks.map((block) => block.text.join("")).join("");
  }

  #make(id: string, model: string, isStreamed: boolean): MessageRecord {
    const message: MessageRecord = {
      index: this.#nextIndex++,
      id,
      model,
      isStreamed,
      blocks: new Map(),
      stopReason: "",
    };
    this.#byId.set(id, message);
    return message;
  }
}

function forget(block: BlockRecord): void {
  block.text = [];
  block.partialJson = [];
}
