/**
 * What a turn asks for: the request in the domain's own words, checked and complete.
 *
 * What happens in it is `turn-event.ts`, how it ends `turn-end.ts`, and who runs it `worker-process.ts`. None of them
 * knows RPC or the CLI: the generated types live at the edge (`service/`), the CLI's words in `cli/`.
 */
import type { SessionLaunch } from "./session-launch.ts";
import type { Binding, ModelSettings } from "./turn-settings.ts";

export type { Binding, Effort, ModelSettings } from "./turn-settings.ts";

/** What becomes of a turn when its caller goes: it is ended, or goes on. */
export type OnDisconnect = "cancel" | "continue";

/** How much of a turn is streamed: little, every typed event, or those and every line of the CLI. */
export type Detail = "text" | "standard" | "full";

export type ContentBlock =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly mediaType: string; readonly data: Uint8Array }
  | { readonly kind: "pdf"; readonly data: Uint8Array; readonly title?: string }
  | { readonly kind: "textDocument"; readonly text: string; readonly title?: string };

/**
 * One message of the conversation so far, block for block: joining or splitting blocks would lead to another request.
 *
 * Roles alternate from user to assistant. No message is without blocks and no text is empty: Claude Code drops an empty
 * answer in silence and merges the questions around it. Whoever makes a history sees to that: `service/in/requests.ts` for
 * a request's, `conversations/stays.ts` for a turn that is to become part of one.
 */
export type HistoryMessage =
  | { readonly role: "user"; readonly content: readonly ContentBlock[] }
  | { readonly role: "assistant"; readonly texts: readonly string[] };

/** Bounds of a turn; reaching one ends it under status OK. `undefined`: no bound. */
export interface TurnLimits {
  readonly maxModelCallCount?: number | undefined;
  readonly maxCostUsdMicros?: number | undefined;
  readonly maxOutputBytes?: number | undefined;
  readonly maxDurationMs?: number | undefined;
}

/** The names under which a worker may keep a conversation; `conversations/kept-names.ts` makes them. */
export interface KeptNames {
  /** Of what was said before this turn. Absent: nothing that a worker could still have. */
  readonly before?: string | undefined;
  /** Of that with this turn, once it has completed. */
  readonly after: string;
}

/** What a session has of a conversation: fetched only for a worker that does not still have it (`Turn.conversation`). */
export interface EarlierMessages {
  readonly messageCount: number;
  load(signal: AbortSignal): Promise<readonly HistoryMessage[]>;
}

/** How many messages there were before a turn. */
export function earlierMessageCount({ earlier, history }: Pick<Turn, "earlier" | "history">): number {
  return earlier?.messageCount ?? history.length;
}

/** Something that the server has to say about a turn. */
export interface TurnNotice {
  /** One word for programs. */
  readonly noticeKind: "context_filling_up" | "profile_changed";
  readonly text: string;
}

/** One turn, checked and complete: nothing of it needs another look. */
export interface Turn {
  /** A v4 UUID of ours; also the uuid on the user line, which has to be new for each line. */
  readonly id: string;
  readonly tenant: string;
  /** The name of the profile. */
  readonly profile: string;
  readonly content: readonly ContentBlock[];
  /** All that was said before, as its request has it. */
  readonly history: readonly HistoryMessage[];
  /** All that was said before, as its session has it, in place of `history`. */
  readonly earlier?: EarlierMessages | undefined;
  /**
   * What a worker of its session's own is launched with, which has the conversation, the binding, the model and the effort
   * of the turn from its start. Absent: its conversation needs none.
   */
  readonly sessionLaunch?: SessionLaunch | undefined;
  /** Absent: its worker forgets it, or ends, when the turn has ended. */
  readonly conversation?: KeptNames | undefined;
  /** The session that it belongs to. Absent: none. */
  readonly sessionId?: string | undefined;
  /** The caller's name for its request. Absent: none. */
  readonly requestId?: string | undefined;
  /** What becomes of it when its caller goes. Absent: `cancel`. */
  readonly onDisconnect?: OnDisconnect | undefined;
  /** What its readers are told when it has begun. Absent: nothing. */
  readonly notices?: readonly TurnNotice[] | undefined;
  readonly binding: Binding;
  readonly settings: ModelSettings;
  readonly limits: TurnLimits;
  readonly detail: Detail;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether its caller is an operator, who gets the model API's own words about a failure. Absent: no. */
  readonly forOperator?: boolean | undefined;
}
