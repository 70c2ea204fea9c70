/**
 * What the fake remembers of a conversation, and what `rewind_conversation` does to it. Measured with 2.1.329: uuids are
 * compared by their first 24 characters.
 */

interface Prompt {
  readonly uuid: string;
  readonly text: string;
  readonly precedingAssistantUuid: string | null;
}

export type RewindReply =
  | {
      readonly rewound: true;
      readonly targetMessageUuid: string;
      readonly prefillText: string;
      readonly precedingAssistantUuid: string | null;
    }
  | {
      readonly rewound: false;
      readonly prefillText: null;
      readonly precedingAssistantUuid: null;
      readonly error: string;
      readonly reason: string;
    };

export class Conversation {
  #prompts: Prompt[] = [];
  #lastAssistantUuid: string | null = null;

  get isEmpty(): boolean {
    return this.#prompts.length === 0;
  }

  addPrompt(uuid: string, text: string): void {
    this.#prompts.push({ uuid, text, precedingAssistantUuid: this.#lastAssistantUuid });
  }

  addAssistant(uuid: string): void {
    this.#lastAssistantUuid = uuid;
  }

  clear(): void {
    this.#prompts = [];
    this.#lastAssistantUuid = null;
  }

  /** A summary takes the place of everything before the newest prompt, which cannot be reached any more. */
  compact(summaryUuid: string): void {
    const newest = this.#prompts.at(-1);
    this.#prompts = newest === undefined ? [] : [{ ...newest, precedingAssistantUuid: summaryUuid }];
  }

  rewind(target: string, lastSeen: string | undefined): RewindReply {
    const at = this.#prompts.findIndex(({ uuid }) => isSame(uuid, target));
    const found = this.#prompts[at];
    if (found === undefined) return refuseRewind("target_not_found");
    const newest = this.#prompts.at(-1)!;
    if (lastSeen === undefined ? found !== newest : !isSame(newest.uuid, lastSeen)) {
      const isKnown = lastSeen !== undefined && this.#prompts.some(({ uuid }) => isSame(uuid, lastSeen));
      return refuseRewind(isKnown ? "unseen_later_turn" : "stale_target");
    }
    this.#prompts = this.#prompts.slice(0, at);
    this.#lastAssistantUuid = found.precedingAssistantUuid;
    return {
      rewound: true,
      targetMessageUuid: found.uuid,
      prefillText: found.text,
      precedingAssistantUuid: found.precedingAssistantUuid,
    };
  }
}

export function refuseRewind(reason: string): RewindReply {
  return {
    rewound: false,
    prefillText: null,
    precedingAssistantUuid: null,
    error: reason.replaceAll("_", " "),
    reason,
  };
}

function isSame(a: string, b: string): boolean {
  return a.slice(0, 24) === b.slice(0, 24);
}
