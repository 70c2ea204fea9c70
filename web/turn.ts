/**
 * One turn as the page knows it: fed with the events of its stream, asked by its view. Knows no DOM and no network.
 */
import {
  Activity,
  type AssistantBlock,
  BlockKind,
  type BlockStart,
  type PermissionDenied,
  type Retracted,
  type Started,
  type Status,
  type ToolResult,
  type ToolUse,
} from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";
import type { TurnResult } from "../clients/typescript/src/gen/claude/runner/v1/result_pb.ts";
import type { StreamChatResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import type { CallFailure } from "./failure.ts";
import { millisecondsOf } from "./format.ts";
import { noteOf, taskWords } from "./notes.ts";
import type { BlockPlace, Item, NoteItem, TextItem, ThinkingItem, ToolItem } from "./turn-items.ts";

/** How a turn ended, as far as its caller saw it. */
export type TurnEnd =
  /** With a result under OK. */
  | { readonly kind: "result" }
  /** The person cancelled it. */
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly failure: CallFailure };

export interface TurnRequest {
  readonly prompt: string;
  /** The id of the trace that this turn is part of: the page's own, told to the server. */
  readonly traceId: string;
  readonly sentAtMs: number;
}

/** More notes than this are not kept. */
const maxNoteCount = 100;

export class Turn {
  readonly request: TurnRequest;
  /** The server's id of the turn. Empty: not known yet. */
  turnId = "";
  started: Started | undefined;
  result: TurnResult | undefined;
  /** Unset while it runs. */
  end: TurnEnd | undefined;
  /** What is going on. */
  activity = "Waiting for a worker";
  readonly items: Item[] = [];
  /** How many events have come. */
  eventCount = 0;
  /** The last event that has come: where its stream is joined again. */
  lastSequence = 0;
  /** Whether its stream is broken for now, and is about to be joined again. */
  isCutOff = false;
  readonly #blocks = new Map<string, TextItem | ThinkingItem | ToolItem>();
  readonly #tools = new Map<string, ToolItem>();
  #noteCount = 0;
  /** Whether events are missing, so that the result alone has the whole answer. */
  #hasGap = false;

  constructor(request: TurnRequest) {
    this.request = request;
  }

  /** The text of the answer without what was taken back: what the next turn gets as history. */
  get text(): string {
    return this.items.map((item) => (item.kind === "text" ? item.text : "")).join("");
  }

  finish(end: TurnEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    for (const block of this.#blocks.values()) closeBlock(block);
    for (const tool of this.#tools.values()) {
      if (tool.state !== "preparing" && tool.state !== "running") continue;
      tool.state = "failed";
      tool.revision += 1;
    }
  }

  apply({ event, turnId, sequence, parentToolUseId: parent }: StreamChatResponse): void {
    this.eventCount += 1;
    this.lastSequence = sequence;
    if (turnId !== "") this.turnId = turnId;
    switch (event.case) {
      case "started":
        this.started = event.value;
        this.activity = "Asking the model";
        return;
      case "textDelta":
        this.#text(event.value, parent, event.value.text);
        return;
      case "thinkingDelta":
        this.#thinking(event.value, parent).text += event.value.thinking;
        return;
      case "thinkingProgress": {
        const thinking = this.#lastThinking();
        if (thinking === undefined) return;
        thinking.estimatedTokenCount = Number(event.value.estimatedTokenCount);
        thinking.revision += 1;
        return;
      }
      case "toolInputDelta": {
        const tool = this.#blocks.get(keyOf(event.value, parent));
        if (tool?.kind !== "tool") return;
        tool.inputJson += event.value.partialJson;
        tool.revision += 1;
        return;
      }
      case "citationDelta":
        this.#cite(event.value, parent, event.value.citation ?? {});
        return;
      case "blockStart":
        this.#blockStart(event.value, parent);
        return;
      case "blockStop": {
        const block = this.#blocks.get(keyOf(event.value, parent));
        if (block !== undefined) closeBlock(block);
        return;
      }
      case "messageStop":
        for (const block of this.#blocks.values()) {
          if (block.messageIndex === event.value.messageIndex) closeBlock(block);
        }
        return;
      case "assistantBlock":
        // The main conversation's blocks were streamed; a sub-agent's come whole.
        if (parent !== "") this.#wholeBlock(event.value, parent);
        return;
      case "toolUse":
        this.#toolUse(event.value, parent);
        return;
      case "toolResult":
        this.#toolResult(event.value);
        return;
      case "toolProgress": {
        const tool = this.#tools.get(event.value.toolUseId);
        if (tool === undefined || event.value.elapsed === undefined) return;
        tool.elapsedMs = millisecondsOf(event.value.elapsed);
        tool.revision += 1;
        return;
      }
      case "permissionDenied":
        this.#denied(event.value);
        return;
      case "task": {
        const tool = this.#tools.get(event.value.toolUseId);
        if (tool === undefined) {
          this.#note({ text: taskWords(event.value), tone: "info", topic: event.value.taskId });
          return;
        }
        tool.progress = taskWords(event.value);
        tool.revision += 1;
        return;
      }
      case "status":
        this.#status(event.value);
        return;
      case "retracted":
        this.#retract(event.value, parent);
        this.#note(noteOf(event));
        return;
      case "gap":
        this.#hasGap = true;
        this.#note(noteOf(event));
        return;
      case "result":
        this.result = event.value;
        if (this.#hasGap && event.value.text !== "") this.#replaceText(event.value.text);
        return;
      default:
        this.#note(noteOf(event));
    }
  }

  #blockStart(start: BlockStart, parent: string): void {
    switch (start.kind) {
      case BlockKind.THINKING:
      case BlockKind.REDACTED_THINKING:
        this.#thinking(start, parent);
        return;
      case BlockKind.TOOL_USE:
      case BlockKind.SERVER_TOOL_USE: {
        if (start.toolUseId === "") return;
        const tool = this.#tool(start.toolUseId, start.toolName, parent, start);
        this.#blocks.set(keyOf(start, parent), tool);
        this.activity = `Preparing ${start.toolName}`;
        return;
      }
      case BlockKind.SERVER_TOOL_RESULT: {
        // It does not say which one it answers; these run one at a time.
        const tool = [...this.#tools.values()].findLast(({ state }) => state === "preparing");
        if (tool !== undefined) become(tool, "done");
        return;
      }
      default:
        return; // Text gets its item with its first delta.
    }
  }

  #text(place: BlockPlace, parent: string, text: string): void {
    const key = keyOf(place, parent);
    let item = this.#blocks.get(key);
    if (item?.kind !== "text") {
      item = { kind: "text", ...placeOf(place), text: "", isOver: false, sources: [], revision: 0 };
      this.#blocks.set(key, item);
      this.#listOf(parent).push(item);
    }
    item.text += text;
    item.revision += 1;
    if (parent === "") this.activity = "Answering";
  }

  #cite(place: BlockPlace, parent: string, citation: object): void {
    const item = this.#blocks.get(keyOf(place, parent));
    if (item?.kind !== "text") return;
    const fields = citation as Readonly<Record<string, unknown>>;
    const textAt = (key: string) => (typeof fields[key] === "string" ? fields[key] : "");
    const url = textAt("url");
    const title = textAt("title") || textAt("document_title") || url || textAt("cited_text").slice(0, 100);
    if (title === "" || item.sources.some((known) => known.title === title && known.url === url)) return;
    item.sources.push({ title, url });
    item.revision += 1;
  }

  #thinking(place: BlockPlace, parent: string): ThinkingItem {
    const key = keyOf(place, parent);
    let item = this.#blocks.get(key);
    if (item?.kind !== "thinking") {
      item = { kind: "thinking", ...placeOf(place), text: "", isOver: false, estimatedTokenCount: 0, revision: 0 };
      this.#blocks.set(key, item);
      this.#listOf(parent).push(item);
    }
    item.revision += 1;
    if (parent === "") this.activity = "Thinking";
    return item;
  }

  #lastThinking(): ThinkingItem | undefined {
    return this.items.findLast((item): item is ThinkingItem => item.kind === "thinking" && !item.isOver);
  }

  #wholeBlock({ block, messageIndex }: AssistantBlock, parent: string): void {
    const place = { messageIndex, blockIndex: undefined };
    if (block.case === "text" && block.value.text !== "") {
      this.#listOf(parent).push({
        kind: "text",
        ...place,
        text: block.value.text,
        isOver: true,
        sources: [],
        revision: 1,
      });
    } else if (block.case === "thinking" && block.value.thinking !== "") {
      const { thinking } = block.value;
      this.#listOf(parent).push({
        kind: "thinking",
        ...place,
        text: thinking,
        isOver: true,
        estimatedTokenCount: 0,
        revision: 1,
      });
    }
  }

  #tool(toolUseId: string, name: string, parent: string, place: BlockPlace): ToolItem {
    const known = this.#tools.get(toolUseId);
    if (known !== undefined) return known;
    const tool: ToolItem = {
      kind: "tool",
      toolUseId,
      name,
      ...placeOf(place),
      inputJson: "",
      state: "preparing",
      answer: undefined,
      elapsedMs: undefined,
      progress: "",
      children: [],
      revision: 0,
    };
    this.#tools.set(toolUseId, tool);
    this.#listOf(parent).push(tool);
    return tool;
  }

  #toolUse(use: ToolUse, parent: string): void {
    const tool = this.#tool(use.toolUseId, use.toolName, parent, { ...use, blockIndex: undefined });
    tool.name = use.toolName;
    // The whole input takes the place of its pieces.
    tool.inputJson = use.part !== undefined && use.part.index > 0 ? tool.inputJson + use.inputJson : use.inputJson;
    become(tool, "running");
    if (parent === "") this.activity = `Running ${use.toolName}`;
  }

  #toolResult(result: ToolResult): void {
    const tool = this.#tools.get(result.toolUseId);
    if (tool === undefined) return;
    const before = result.part !== undefined && result.part.index > 0 ? tool.answer : undefined;
    tool.answer = before === undefined ? result : { ...before, content: [...before.content, ...result.content] };
    if (tool.state !== "denied") become(tool, result.isError ? "failed" : "done");
    else tool.revision += 1;
    const running = [...this.#tools.values()].findLast(({ state }) => state === "running");
    this.activity = running === undefined ? "Asking the model" : `Running ${running.name}`;
  }

  #denied({ toolUseId, toolName, message, reason }: PermissionDenied): void {
    const tool = this.#tools.get(toolUseId);
    if (tool !== undefined) become(tool, "denied");
    this.#note({ text: `${toolName} was denied: ${reason || message}`, tone: "warning", topic: "" });
  }

  #status({ activity, permissionMode, compactError }: Status): void {
    if (activity === Activity.REQUESTING) this.activity = "Asking the model";
    if (activity === Activity.COMPACTING) this.activity = "Summarising the conversation";
    if (permissionMode !== "") this.#note({ text: `Permission mode: ${permissionMode}`, tone: "info", topic: "" });
    if (compactError !== "") {
      this.#note({ text: `Summarising the conversation failed: ${compactError}`, tone: "warning", topic: "" });
    }
  }

  #retract({ messageIndex, fromBlockIndex }: Retracted, parent: string): void {
    const list = this.#listOf(parent);
    const isVoid = (item: Item) =>
      item.kind !== "note" &&
      item.messageIndex === messageIndex &&
      item.blockIndex !== undefined &&
      item.blockIndex >= fromBlockIndex;
    for (const item of list.filter(isVoid)) {
      if (item.kind === "tool") this.#tools.delete(item.toolUseId);
      list.splice(list.indexOf(item), 1);
    }
    for (const [key, block] of this.#blocks)
      if (isVoid(block) && key.startsWith(`${parent}/`)) this.#blocks.delete(key);
    this.activity = "Asking the model";
  }

  /** The answer as the result has it. */
  #replaceText(text: string): void {
    const others = this.items.filter(({ kind }) => kind !== "text");
    const whole: TextItem = {
      kind: "text",
      messageIndex: 0,
      blockIndex: undefined,
      text,
      isOver: true,
      sources: [],
      revision: 1,
    };
    this.items.splice(0, this.items.length, ...others, whole);
  }

  #note(note: Pick<NoteItem, "text" | "tone" | "topic"> | undefined): void {
    if (note === undefined) return;
    const last = this.items.at(-1);
    if (note.topic !== "" && last?.kind === "note" && last.topic === note.topic && last.tone === note.tone) {
      last.text = note.text;
      last.revision += 1;
      return;
    }
    this.#noteCount += 1;
    if (this.#noteCount > maxNoteCount) return;
    this.items.push({ kind: "note", ...note, revision: 0 });
  }

  /** Where the items of a sub-agent go; a parent that is not known counts as none. */
  #listOf(parent: string): Item[] {
    return (parent === "" ? undefined : this.#tools.get(parent)?.children) ?? this.items;
  }
}

function keyOf({ messageIndex, blockIndex }: BlockPlace, parent: string): string {
  return `${parent}/${messageIndex}/${blockIndex}`;
}

function placeOf({ messageIndex, blockIndex }: BlockPlace): BlockPlace {
  return { messageIndex, blockIndex };
}

function closeBlock(block: TextItem | ThinkingItem | ToolItem): void {
  if (block.kind === "tool" || block.isOver) return;
  block.isOver = true;
  block.revision += 1;
}

function become(tool: ToolItem, state: ToolItem["state"]): void {
  tool.state = state;
  tool.revision += 1;
}
