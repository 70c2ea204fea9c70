/**
 * What the fake remembers of a conversation, what a request to the model says of it, and what `rewind_conversation` does
 * to it. Measured with 2.1.329: uuids are compared by their first 24 characters.
 */

type Entry =
  | { readonly role: "user"; readonly uuid: string; readonly text: string }
  /** What the CLI itself wrote into the user's part. */
  | { readonly role: "user"; readonly uuid: undefined; readonly text: string }
  | { readonly role: "assistant"; readonly uuid: string; readonly text: string };

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
  #entries: Entry[] = [];

  /** Whether nobody has said anything yet; notes do not count. */
  get isEmpty(): boolean {
    return !this.#entries.some(({ uuid }) => uuid !== undefined);
  }

  addPrompt(uuid: string, text: string): void {
    this.#entries.push({ role: "user", uuid, text });
  }

  addNote(text: string): void {
    this.#entries.push({ role: "user", uuid: undefined, text });
  }

  addAssistant(uuid: string, text: string): void {
    this.#entries.push({ role: "assistant", uuid, text });
  }

  /** What a command of the CLI's own leaves behind for the model. */
  addCommandResidue(command: string, args: string, output: string): void {
    this.addNote("<local-command-caveat>The command below was run by the user.</local-command-caveat>\n");
    this.addNote(`<command-name>/${command}</command-name>\n<command-args>${args}</command-args>\n`);
    this.addNote(`<local-command-stdout>${output}</local-command-stdout>\n`);
  }

  /** Forgets everything, and remembers that it was told to. */
  clear(): void {
    this.#entries = [];
    this.addCommandResidue("clear", "", "");
  }

  /** A summary takes the place of everything before the newest prompt, which cannot be reached any more. */
  compact(summaryUuid: string): void {
    const newest = this.#entries.findLastIndex((entry) => entry.role === "user" && entry.uuid !== undefined);
    const summary: Entry = { role: "assistant", uuid: summaryUuid, text: "A summary of what was said before." };
    this.#entries = [summary, ...this.#entries.slice(newest)];
  }

  /** The messages of a request. What one side said in a row is one message. */
  messages(): readonly object[] {
    const messages: { readonly role: string; readonly content: object[] }[] = [];
    for (const { role, text } of this.#entries) {
      if (messages.at(-1)?.role !== role) messages.push({ role, content: [] });
      messages.at(-1)!.content.push({ type: "text", text });
    }
    return messages;
  }

  rewind(target: string, lastSeen: string | undefined): RewindReply {
    const at = this.#entries.findIndex((entry) => isPrompt(entry, target));
    const found = this.#entries[at];
    if (found?.uuid === undefined) return refuseRewind("target_not_found");
    const newest = this.#entries.findLast((entry) => entry.role === "user" && entry.uuid !== undefined)!;
    if (lastSeen === undefined ? found !== newest : !isPrompt(newest, lastSeen)) {
      const isKnown = lastSeen !== undefined && this.#entries.some((entry) => isPrompt(entry, lastSeen));
      return refuseRewind(isKnown ? "unseen_later_turn" : "stale_target");
    }
    this.#entries = this.#entries.slice(0, at);
    return {
      rewound: true,
      targetMessageUuid: found.uuid,
      prefillText: found.text,
      precedingAssistantUuid: this.#entries.findLast(({ role }) => role === "assistant")?.uuid ?? null,
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

function isPrompt(entry: Entry, uuid: string): boolean {
  return entry.role === "user" && entry.uuid?.slice(0, 24) === uuid.slice(0, 24);
}
