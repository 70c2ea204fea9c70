/**
 * Makes an idle process forget its conversation, and says whether it did.
 *
 * A reset counts only when the CLI went back to the very first message and nothing is before it: then, and only then,
 * the next request is a first one, byte for byte. Anything else ends the process; there is no second try.
 */
import { randomUUID } from "node:crypto";
import type { ResetFailure } from "../../worker-process.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { ControlError } from "../protocol/control.ts";
import { flagAt, type JsonObject, textAt } from "../protocol/json-members.ts";
import { clearLine } from "../protocol/user-line.ts";

/** What a process has in its conversation, as far as a reset needs to know: the user messages at both ends. */
export interface Conversation {
  readonly firstUuid: string;
  readonly lastUuid: string;
}

export interface ResetHost {
  write(line: string): Promise<void>;
  request(request: { readonly subtype: string; readonly [key: string]: unknown }): Promise<JsonObject>;
  expect(fits: (message: CliMessage) => boolean): Promise<CliMessage>;
}

/** How much of a word of the process is in the log. */
const maxWordLength = 80;

/** Why a conversation is still there. */
export interface RewindProblem {
  readonly failure: ResetFailure;
  /** The process's own word for it, for the log only. */
  readonly word?: string;
}

/** The process's words for why it does not go back, and what they are here. */
const refusals: ReadonlyMap<string, ResetFailure> = new Map([
  ["commands_queued", "rewind_commands_queued"],
  ["prompt_pending", "rewind_prompt_pending"],
  ["turn_running", "rewind_turn_running"],
  ["target_not_found", "rewind_target_not_found"],
  ["stale_target", "rewind_stale_target"],
  ["unseen_later_turn", "rewind_unseen_later_turn"],
  ["state_changed", "rewind_state_changed"],
  ["persist_failed", "rewind_persist_failed"],
  ["expired", "rewind_expired"],
]);

/** `undefined` when the conversation is gone, else why not. Rejects when the process does not answer. */
export async function rewind(host: ResetHost, conversation: Conversation): Promise<RewindProblem | undefined> {
  try {
    const reply = await host.request({
      subtype: "rewind_conversation",
      target_message_uuid: conversation.firstUuid,
      last_seen_user_message_uuid: conversation.lastUuid,
    });
    return rewindProblem(reply, conversation);
  } catch (error) {
    if (error instanceof ControlError)
      return { failure: "rewind_refused", word: error.message.slice(0, maxWordLength) };
    throw error;
  }
}

/** What is wrong with the answer to a rewind to the first message. */
export function rewindProblem(reply: JsonObject, { firstUuid }: Conversation): RewindProblem | undefined {
  if (!flagAt(reply, "rewound")) {
    const word = textAt(reply, "reason");
    return { failure: refusals.get(word) ?? "rewind_other", word: word.slice(0, maxWordLength) };
  }
  if (textAt(reply, "targetMessageUuid") !== firstUuid) return { failure: "rewind_elsewhere" };
  // Something is before the first message: a summary, which the next request would carry.
  if (reply.precedingAssistantUuid !== null) return { failure: "rewind_not_to_start" };
  return undefined;
}

/** The documented command. It leaves three short blocks about itself in the next request. */
export async function clear(host: ResetHost): Promise<RewindProblem | undefined> {
  const uuid = randomUUID();
  let wasReset = false;
  const ended = host.expect(({ kind, body }) => {
    if (kind === "conversationReset") wasReset = true;
    return kind === "lifecycle" && body.command_uuid === uuid && /^(completed|cancelled)$/.test(textAt(body, "state"));
  });
  ended.catch(() => undefined); // Heard of below, unless the line cannot even be written.
  await host.write(clearLine(uuid));
  await ended;
  return wasReset ? undefined : { failure: "clear_failed" };
}
