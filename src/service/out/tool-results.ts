/**
 * What a tool answered as the caller gets it: what the model read is sliced and never cut; what the tool reported beside
 * it is cut to what an event can hold, and says by how much.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ToolResultContentSchema, ToolResultSchema } from "../../../gen/claude/runner/v1/event_pb.ts";
import { jsonText } from "../../json-value.ts";
import type { Hunk, ToolOutput, ToolResultContent, TurnEvent } from "../../turn-event.ts";
import { cutUtf8, sliceUtf8 } from "../../utf8.ts";
import { duration, int32, int64 } from "../protobuf.ts";
import type { Event } from "./responses.ts";
import { maxSliceBytes } from "./slices.ts";
import { maxStructJsonBytes, struct, value } from "./structs.ts";

type Content = MessageInitShape<typeof ToolResultContentSchema>;
type Output = NonNullable<MessageInitShape<typeof ToolResultSchema>["output"]>;

/** What a tool reported has this much room in an event, in bytes. */
const maxOutputBytes = 160 * 1024;

export function toToolResults(event: Extract<TurnEvent, { kind: "toolResult" }>): Event[] {
  const { output, elidedBytes } =
    event.output === undefined ? { output: undefined, elidedBytes: 0 } : toOutput(event.output);
  const slices = toSlices(event.content);
  return slices.map((content, index): Event => {
    const part = slices.length === 1 ? {} : { part: { index, count: slices.length } };
    const { toolUseId, isError } = event;
    if (index > 0) return { case: "toolResult", value: { toolUseId, isError, content, ...part } };
    return {
      case: "toolResult",
      value: {
        toolUseId,
        isError,
        content,
        ...(output && { output }),
        permissionDecision: event.permissionDecision,
        permissionSource: event.permissionSource,
        nonExecutionKind: event.nonExecutionKind,
        elidedBytes: int64(event.elidedBytes + elidedBytes),
        ...part,
      },
    };
  });
}

/** The contents in groups that fit into an event each; long texts are sliced. At least one group. */
function toSlices(contents: readonly ToolResultContent[]): Content[][] {
  const groups: Content[][] = [[]];
  let bytes = 0;
  const put = (content: Content, size: number) => {
    if (bytes > 0 && bytes + size > maxSliceBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(content);
    bytes += size;
  };
  for (const content of contents) {
    switch (content.kind) {
      case "text":
        for (const text of sliceUtf8(content.text, maxSliceBytes))
          put({ content: { case: "text", value: text } }, Buffer.byteLength(text));
        break;
      case "media":
        put(
          { content: { case: "media", value: { mediaType: content.mediaType, sizeBytes: int64(content.sizeBytes) } } },
          64,
        );
        break;
      case "other": {
        const json = jsonText(content.value);
        const other = json.length <= maxStructJsonBytes ? struct(content.value) : undefined;
        if (other !== undefined) put({ content: { case: "other", value: other } }, json.length * 7);
        else
          for (const text of sliceUtf8(json, maxSliceBytes))
            put({ content: { case: "text", value: text } }, Buffer.byteLength(text));
        break;
      }
      default:
        content satisfies never;
    }
  }
  return groups;
}

function toOutput(output: ToolOutput): { output: Output | undefined; elidedBytes: number } {
  let elidedBytes = 0;
  const keep = (text: string, maxBytes = maxOutputBytes / 2): string => {
    const kept = cutUtf8(text, maxBytes);
    if (kept.length < text.length) elidedBytes += Buffer.byteLength(text) - Buffer.byteLength(kept);
    return kept;
  };
  const made = ((): Output | undefined => {
    switch (output.kind) {
      case "bash": {
        const { interrupted, isImage, backgroundTaskId, persistedSizeBytes } = output;
        return {
          case: "bash",
          value: {
            stdout: keep(output.stdout),
            stderr: keep(output.stderr),
            interrupted,
            isImage,
            backgroundTaskId,
            persistedSizeBytes: int64(persistedSizeBytes),
          },
        };
      }
      case "fileRead": {
        const { path, startLine, lineCount, totalLineCount, fileKind } = output;
        return {
          case: "fileRead",
          value: {
            path: keep(path, 8192),
            startLine: int32(startLine),
            lineCount: int32(lineCount),
            totalLineCount: int32(totalLineCount),
            kind: fileKind,
          },
        };
      }
      case "fileChange": {
        const { kept, elided } = fitHunks(output.hunks);
        elidedBytes += elided;
        return { case: "fileChange", value: { path: keep(output.path, 8192), created: output.created, hunks: kept } };
      }
      case "agent": {
        const { agentId, totalTokens, toolUses, durationMs } = output;
        return {
          case: "agent",
          value: {
            report: keep(output.report),
            agentId,
            totalTokenCount: int64(totalTokens),
            toolUseCount: int32(toolUses),
            duration: duration(durationMs),
          },
        };
      }
      case "other": {
        const other = value(output.value);
        if (other !== undefined) return { case: "other", value: other };
        elidedBytes += Buffer.byteLength(jsonText(output.value));
        return undefined;
      }
      default:
        return output satisfies never;
    }
  })();
  return { output: made, elidedBytes };
}

/** As many whole hunks as fit, and the size of the rest. */
function fitHunks(hunks: readonly Hunk[]): { kept: (Omit<Hunk, "lines"> & { lines: string[] })[]; elided: number } {
  let bytes = 0;
  let elided = 0;
  const kept: (Omit<Hunk, "lines"> & { lines: string[] })[] = [];
  for (const hunk of hunks) {
    const size = hunk.lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 4, 32);
    if (bytes + size > maxOutputBytes) elided += size;
    else {
      bytes += size;
      kept.push({
        oldStartLine: int32(hunk.oldStartLine),
        oldLineCount: int32(hunk.oldLineCount),
        newStartLine: int32(hunk.newStartLine),
        newLineCount: int32(hunk.newLineCount),
        lines: [...hunk.lines],
      });
    }
  }
  return { kept, elided };
}
