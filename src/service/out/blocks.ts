/**
 * Complete blocks of a message and tool uses as the caller gets them, in slices where they are long.
 */
import type { TurnEvent } from "../../turn-event.ts";
import { sliceUtf8 } from "../../utf8.ts";
import { type Event, parts } from "./responses.ts";
import { maxSliceBytes } from "./slices.ts";
import { maxStructJsonBytes, struct } from "./structs.ts";

export function toAssistantBlocks(event: Extract<TurnEvent, { kind: "assistantBlock" }>): Event[] {
  const { messageIndex, messageId, model, synthetic, aborted, error, block } = event;
  const shared = { messageIndex, messageId, model, synthetic, aborted, error };
  switch (block.kind) {
    case "text":
      return parts(sliceUtf8(block.text, maxSliceBytes), (text, part) => ({
        case: "assistantBlock",
        value: { ...shared, block: { case: "text", value: { text } }, ...part },
      }));
    case "thinking": {
      // A signature or encrypted thinking is never cut: a piece of one is of no use.
      const signature = block.signature.length <= maxSliceBytes ? block.signature : "";
      const redactedData = block.redactedData.length <= maxSliceBytes ? block.redactedData : "";
      return parts(sliceUtf8(block.thinking, maxSliceBytes), (thinking, part) => ({
        case: "assistantBlock",
        value: {
          ...shared,
          block: {
            case: "thinking",
            value: { thinking, ...((part.part?.index ?? 0) === 0 && { signature, redactedData }) },
          },
          ...part,
        },
      }));
    }
    case "other": {
      const other = struct(block.value);
      return [
        {
          case: "assistantBlock",
          value: { ...shared, ...(other && { block: { case: "other", value: other } }) },
        },
      ];
    }
    default:
      return block satisfies never;
  }
}

export function toToolUses(event: Extract<TurnEvent, { kind: "toolUse" }>): Event[] {
  const { toolUseId, toolName, messageIndex, unparsable, inputJson } = event;
  const input = inputJson.length <= maxStructJsonBytes && !unparsable ? struct(event.input) : undefined;
  return parts(sliceUtf8(inputJson, maxSliceBytes), (slice, part) => ({
    case: "toolUse",
    value: { toolUseId, toolName, messageIndex, unparsable, inputJson: slice, ...(input && { input }), ...part },
  }));
}
