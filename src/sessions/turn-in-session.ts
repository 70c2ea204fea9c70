/**
 * A turn as its session has it go on: with what was said before, or with the transcript that Claude Code goes on with, and
 * with the guard against a conversation that gets too long.
 */
import { randomUUID } from "node:crypto";
import { keptNames } from "../conversations/kept-names.ts";
import type { ModelWindows } from "../conversations/model-windows.ts";
import { type ContextVerdict, guardContext, type KnownContext } from "../conversations/token-guard.ts";
import { RunnerError } from "../runner-error.ts";
import type { SessionRecord, Store } from "../store/store.ts";
import type { Binding, Turn, TurnNotice } from "../turn.ts";
import { toHistory } from "./content-parts.ts";
import { sessionKey } from "./session-lines.ts";
import type { SessionRules } from "./session-rules.ts";
import type { TranscriptCopies } from "./transcript-copies.ts";

export interface TurnInSessionParts extends SessionRules {
  readonly store: Store;
  readonly transcripts: TranscriptCopies;
  readonly windows: ModelWindows;
}

const roomy = { kind: "ok" } as const;

/**
 * The turn as the session has it now: one that waited may have come before the session, which another turn began and fixed.
 * `asked`: what the turn's own request asks to be fixed. Throws CONTEXT_FULL, and SESSION_SUSPENDED for a conversation whose
 * transcript is missing.
 */
export function turnInSession(
  parts: TurnInSessionParts,
  { turn: taken, asked }: { readonly turn: Turn; readonly asked: Partial<Binding> },
  session: SessionRecord,
): Turn {
  const turn = { ...taken, binding: bindingIn(parts, taken.profile, { asked, session }) };
  const { tenant, id, lastTurnId, turnCount, kind } = session;
  const mayBeSummedUp = kind === "tools" && parts.toolSessions(turn.profile).onContextFull === "compact";
  const known = knownContext(parts, session, turn.settings.model);
  const context = mayBeSummedUp ? roomy : guardContext(known, turn.content, parts.contextLimits(turn.profile));
  if (context.kind === "full") throw contextFull(id, context);
  const conversation = keptNames({ sessionId: sessionKey(session), lastTurnId, turn });
  const { profileDigest } = session;
  const isChanged = profileDigest !== undefined && profileDigest !== parts.profileDigest(turn.profile);
  const notices = [
    ...(isChanged ? [profileChanged(turn.profile)] : []),
    ...(context.kind === "notice" ? [contextNotice(context)] : []),
  ];
  if (kind === "tools") {
    if (turnCount > 0 && session.transcript === undefined) throw withoutTranscript(id);
    const sessionLaunch = parts.transcripts.launchOf(session, turn, randomUUID());
    return { ...turn, notices, sessionId: id, conversation, sessionLaunch };
  }
  return {
    ...turn,
    notices,
    sessionId: id,
    conversation,
    earlier: {
      messageCount: turnCount * 2,
      load: async () => toHistory(await parts.store.conversation(tenant, id)),
    },
  };
}

function bindingIn(
  { systemPrompt }: TurnInSessionParts,
  profile: string,
  { asked, session: { binding } }: { readonly asked: Partial<Binding>; readonly session: SessionRecord },
): Binding {
  return {
    systemPrompt: systemPrompt(profile, asked.systemPrompt ?? binding?.systemPrompt),
    outputSchemaJson: asked.outputSchemaJson ?? binding?.outputSchemaJson,
  };
}

/** How much the conversation takes up, and how much the turn's model has room for. */
function knownContext(
  { windows }: TurnInSessionParts,
  { contextTokens, contextWindowTokens: last }: SessionRecord,
  model: string,
): KnownContext {
  // Of a model that nobody has asked yet: as large as the last one's. What is too long for it Claude Code refuses, as it
  // does with a first turn, of whose size nothing is known but an estimate.
  return { contextTokens, contextWindowTokens: last === 0 ? 0 : (windows.of(model) ?? last) };
}

const withoutTranscript = (id: string): RunnerError =>
  new RunnerError("SESSION_SUSPENDED", `the session "${id}" cannot continue: its transcript is missing`, {
    facts: { sessionId: id },
  });

function contextFull(sessionId: string, { estimatedTokens, fullTokens }: ContextVerdict): RunnerError {
  const message = `with this turn the conversation of the session "${sessionId}" would have about ${estimatedTokens} tokens; a turn is refused from ${fullTokens} on`;
  return new RunnerError("CONTEXT_FULL", message, { facts: { sessionId, estimatedTokens, fullTokens } });
}

function contextNotice({ estimatedTokens, fullTokens }: ContextVerdict): TurnNotice {
  return {
    noticeKind: "context_filling_up",
    text: `This conversation has about ${estimatedTokens} tokens. From ${fullTokens} on the server refuses further turns: begin a new session, or fork this one at an earlier turn.`,
  };
}

const profileChanged = (profile: string): TurnNotice => ({
  noticeKind: "profile_changed",
  text: `The settings of the profile "${profile}" have changed since the last turn of this session, which goes on under the new ones.`,
});
