/**
 * What a turn shows, in the order in which it came. Knows no DOM.
 *
 * Items change while a turn runs; `revision` grows with every change, so that a view draws what has changed and no more.
 */
import type { ToolResult } from "../clients/typescript/src/gen/claude/runner/v1/event_pb.ts";

interface Changing {
  revision: number;
}

/** Where a block stands in its turn: what a retraction names. */
export interface BlockPlace {
  readonly messageIndex: number;
  /** `undefined` for a block that came whole, without a place. */
  readonly blockIndex: number | undefined;
}

/** Text of the answer, in markdown. */
export interface TextItem extends Changing, BlockPlace {
  readonly kind: "text";
  text: string;
  isOver: boolean;
  readonly sources: Source[];
}

/** What a piece of text cites. */
export interface Source {
  readonly title: string;
  /** Empty: it is no page of the web. */
  readonly url: string;
}

export interface ThinkingItem extends Changing, BlockPlace {
  readonly kind: "thinking";
  text: string;
  isOver: boolean;
  /** Of thinking that is hidden: how long it is by the server's estimate, in tokens. */
  estimatedTokenCount: number;
}

/** The parts of a tool's answer, put together again. */
export type ToolAnswer = Pick<ToolResult, "content" | "output" | "isError" | "nonExecutionKind" | "elidedBytes">;

export interface ToolItem extends Changing, BlockPlace {
  readonly kind: "tool";
  readonly toolUseId: string;
  name: string;
  /** The JSON text of the input, as far as it is there. */
  inputJson: string;
  /** Writing the input, running, or over in one of three ways. */
  state: "preparing" | "running" | "done" | "failed" | "denied";
  answer: ToolAnswer | undefined;
  /** How long it has been running, in milliseconds; `undefined` while nothing says so. */
  elapsedMs: number | undefined;
  /** What a sub-agent or a long command tells about itself. */
  progress: string;
  /** What a sub-agent said and did. */
  readonly children: Item[];
}

/** Something told in words. */
export interface NoteItem extends Changing {
  readonly kind: "note";
  text: string;
  readonly tone: "info" | "warning";
  /** Notes of one topic replace one another. */
  readonly topic: string;
}

export type Item = TextItem | ThinkingItem | ToolItem | NoteItem;
