/**
 * What a tool was given and what it answered, as labelled texts. Pure.
 */
import type { FileChangeOutput, ToolResultContent } from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import { counted, millisecondsOf, sizeText, timeText } from "./format.ts";
import type { ToolAnswer } from "./turn-items.ts";

export interface ToolPart {
  /** Empty: it needs none. */
  readonly label: string;
  /** How it is drawn. A difference has `+`, `-` or a blank in front of each line. */
  readonly kind: "text" | "error" | "difference" | "markdown";
  readonly text: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** The one thing that tells what a use of a tool is about: the command, the path, the question. One line. */
export function toolSummary(inputJson: string): string {
  const input = parsed(inputJson);
  if (input === undefined) return "";
  const names = ["command", "file_path", "path", "pattern", "url", "query", "description", "prompt", "skill"];
  for (const name of names) {
    const value = input[name];
    if (typeof value === "string" && value.trim() !== "") return firstLine(value);
  }
  const only = Object.values(input).find((value) => typeof value === "string");
  return typeof only === "string" ? firstLine(only) : "";
}

/** The input as a person reads it. A command is itself; anything else is JSON with its lines apart. */
export function inputText(inputJson: string): string {
  const input = parsed(inputJson);
  if (input === undefined) return inputJson;
  const { command, ...rest } = input;
  const others = Object.keys(rest).filter((name) => name !== "description");
  if (typeof command === "string" && others.length === 0) return command;
  return JSON.stringify(input, undefined, 2);
}

function parsed(json: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    return undefined; // It is still being written, or the model wrote no JSON.
  }
}

function firstLine(text: string): string {
  const [line = ""] = text.trim().split("\n", 1);
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

/** What came back: what the tool itself reports where that is known, else what the model got to read. */
export function answerParts(answer: ToolAnswer): readonly ToolPart[] {
  const parts = outputParts(answer);
  const shown = parts.length > 0 && !answer.isError ? parts : contentParts(answer.content, answer.isError);
  const elided =
    answer.elidedBytes > 0n
      ? [{ label: "", kind: "text", text: `${sizeText(Number(answer.elidedBytes))} left out by the server` } as const]
      : [];
  return [...shown, ...elided];
}

function outputParts({ output }: ToolAnswer): readonly ToolPart[] {
  switch (output.case) {
    case "bash": {
      const { stdout, stderr, interrupted, isImage, backgroundTaskId, persistedSizeBytes } = output.value;
      const parts: ToolPart[] = [];
      if (isImage) parts.push(text("a picture"));
      else if (stdout !== "") parts.push(text(stdout));
      if (stderr !== "") parts.push({ label: "stderr", kind: "error", text: stderr });
      if (backgroundTaskId !== "") parts.push(text(`in the background as ${backgroundTaskId}`));
      if (interrupted) parts.push({ label: "", kind: "error", text: "interrupted" });
      if (persistedSizeBytes > 0n) parts.push(text(`${sizeText(Number(persistedSizeBytes))} in all`));
      return parts.length > 0 ? parts : [text("no output")];
    }
    case "fileRead": {
      const { path, startLine, lineCount, totalLineCount, kind } = output.value;
      const lines = `lines ${startLine} to ${startLine + lineCount - 1} of ${totalLineCount}`;
      return [text(`${path}: ${kind === "text" ? lines : kind}`)];
    }
    case "fileChange":
      return [changePart(output.value)];
    case "agent": {
      const { report, totalTokenCount, toolUseCount, duration } = output.value;
      const facts = [counted(toolUseCount, "tool use"), counted(totalTokenCount, "token")];
      if (duration !== undefined) facts.push(timeText(millisecondsOf(duration)));
      return [{ label: facts.join(" · "), kind: "markdown", text: report }];
    }
    default:
      return []; // What the model got to read says the same in words.
  }
}

function changePart({ path, created, hunks }: FileChangeOutput): ToolPart {
  const lines = hunks.flatMap((hunk) => hunk.lines);
  const plus = lines.filter((line) => line.startsWith("+")).length;
  const minus = lines.filter((line) => line.startsWith("-")).length;
  const label = created ? `${path}: new` : `${path}: +${plus} −${minus}`;
  return { label, kind: "difference", text: lines.join("\n") };
}

function contentParts(content: readonly ToolResultContent[], isError: boolean): readonly ToolPart[] {
  return content.map(({ content: part }): ToolPart => {
    switch (part.case) {
      case "text":
        return { label: "", kind: isError ? "error" : "text", text: part.value };
      case "media":
        return text(`${part.value.mediaType}, ${sizeText(Number(part.value.sizeBytes))}`);
      case "other":
        return text(JSON.stringify(part.value satisfies Readonly<Record<string, unknown>>, undefined, 2));
      default:
        return text("");
    }
  });
}

const text = (words: string): ToolPart => ({ label: "", kind: "text", text: words });
