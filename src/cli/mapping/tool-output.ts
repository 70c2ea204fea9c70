/**
 * What a tool itself reported about its run, typed where its shape is known.
 *
 * Told by shape and not by the tool's name: names change between versions, and a tool of an MCP server may be called
 * anything. What repeats whole files is left out and counted.
 */

import { type Json, jsonText } from "../../json-value.ts";
import type { Hunk, ToolOutput } from "../../turn-event.ts";
import { cutUtf8 } from "../../utf8.ts";
import type { HostPaths } from "../protocol/host-paths.ts";
import {
  amountAt,
  countAt,
  flagAt,
  isObject,
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  textAt,
  textsAt,
} from "../protocol/json-members.ts";

/** The most of one report that is carried, in bytes of JSON. The whole line is there at full detail. */
const maxOutputBytes = 256 * 1024;

export interface MappedToolOutput {
  readonly output: ToolOutput | undefined;
  readonly elidedBytes: number;
}

export function mapToolOutput(report: Json | undefined, paths: HostPaths): MappedToolOutput {
  // A string is an error's text and a list is an MCP tool's content: both are in `content` already.
  if (!isObject(report)) return { output: undefined, elidedBytes: 0 };
  if (typeof report.stdout === "string" && typeof report.stderr === "string") return bash(report, paths);
  if (isObject(report.file)) return fileRead(report, paths);
  if (typeof report.filePath === "string" && Array.isArray(report.structuredPatch)) return fileChange(report, paths);
  if (typeof report.agentId === "string") return agent(report, paths);
  const bytes = Buffer.byteLength(jsonText(report));
  if (bytes > maxOutputBytes) return { output: undefined, elidedBytes: bytes };
  return { output: { kind: "other", value: paths.json(report) }, elidedBytes: 0 };
}

function bash(report: JsonObject, paths: HostPaths): MappedToolOutput {
  const stdout = cut(paths.text(textAt(report, "stdout")));
  const stderr = cut(paths.text(textAt(report, "stderr")));
  return {
    output: {
      kind: "bash",
      stdout: stdout.text,
      stderr: stderr.text,
      interrupted: flagAt(report, "interrupted"),
      isImage: flagAt(report, "isImage"),
      backgroundTaskId: textAt(report, "backgroundTaskId"),
      persistedSizeBytes: countAt(report, "persistedOutputSize"),
    },
    elidedBytes: stdout.elidedBytes + stderr.elidedBytes,
  };
}

function fileRead(report: JsonObject, paths: HostPaths): MappedToolOutput {
  const file = objectAt(report, "file");
  const lineCount = countAt(file, "numLines");
  return {
    output: {
      kind: "fileRead",
      path: paths.text(textAt(file, "filePath")),
      startLine: countAt(file, "startLine"),
      lineCount,
      totalLineCount: numberAt(file, "totalLines") === undefined ? lineCount : countAt(file, "totalLines"),
      fileKind: textAt(report, "type"),
    },
    elidedBytes: sizeOf(file.content) + sizeOf(file.base64),
  };
}

function fileChange(report: JsonObject, paths: HostPaths): MappedToolOutput {
  const hunks: Hunk[] = [];
  let bytes = 0;
  let elidedBytes = sizeOf(report.originalFile) + sizeOf(report.content);
  for (const patch of objectsAt(report, "structuredPatch")) {
    const lines = textsAt(patch, "lines");
    const size = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    if (bytes + size > maxOutputBytes) {
      elidedBytes += size;
      continue;
    }
    bytes += size;
    hunks.push({
      oldStartLine: countAt(patch, "oldStart"),
      oldLineCount: countAt(patch, "oldLines"),
      newStartLine: countAt(patch, "newStart"),
      newLineCount: countAt(patch, "newLines"),
      lines,
    });
  }
  const path = paths.text(textAt(report, "filePath"));
  return { output: { kind: "fileChange", path, created: report.type === "create", hunks }, elidedBytes };
}

function agent(report: JsonObject, paths: HostPaths): MappedToolOutput {
  const blocks = objectsAt(report, "content").map((block) => textAt(block, "text"));
  // The CLI says how many blocks before and behind the report are its own notes.
  const own = blocks.slice(countAt(report, "harnessNoteCount"), blocks.length - countAt(report, "harnessTailCount"));
  const text = cut(paths.text(own.join("\n")));
  return {
    output: {
      kind: "agent",
      report: text.text,
      agentId: textAt(report, "agentId"),
      totalTokens: countAt(report, "totalTokens"),
      toolUses: countAt(report, "totalToolUseCount"),
      durationMs: amountAt(report, "totalDurationMs"),
    },
    elidedBytes: text.elidedBytes,
  };
}

function sizeOf(value: Json | undefined): number {
  return typeof value === "string" ? Buffer.byteLength(value) : 0;
}

function cut(text: string): { readonly text: string; readonly elidedBytes: number } {
  const kept = cutUtf8(text, maxOutputBytes);
  return { text: kept, elidedBytes: kept === text ? 0 : Buffer.byteLength(text) - Buffer.byteLength(kept) };
}
