/**
 * One message of the CLI to the events of a turn.
 *
 * Knows what each kind of line means, not when the turn ends: that, and the order before `init`, is `turn-run.ts`. Never
 * throws, whatever the line holds.
 */
import type { TurnEvent } from "../../turn-event.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import { endMessageWithoutStream, mapAssistant } from "./map-assistant.ts";
import { mapStreamEvent } from "./map-stream.ts";
import {
  mapApiRetry,
  mapBackgroundTasks,
  mapCompacted,
  mapHook,
  mapInformational,
  mapInit,
  mapModelSwitched,
  mapPermissionDenied,
  mapRateLimit,
  mapStatus,
  mapTask,
  mapThinkingTokens,
  mapToolProgress,
} from "./map-system.ts";
import { mapUser } from "./map-user.ts";
import { keepUnknown, type MappedTurn } from "./mapped-turn.ts";
import { endMessage } from "./model-output.ts";

/** Appends the events of a message. Lines that are between the CLI and its driver have none. */
export function mapMessage(turn: MappedTurn, message: CliMessage, out: TurnEvent[]): void {
  const { kind, body, name } = message;
  if (kind !== "assistant") endMessageWithoutStream(turn, out);
  switch (kind) {
    case "streamEvent":
      mapStreamEvent(turn, body, out);
      break;
    case "assistant":
      mapAssistant(turn, body, out);
      break;
    case "user":
      mapUser(turn, body, out);
      break;
    case "unknown":
      keepUnknown(turn, name, out);
      break;
    case "init":
      out.push(mapInit(turn, body));
      break;
    case "modelSwitched":
      mapModelSwitched(turn, name, body, out);
      break;
    case "status":
      tell(mapStatus(turn, body));
      break;
    case "apiRetry":
      tell(mapApiRetry(turn, body));
      break;
    case "rateLimit":
      tell(mapRateLimit(body));
      break;
    case "compacted":
      tell(mapCompacted(turn, body));
      break;
    case "permissionDenied":
      tell(mapPermissionDenied(turn, body));
      break;
    case "task":
      tell(mapTask(turn, name, body));
      break;
    case "backgroundTasks":
      tell(mapBackgroundTasks(turn, body));
      break;
    case "toolProgress":
      tell(mapToolProgress(body));
      break;
    case "informational":
      tell(mapInformational(turn, body));
      break;
    case "hook":
      tell(mapHook(body, name));
      break;
    case "thinkingTokens":
      tell(mapThinkingTokens(body));
      break;
    case "conversationReset":
      turn.notes.tainted("conversation_reset");
      break;
    case "result":
    case "controlRequest":
    case "controlCancel":
    case "controlResponse":
    case "lifecycle":
    case "sessionState":
    case "internal":
      break;
    default:
      kind satisfies never;
  }

  /** Passes on what the CLI says about itself, if more than text is wanted. It was looked at in any case. */
  function tell(event: TurnEvent): void {
    if (turn.wantsAll) out.push(event);
  }
}

/** Appends what was still held back when the turn is over. */
export function mapEnd(turn: MappedTurn, out: TurnEvent[]): void {
  endMessageWithoutStream(turn, out);
  const { current } = turn.messages;
  if (current !== undefined) endMessage(turn, current, out);
}
