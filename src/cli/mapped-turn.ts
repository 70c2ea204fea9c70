/**
 * What the mappers of one turn share: its settings, its messages, its meter, and what they found out on the way that
 * decides how the turn ended.
 */
import type { Detail } from "../turn.ts";
import type { TurnEvent, TurnEventBody } from "../turn-event.ts";
import type { HostPaths } from "./host-paths.ts";
import { type JsonObject, textAt } from "./json.ts";
import type { TurnMeter } from "./meter.ts";
import { TurnMessages } from "./turn-messages.ts";

/** An error that the CLI reported as a message of its own. The last one of a turn explains its result. */
export interface ReportedFailure {
  readonly text: string;
  readonly cliError: string;
  readonly httpStatus: number | undefined;
  readonly apiError: string;
  readonly apiErrorType: string;
  readonly apiErrorParams: JsonObject;
  readonly requestId: string;
  readonly stopReason: string;
  readonly refusalCategory: string;
  readonly refusalExplanation: string;
}

/** Why a process cannot be reset after this turn; a short code for logs and the recycle counter. */
export type Taint =
  | "compacted"
  | "model_switched"
  | "background_tasks"
  | "conversation_reset"
  | "foreign_turn"
  | "second_result"
  | "stale_events"
  | "garbage"
  | "idle_not_confirmed"
  | "unexpected_end";

export interface MappedTurnOptions {
  readonly detail: Detail;
  readonly paths: HostPaths;
  readonly meter: TurnMeter;
  /** A line whose kind is not known to this driver. */
  readonly onUnknown: (name: string) => void;
}

export class MappedTurn {
  readonly detail: Detail;
  readonly paths: HostPaths;
  readonly meter: TurnMeter;
  readonly onUnknown: (name: string) => void;
  readonly messages = new TurnMessages();
  /** The names of the tools that were used, by the id of the use. */
  readonly toolNames = new Map<string, string>();

  cliVersion = "";
  model = "";
  /** Whether text or a tool use of the model was passed on. */
  contentStreamed = false;
  failure: ReportedFailure | undefined;
  /** A hook blocked the prompt. */
  blockedByHook = false;
  /** How many retries of model calls there were. */
  retryCount = 0;
  refusalCategory = "";
  refusalExplanation = "";
  taint: Taint | undefined;

  constructor(options: MappedTurnOptions) {
    this.detail = options.detail;
    this.paths = options.paths;
    this.meter = options.meter;
    this.onUnknown = options.onUnknown;
  }

  /** Whether more than text is wanted. What is not wanted is not built; it is counted all the same. */
  get wantsAll(): boolean {
    return this.detail !== "text";
  }

  /** Whether what the model writes is no longer passed on, since the limit for it was reached. */
  get isMuted(): boolean {
    return this.meter.reached === "outputLimit";
  }
}

/** The tool use that started the sub-agent to which a line belongs; empty for the main conversation. */
export function parentOf(body: JsonObject): string {
  return textAt(body, "parent_tool_use_id");
}

export function withParent(event: TurnEventBody, parentToolUseId: string): TurnEvent {
  return parentToolUseId === "" ? event : { ...event, parentToolUseId };
}

/** Keeps a line of an unknown kind as an event, where it is wanted. */
export function keepUnknown(turn: MappedTurn, name: string, out: TurnEvent[]): void {
  turn.onUnknown(name);
  if (turn.wantsAll) out.push({ kind: "unknown", name, internal: false });
}
