/**
 * Whether a line belongs to a turn before: after a cancel the CLI may still say some of them, and they must never be taken
 * for this turn's.
 */
import type { TurnMessages } from "../mapping/message-records.ts";
import type { CliMessage, CliMessageKind } from "../protocol/cli-messages.ts";
import { objectAt, textAt } from "../protocol/json-members.ts";

/** Lines that belong to a turn and to nothing else. Before ours was named they are another's. */
const turnKinds: ReadonlySet<CliMessageKind> = new Set([
  "streamEvent",
  "assistant",
  "user",
  "init",
  "status",
  "apiRetry",
]);

/** Events of a stream that come after its `message_start`. */
const partsOfMessages: ReadonlySet<unknown> = new Set([
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
]);

/** Whether a line comes before the CLI named any prompt of this turn. */
export function isOfAnotherTurn({ kind }: CliMessage): boolean {
  return turnKinds.has(kind);
}

/** Whether a line is of a message that did not begin in this turn. Asked for every line. */
export function isOfAnotherMessage({ kind, body }: CliMessage, messages: TurnMessages): boolean {
  if (kind !== "streamEvent") return false;
  const { current } = messages;
  const messageId = textAt(body, "api_message_id");
  if (messageId === current?.id) return false;
  const { type } = objectAt(body, "event");
  if (messageId === "") return current === undefined && partsOfMessages.has(type);
  return type !== "message_start" && messages.find(messageId) === undefined;
}
