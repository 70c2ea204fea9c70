/**
 * What the server writes down about turns and sessions: one interface, which every kind of store fulfils in the same way
 * (`test/store/contract.ts`).
 *
 * Knows no proto, no call and no worker: words and results are bytes to it. Every method is one transaction. Nothing here
 * depends on being the only server: whoever writes for a turn or a session names the epoch under which it was given to
 * them, in the same statement, and a write under an old one fails with `LeaseLost`.
 *
 * What the caller may do about is an answer, of a closed union; what nobody foresaw is thrown. A store that cannot write
 * throws RunnerError STORE_UNAVAILABLE. Moments are milliseconds since 1970, by the clock that the store was opened with.
 */

import type { RunnerReason } from "../runner-error.ts";
import type { Binding, Detail, OnDisconnect } from "../turn.ts";
import type { Outcome } from "../turn-end.ts";
import type { Usage } from "../usage.ts";

/** What survives what. Process-safe: the end of the server's process; power-safe: that of the machine as well. */
export type Durability = "processSafe" | "powerSafe";

export type RecordedState = "waiting" | "running" | "ended";

/** Why a turn failed, as it can be told again later. */
export interface RecordedError {
  readonly reason: RunnerReason;
  readonly message: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** A turn, without its words. */
export interface TurnRecord {
  readonly id: string;
  readonly tenant: string;
  readonly profile: string;
  readonly model: string;
  readonly detail: Detail;
  readonly onDisconnect: OnDisconnect;
  readonly sessionId: string | undefined;
  readonly requestId: string | undefined;
  /** The server that has or had it. */
  readonly ownerId: string;
  readonly state: RecordedState;
  /** Set exactly when it has ended after Claude Code had its prompt, or might have had. */
  readonly outcome: Outcome | undefined;
  readonly error: RecordedError | undefined;
  readonly acceptedAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
  readonly usage: Usage;
  readonly costUsdMicros: number;
  readonly costIsEstimate: boolean;
  /** No event with a larger number was ever delivered. Raised ahead of delivery; exact when the turn has ended. */
  readonly highestSequence: number;
  /** The events of it that are stored; `undefined`: none. */
  readonly stored: { readonly firstSequence: number; readonly lastSequence: number } | undefined;
  /** Whether its session's conversation goes through it. */
  readonly isInConversation: boolean;
  /** Whether its words are here. */
  readonly hasContent: boolean;
}

/** A part of a prompt or of an answer, in full. */
export interface ContentPart {
  readonly side: "prompt" | "answer";
  /** `text/plain` for text; a text document has a title, perhaps an empty one, and `isDocument`. */
  readonly mediaType: string;
  readonly isDocument: boolean;
  readonly title: string;
  readonly data: Uint8Array;
}

/** A part as lists have it. */
export interface ContentSummary extends Omit<ContentPart, "data"> {
  /** SHA-256 in lower-case hexadecimal. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Of a text: its beginning, cut between characters. Empty for anything else. */
  readonly text: string;
  readonly isCut: boolean;
}

export type SessionKind = "text" | "tools";

export interface SessionRecord {
  readonly id: string;
  readonly tenant: string;
  readonly profile: string;
  /** What its turns are fixed to; `undefined` before the first one, unless it was created with it. */
  readonly binding: Binding | undefined;
  readonly kind: SessionKind | undefined;
  readonly title: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The turn that has the session now. */
  readonly runningTurnId: string | undefined;
  readonly suspension:
    | { readonly reason: RunnerReason; readonly message: string; readonly sinceMs: number }
    | undefined;
  /** Turns that the conversation goes through. */
  readonly turnCount: number;
  readonly lastTurnId: string | undefined;
  readonly usage: Usage;
  readonly costUsdMicros: number;
  readonly contextTokens: number;
  readonly contextWindowTokens: number;
  /** What its profile was at the last turn that the conversation goes through; `undefined`: before that. */
  readonly profileDigest: string | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly idleExpiryMs: number;
  readonly expiresAtMs: number;
  readonly forkedFrom: { readonly sessionId: string; readonly turnId: string | undefined } | undefined;
  /** Raised each time that a turn takes the session. */
  readonly epoch: number;
  /** Claude Code's own transcript, for tool conversations. */
  readonly transcript: TranscriptState | undefined;
}

export interface TranscriptState {
  /** The session's id within Claude Code, a UUID. */
  readonly cliSessionId: string;
  readonly cliVersion: string;
  readonly sizeBytes: number;
  /** SHA-256 of all of it, in lower-case hexadecimal. */
  readonly digest: string;
}

export interface NewSession {
  readonly id: string;
  readonly tenant: string;
  readonly profile: string;
  readonly binding: Binding | undefined;
  readonly kind: SessionKind | undefined;
  readonly title: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly idleExpiryMs: number;
}

/** The caller's name for a request, and a digest of its content. */
export interface NamedRequest {
  readonly id: string;
  readonly digest: Uint8Array;
}

/** A turn that asks to be accepted. */
export interface NewTurn {
  readonly id: string;
  readonly tenant: string;
  readonly profile: string;
  readonly model: string;
  readonly detail: Detail;
  readonly onDisconnect: OnDisconnect;
  readonly durability: Durability;
  /** The bound that no delivered event's number exceeds before it is raised. */
  readonly highestSequence: number;
  readonly request?: NamedRequest | undefined;
  readonly session?: NewTurnSession | undefined;
  /** Its prompt, for a session. */
  readonly content?: readonly ContentPart[] | undefined;
}

export interface NewTurnSession {
  readonly id: string;
  /** With what the session is created when it is missing. Absent: then the turn is not accepted. */
  readonly ifMissing?: Omit<NewSession, "id" | "tenant" | "profile" | "binding" | "kind"> | undefined;
  /** What the turn would fix its session to; a session that is fixed to something else is a mismatch. */
  readonly binding: Binding;
  readonly kind: SessionKind;
  /** Whether it takes the session now, or is accepted and takes it later with `takeSession`. */
  readonly take: "now" | "later";
}

export type Acceptance =
  /** `session`: as it is now; absent for a turn without one. `epoch`: for all further writes of the turn. */
  | { readonly kind: "accepted"; readonly epoch: number; readonly session: SessionRecord | undefined }
  | KnownRequest
  | { readonly kind: "sessionNotFound" }
  | { readonly kind: "sessionBusy"; readonly runningTurnId: string }
  | { readonly kind: "sessionMismatch"; readonly differing: readonly SessionField[] }
  | QuotaExceeded;

export type KnownRequest =
  /** There was such a request, with the same content. Nothing was written. */
  | { readonly kind: "duplicate"; readonly turn: TurnRecord }
  | { readonly kind: "requestIdReused"; readonly turnId: string };

export type SessionField = "profile" | "systemPrompt" | "outputSchemaJson";

/** A cap of the tenant, or of the whole store, is reached, and nothing of the tenant's may be dropped for it. */
export interface QuotaExceeded {
  readonly kind: "quotaExceeded";
  readonly what: "bytes" | "sessions" | "requestIds" | "turns";
  readonly limit: number;
  readonly isGlobal: boolean;
}

export type Taking =
  | { readonly kind: "taken"; readonly epoch: number; readonly session: SessionRecord }
  | { readonly kind: "sessionBusy"; readonly runningTurnId: string; readonly isOwn: boolean }
  /** It was deleted meanwhile. */
  | { readonly kind: "sessionNotFound" };

/** Who writes for a turn. */
export interface TurnLease {
  readonly turnId: string;
  readonly epoch: number;
}

/** How a turn ends. */
export interface TurnEnding {
  readonly durability: Durability;
  /** `undefined`: Claude Code never had its prompt. Its `request_id` is free again then. */
  readonly outcome: Outcome | undefined;
  readonly error: RecordedError | undefined;
  readonly usage: Usage;
  readonly costUsdMicros: number;
  readonly costIsEstimate: boolean;
  readonly lastSequence: number;
  /** The last event, for a turn whose events are stored. Its number is `lastSequence`. */
  readonly lastEvent?: EventRun | undefined;
  /** The result to give again: for a turn of a session or with a `request_id`. */
  readonly result?: Uint8Array | undefined;
  /** For a turn of a session. Gives the session back. */
  readonly session?: EndingInSession | undefined;
}

export interface EndingInSession {
  /** Whether the conversation goes on from this turn, or from the one before it. */
  readonly isInConversation: boolean;
  readonly answer: readonly ContentPart[];
  readonly contextTokens: number;
  readonly contextWindowTokens: number;
  /** What the turn's profile was (`SessionRecord.profileDigest`). */
  readonly profileDigest: string;
  /** Set: the session is suspended. `undefined`: it is not any more, if the turn had its prompt. */
  readonly suspension: { readonly reason: RunnerReason; readonly message: string } | undefined;
  /** How much of the transcript belongs to the conversation now. */
  readonly transcript?: TranscriptState | undefined;
}

/** Events in their encoded form, in order. */
export interface EventRun {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Each event: its number (4 bytes), its flags (1), its length (4), all little-endian, then its bytes. */
  readonly packed: Uint8Array;
}

/** A turn of a conversation as a worker has to know it. */
export interface ConversationTurn {
  readonly turnId: string;
  readonly prompt: readonly ContentPart[];
  readonly answer: readonly ContentPart[];
}

/** Where a list goes on: after the element with this time and id. */
export interface Position {
  readonly atMs: number;
  readonly id: string;
}

export interface TurnQuery {
  /** `undefined`: of all tenants. */
  readonly tenant: string | undefined;
  /** Only of these profiles; `undefined`: of all. */
  readonly profiles: readonly string[] | undefined;
  readonly sessionId?: string | undefined;
  /** Only this one. */
  readonly turnId?: string | undefined;
  readonly state?: RecordedState | undefined;
  readonly after?: Position | undefined;
  readonly limit: number;
  /** How many words come with them. Absent: none. */
  readonly content?: WordLimits | undefined;
}

/** How many bytes of words a list has. */
export interface WordLimits {
  /** Each text is cut there. */
  readonly maxTextBytes: number;
  /** The texts of one turn together: those that have no room are cut. Absent: no bound. */
  readonly maxTurnBytes?: number;
  /** The list ends with the turn whose words go beyond it, though never with its first one. Absent: no bound. */
  readonly maxListBytes?: number;
}

export interface ListedTurn {
  readonly turn: TurnRecord;
  readonly prompt: readonly ContentSummary[];
  readonly answer: readonly ContentSummary[];
}

export interface SessionQuery {
  readonly tenant: string;
  readonly profiles: readonly string[] | undefined;
  readonly titleContains?: string | undefined;
  readonly state?: "idle" | "running" | "suspended" | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly after?: Position | undefined;
  readonly limit: number;
}

export interface Fork {
  readonly tenant: string;
  readonly sessionId: string;
  readonly newId: string;
  readonly until:
    | { readonly kind: "all" }
    | { readonly kind: "after"; readonly turnId: string }
    | { readonly kind: "before"; readonly turnId: string };
  readonly title: string | undefined;
  /** The copy's id within Claude Code, if the conversation has a transcript. */
  readonly newCliSessionId: string;
}

export type Forking =
  | { readonly kind: "forked"; readonly session: SessionRecord }
  | { readonly kind: "sessionNotFound" }
  | { readonly kind: "sessionExists" }
  | { readonly kind: "turnNotInConversation" }
  | QuotaExceeded;

export type Deletion =
  | { readonly kind: "deleted"; readonly turnIds: readonly string[] }
  | { readonly kind: "sessionNotFound" }
  | { readonly kind: "sessionBusy"; readonly runningTurnId: string };

export interface SessionChange {
  readonly title?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly idleExpiryMs?: number | undefined;
}

/** What a start found of servers that are gone: each of their turns has its end now. */
export interface Recovered {
  readonly ownerIds: readonly string[];
  readonly lostTurnCount: number;
  readonly freedSessionCount: number;
}

export interface StoreHealth {
  /** What is wrong, in one sentence for a person. `undefined`: nothing. */
  readonly problem: string | undefined;
  /** Whether it takes new turns. */
  readonly takesTurns: boolean;
  readonly usedBytes: number;
  /** Ends of turns that could not be written, and will be tried again. */
  readonly owedEndCount: number;
  /** What it holds, as it was counted last; `undefined`: not yet. */
  readonly census: StoreCensus | undefined;
}

export interface StoreCensus {
  readonly sessionCount: number;
  /** Those that a turn has now. */
  readonly runningSessionCount: number;
  /** Of the others, those that could not go on when they were asked to. */
  readonly suspendedSessionCount: number;
  /** Words, results and events: what the caps are about. */
  readonly contentBytes: number;
}

/** Where a store says what an operator should know. */
export interface StoreLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Thrown by a write under an epoch that is not the turn's or the session's any more. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

export interface Store extends AsyncDisposable {
  readonly kind: "memory" | "sqlite";
  /** This server's name in it, new at each start. */
  readonly ownerId: string;
  health(): StoreHealth;

  // ---- Turns -----------------------------------------------------------------------------------------------------

  /** Writes a turn down. When this returns `accepted`, the turn will have exactly one end, whatever happens. */
  acceptTurn(turn: NewTurn): Promise<Acceptance>;
  /** Gives a turn that this server has accepted its session, when nobody else has it. */
  takeSession(turnId: string): Promise<Taking>;
  /**
   * Claude Code is about to get the prompt. Nobody has to wait for it: a turn whose server dies counts as one that may have
   * run, unless it waited for its session.
   */
  startTurn(lease: TurnLease): Promise<void>;
  /** No event beyond `highestSequence` is delivered before this returns. */
  raiseHighestSequence(lease: TurnLease, highestSequence: number): Promise<void>;
  /**
   * Stores events of a turn that goes on without its caller. Takes the bytes: they must not be changed until it returns.
   * Throws QUOTA_EXCEEDED when there is no room for them; those that come later may have room again.
   */
  appendEvents(lease: TurnLease, events: EventRun): Promise<void>;
  /**
   * The end. Once; a second one is LeaseLost. When it cannot be written it throws STORE_UNAVAILABLE, and the store writes
   * it by itself as soon as it can: nobody has to try again.
   */
  endTurn(lease: TurnLease, ending: TurnEnding): Promise<void>;
  turn(tenant: string, turnId: string): Promise<TurnRecord | undefined>;
  turnByRequestId(tenant: string, requestId: string): Promise<TurnRecord | undefined>;
  /** What `acceptTurn` would answer because of its request alone. Writes nothing. */
  knownRequest(tenant: string, request: NamedRequest): Promise<KnownRequest | undefined>;
  /** Those of a session from the first on, all others the newest first. */
  turns(query: TurnQuery): Promise<readonly ListedTurn[]>;
  result(tenant: string, turnId: string): Promise<Uint8Array | undefined>;
  /** Stored events after a number, in order, about `maxBytes` at most and at least one run. Empty: there are none. */
  events(turnId: string, afterSequence: number, maxBytes: number): Promise<readonly EventRun[]>;
  /** A piece of a part; `undefined`: there is no such part. */
  content(
    tenant: string,
    turnId: string,
    digest: string,
    range: { readonly offsetBytes: number; readonly maxBytes: number },
  ): Promise<{ readonly data: Uint8Array; readonly sizeBytes: number; readonly mediaType: string } | undefined>;

  // ---- Sessions --------------------------------------------------------------------------------------------------

  createSession(session: NewSession): Promise<SessionRecord | { readonly kind: "sessionExists" } | QuotaExceeded>;
  session(tenant: string, id: string): Promise<SessionRecord | undefined>;
  /** The one that changed last first. */
  sessions(query: SessionQuery): Promise<readonly SessionRecord[]>;
  updateSession(tenant: string, id: string, change: SessionChange): Promise<SessionRecord | undefined>;
  /** A turn that waits for it stays, without words, and is not among the deleted: it has its end to come. */
  deleteSession(tenant: string, id: string): Promise<Deletion>;
  /** The turns of a copy have new ids, and cost nothing. */
  forkSession(fork: Fork): Promise<Forking>;
  /** The conversation of a session, in order. */
  conversation(tenant: string, sessionId: string): Promise<readonly ConversationTurn[]>;

  // ---- Transcripts -----------------------------------------------------------------------------------------------

  /**
   * Adds to the transcript of the session that the turn has. `offsetBytes` must be where it ends now. What the turn's end does
   * not name as part of the transcript goes with that.
   */
  appendTranscript(
    lease: TurnLease,
    piece: { readonly cliSessionId: string; readonly offsetBytes: number; readonly data: Uint8Array },
  ): Promise<void>;
  /** A file that stands beside the transcript, such as a large tool result. Replaces one of the same name. */
  putSessionFile(lease: TurnLease, name: string, data: Uint8Array): Promise<void>;
  /** In order; about `maxBytes` at a time. Empty at the end. */
  readTranscript(tenant: string, sessionId: string, offsetBytes: number, maxBytes: number): Promise<Uint8Array>;
  sessionFileNames(tenant: string, sessionId: string): Promise<readonly string[]>;
  sessionFiles(
    tenant: string,
    sessionId: string,
  ): Promise<readonly { readonly name: string; readonly data: Uint8Array }[]>;
}
