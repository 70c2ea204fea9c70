/**
 * What the end of a turn means for its session: whether the conversation goes through it, what it takes up of the model's
 * window, and Claude Code's transcript of it, copied before anybody is told the end.
 */
import type { ModelWindows } from "../conversations/model-windows.ts";
import { staysInConversation } from "../conversations/stays.ts";
import { isRunnerError } from "../runner-error.ts";
import type { SessionRecord, TurnLease } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { WorkerTranscript } from "../worker-process.ts";
import { answerParts } from "./content-parts.ts";
import type { SessionRules } from "./session-rules.ts";
import type { SessionEnding } from "./store-book.ts";
import type { TranscriptCopies } from "./transcript-copies.ts";

export interface SessionEndParts extends Pick<SessionRules, "toolSessions" | "profileDigest"> {
  readonly log: Log;
  /** Told what each turn reports of its model. */
  readonly windows: ModelWindows;
  readonly transcripts: TranscriptCopies;
  /** The version of Claude Code that writes transcripts now; empty while none is known. */
  readonly cliVersion: () => string;
}

export interface TurnOfSession {
  readonly turn: Turn;
  /** As it was when the turn got it; absent: it never did. */
  readonly session: SessionRecord | undefined;
  readonly lease: TurnLease;
  /** Of the worker that ran the turn, if it writes one. */
  readonly transcript: WorkerTranscript | undefined;
}

/** `end`: absent for a turn that never began. Never rejects. */
export async function endInSession(
  parts: SessionEndParts,
  end: TurnEnd | undefined,
  { turn, session, lease, transcript }: TurnOfSession,
): Promise<SessionEnding> {
  const ending = { ...endingOf(end, session), profileDigest: parts.profileDigest(turn.profile) };
  if (end !== undefined) parts.windows.learn(turn.settings.model, end.contextWindowTokens);
  if (end === undefined || session === undefined || transcript === undefined) return ending;
  const isComplete = end.outcome === "completed";
  if (!isComplete && parts.toolSessions(turn.profile).onIncomplete === "drop") {
    return { ...ending, isInConversation: false };
  }
  try {
    const cliVersion = parts.cliVersion();
    const copied = await parts.transcripts.copy(lease, session, { transcript, cliVersion });
    // Without a line in the transcript Claude Code does not know of the turn.
    if (copied === undefined) return { ...ending, isInConversation: false };
    return { ...ending, ...contextAfter(end, session), isInConversation: true, transcript: copied };
  } catch (error) {
    parts.log.error({ turnId: turn.id, err: error }, "the transcript of a session could not be copied");
    const suspension = isRunnerError(error, "SESSION_SUSPENDED")
      ? { reason: error.reason, message: error.message }
      : { reason: "STORE_UNAVAILABLE" as const, message: "the session's last turn could not be written down" };
    return { ...ending, isInConversation: false, suspension };
  }
}

/** How much the conversation takes up. A worker that died without a result has not said: at least as much as before. */
function contextAfter(
  { contextTokens, contextWindowTokens }: Pick<TurnEnd, "contextTokens" | "contextWindowTokens">,
  before: { readonly contextTokens: number; readonly contextWindowTokens: number },
): { readonly contextTokens: number; readonly contextWindowTokens: number } {
  return {
    contextTokens: contextTokens || before.contextTokens,
    contextWindowTokens: contextWindowTokens || before.contextWindowTokens,
  };
}

/** A turn that no worker had leaves the conversation as it was. */
function endingOf(end: TurnEnd | undefined, session: SessionRecord | undefined): Omit<SessionEnding, "profileDigest"> {
  const { contextTokens = 0, contextWindowTokens = 0 } = session ?? {};
  const before = { contextTokens, contextWindowTokens };
  if (end === undefined) return { isInConversation: false, answer: [], ...before };
  const stays = staysInConversation(end);
  return {
    isInConversation: stays,
    answer: answerParts(end.answerBlocks),
    // A turn that the conversation does not go through takes nothing up.
    ...(stays ? contextAfter(end, before) : before),
  };
}
