/**
 * Takes turns in: once for each `request_id`, one at a time in each session, and each written down from its acceptance to
 * its one end.
 *
 * A turn that nobody can find again is written down when it has a worker, while that is prepared; it costs its caller no
 * wait. Any other is written down first of all: whether there is such a request already, and whether the session is free,
 * is the store's answer.
 */
import { randomUUID } from "node:crypto";
import { type Clock, sleep, within } from "../clock.ts";
import { keptNames } from "../conversations/kept-names.ts";
import { staysInConversation } from "../conversations/stays.ts";
import { type ContextLimits, type ContextVerdict, guardContext } from "../conversations/token-guard.ts";
import type { Claim } from "../pool/claim.ts";
import { isRunnerError, RunnerError } from "../runner-error.ts";
import type { Acceptance, Durability, NewTurn, SessionRecord, Store, TurnLease, TurnRecord } from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Turn, TurnNotice } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { Admission } from "../turns/life.ts";
import type { LiveTurn } from "../turns/live-turn.ts";
import type { LiveTurns } from "../turns/live-turns.ts";
import type { WorkerProcess, WorkerTranscript } from "../worker-process.ts";
import { answerParts, promptParts, toHistory } from "./content-parts.ts";
import { requestIdReused, sessionBusy, sessionMismatch, sessionNotFound, storeQuota } from "./refusals.ts";
import { type LinePlace, type SessionLines, sessionKey } from "./session-lines.ts";
import { type SessionEnding, StoreBook, sequenceStep } from "./store-book.ts";
import type { TranscriptCopies } from "./transcript-copies.ts";
import { canBeRejoined, type SessionAsk, type TurnAsk } from "./turn-ask.ts";

export interface TurnDeskLimits {
  /** How long a turn waits for its session, in milliseconds. A turn that goes on without its caller waits longer. */
  readonly sessionQueueTimeoutMs: number;
  readonly detachedQueueTimeoutMs: number;
  /** Turns of one tenant that go on although nobody reads them. */
  readonly maxUnreadTurnsPerTenant: number;
  /** Whether every turn survives the end of the machine. */
  readonly powerSafeAll: boolean;
}

export interface TurnDeskParts<Result> {
  readonly store: Store;
  readonly live: LiveTurns<Result>;
  readonly lines: SessionLines;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: TurnDeskLimits;
  /** Lets a turn of a tenant in; throws for one too many. What it returns lets go of the place. */
  readonly enter: (tenant: string) => () => void;
  readonly encodeResult: (result: Result) => Uint8Array;
  /** The version of Claude Code that writes transcripts now; empty while none is known. */
  readonly cliVersion: () => string;
  /** How long the conversations of a profile may get. */
  readonly contextLimits: (profile: string) => ContextLimits;
  readonly transcripts: TranscriptCopies;
  /** How the tool conversations of a profile go on. */
  readonly toolSessions: (profile: string) => ToolSessionRules;
}

export interface ToolSessionRules {
  /** What becomes of a turn that did not complete: it stays as Claude Code closes it, or the conversation goes back. */
  readonly onIncomplete: "keep" | "drop";
  /** What becomes of a conversation that gets too long: it is refused, or Claude Code sums it up. */
  readonly onContextFull: "refuse" | "compact";
}

/** What a turn is begun with. */
export interface TurnHooks<Result> {
  readonly book: StoreBook<Result>;
  readonly whenClaimed: (claim: Claim) => void;
  readonly beforePrompt: () => Promise<void> | undefined;
  readonly admit: (turn: Turn, signal: AbortSignal) => Admission | Promise<Admission>;
}

export type TakenIn<Result> =
  /** It was begun for this call. */
  | { readonly kind: "began"; readonly live: LiveTurn<Result> }
  /** Such a request is there, and its turn is in memory. */
  | { readonly kind: "found"; readonly live: LiveTurn<Result> }
  /** Such a request was there, and what is known of its turn is in the store. */
  | { readonly kind: "recorded"; readonly record: TurnRecord };

export class TurnDesk<Result> {
  readonly #parts: TurnDeskParts<Result>;

  constructor(parts: TurnDeskParts<Result>) {
    this.#parts = parts;
  }

  /** `begin` makes the turn, which begins at once. Throws RunnerError for one that is not taken in. */
  takeIn(
    turn: Turn,
    ask: TurnAsk,
    begin: (hooks: TurnHooks<Result>) => LiveTurn<Result>,
  ): TakenIn<Result> | Promise<TakenIn<Result>> {
    if (canBeRejoined(ask)) return this.#takeInNamed(turn, ask, begin);
    return { kind: "began", live: this.#begin(begin(this.#nameless(turn, ask))) };
  }

  #begin(live: LiveTurn<Result>): LiveTurn<Result> {
    this.#parts.live.add(live);
    return live;
  }

  /** Written down when it has a worker. */
  #nameless(turn: Turn, ask: TurnAsk): TurnHooks<Result> {
    let accepted: Promise<TurnLease> | undefined;
    const accept = async (): Promise<TurnLease> => {
      const acceptance = await this.#parts.store.acceptTurn(this.#newTurn(turn, ask));
      return this.#lease(turn, acceptance);
    };
    const book = this.#book(turn, ask, {
      lease: () => accepted ?? Promise.reject(new Error("it was never written down")),
    });
    return {
      book,
      whenClaimed: () => {
        accepted ??= accept();
        accepted.catch(() => {}); // heard of before the prompt
      },
      beforePrompt: () => book.beforePrompt(),
      admit: ({ tenant }) => ({ leave: this.#parts.enter(tenant) }),
    };
  }

  async #takeInNamed(
    turn: Turn,
    ask: TurnAsk,
    begin: (hooks: TurnHooks<Result>) => LiveTurn<Result>,
  ): Promise<TakenIn<Result>> {
    const { session } = ask;
    let leave = () => {};
    let place: LinePlace | undefined;
    try {
      this.#checkUnread(turn, ask);
      leave = this.#parts.enter(turn.tenant);
      place = session && this.#enterLine(turn, session);
    } catch (refusal) {
      leave();
      // What is in the way of a new turn may be the very one that the request has led to.
      const earlier = await this.#earlier(turn, ask);
      if (earlier === undefined) throw refusal;
      return earlier;
    }
    try {
      const acceptance = await this.#accept(turn, ask, place);
      if (acceptance.kind === "duplicate") {
        leave();
        place?.leave();
        return this.#found(acceptance.turn);
      }
      const hooks = this.#named(turn, ask, { leave, place, acceptance });
      const live = this.#begin(begin(hooks));
      void live.over.then(() => place?.leave());
      return { kind: "began", live };
    } catch (error) {
      leave();
      place?.leave();
      throw error;
    }
  }

  /** The turn that such a request has led to before. Throws REQUEST_ID_REUSED. */
  async #earlier({ tenant }: Turn, { request }: TurnAsk): Promise<TakenIn<Result> | undefined> {
    const known = request && (await this.#parts.store.knownRequest(tenant, request));
    if (known?.kind === "requestIdReused") throw requestIdReused(request?.id ?? "", known.turnId);
    return known && this.#found(known.turn);
  }

  #found(record: TurnRecord): TakenIn<Result> {
    const live = this.#parts.live.find(record.id);
    return live === undefined ? { kind: "recorded", record } : { kind: "found", live };
  }

  #enterLine(turn: Turn, session: SessionAsk): LinePlace {
    const overtakes = session.busyPolicy === "interrupt";
    const place = this.#parts.lines.enter({ tenant: turn.tenant, id: session.id }, turn.id, overtakes);
    const { holderId } = place;
    if (holderId === undefined || session.busyPolicy !== "reject") return place;
    place.leave();
    throw sessionBusy(session.id, holderId);
  }

  /** Has the store take it in. Throws for everything but an acceptance and a duplicate. */
  async #accept(
    turn: Turn,
    ask: TurnAsk,
    place: LinePlace | undefined,
  ): Promise<Extract<Acceptance, { kind: "accepted" | "duplicate" }>> {
    const { session } = ask;
    const waits = place?.holderId !== undefined;
    let acceptance = await this.#parts.store.acceptTurn(this.#newTurn(turn, ask, waits ? "later" : "now"));
    // Another server of this machine has it.
    if (acceptance.kind === "sessionBusy" && session?.busyPolicy === "queue") {
      acceptance = await this.#parts.store.acceptTurn(this.#newTurn(turn, ask, "later"));
    }
    if (acceptance.kind === "accepted" || acceptance.kind === "duplicate") return acceptance;
    throw this.#refusal(turn, ask, acceptance);
  }

  #named(
    turn: Turn,
    ask: TurnAsk,
    taken: {
      readonly leave: () => void;
      readonly place: LinePlace | undefined;
      readonly acceptance: Extract<Acceptance, { kind: "accepted" }>;
    },
  ): TurnHooks<Result> {
    const { acceptance, place, leave } = taken;
    const { session: asked } = ask;
    let lease: TurnLease = { turnId: turn.id, epoch: acceptance.epoch };
    let session = acceptance.session;
    let worker: WorkerProcess | undefined;
    const book = this.#book(turn, ask, {
      lease: () => Promise.resolve(lease),
      inSession: asked && ((end) => this.#endInSession(end, { turn, session, lease, transcript: worker?.transcript })),
    });
    return {
      book,
      whenClaimed: (claim) => {
        worker = claim.worker;
      },
      beforePrompt: () => book.beforePrompt(),
      admit: (_, signal) => {
        if (asked === undefined || place === undefined) return { leave };
        return this.#admitToSession(turn, { ask, asked, place, session, signal }).then(
          (admitted) => {
            if (admitted.epoch !== undefined) lease = { turnId: turn.id, epoch: admitted.epoch };
            session = admitted.session;
            return { leave, turn: this.#inSession(turn, admitted.session) };
          },
          (error: unknown) => {
            leave();
            throw error;
          },
        );
      },
    };
  }

  /** Waits until the turn has its session. */
  async #admitToSession(
    turn: Turn,
    {
      ask,
      asked,
      place,
      session,
      signal,
    }: {
      readonly ask: TurnAsk;
      readonly asked: SessionAsk;
      readonly place: LinePlace;
      readonly session: SessionRecord | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly session: SessionRecord; readonly epoch: number | undefined }> {
    if (session?.runningTurnId === turn.id) return { session, epoch: undefined };
    const { clock, limits, live, store } = this.#parts;
    const sinceMs = clock.now();
    const waitedMs = () => Math.round(clock.now() - sinceMs);
    const limitMs = ask.onDisconnect === "continue" ? limits.detachedQueueTimeoutMs : limits.sessionQueueTimeoutMs;
    const { holderId } = place;
    if (asked.busyPolicy === "interrupt" && holderId !== undefined) live.find(holderId)?.stop(displaced(turn.id));
    const late = () => sessionBusy(asked.id, place.holderId ?? holderId ?? "", waitedMs());
    await within(clock, limitMs, place.first(signal), late);
    for (;;) {
      signal.throwIfAborted();
      const taking = await store.takeSession(turn.id);
      if (taking.kind === "taken") return taking;
      if (taking.kind === "sessionNotFound") throw sessionNotFound(asked.id);
      // A turn of another server of this machine: nobody here is told when it ends.
      if (asked.busyPolicy !== "queue" || waitedMs() >= limitMs) {
        throw sessionBusy(asked.id, taking.runningTurnId, waitedMs());
      }
      await sleep(clock, otherServerPollMs, signal);
    }
  }

  /** The turn with what was said in its session before. */
  #inSession(turn: Turn, session: SessionRecord): Turn {
    const { store } = this.#parts;
    const { tenant, id, lastTurnId, turnCount, kind } = session;
    const mayBeSummedUp = kind === "tools" && this.#parts.toolSessions(turn.profile).onContextFull === "compact";
    const limits = this.#parts.contextLimits(turn.profile);
    const context = mayBeSummedUp ? roomy : guardContext(session, turn.content, limits);
    if (context.kind === "full") throw contextFull(id, context);
    const conversation = keptNames({ sessionId: sessionKey(session), lastTurnId, turn });
    if (kind === "tools") {
      if (turnCount > 0 && session.transcript === undefined) throw withoutTranscript(id);
      const sessionLaunch = this.#parts.transcripts.launchOf(session, turn, randomUUID());
      return { ...turn, sessionId: id, conversation, sessionLaunch };
    }
    return {
      ...turn,
      ...(context.kind === "notice" && { notice: contextNotice(context) }),
      sessionId: id,
      conversation,
      earlier: {
        messageCount: turnCount * 2,
        load: async () => toHistory(await store.conversation(tenant, id)),
      },
    };
  }

  /** What the end of a turn means for its session's conversation. Never rejects. */
  async #endInSession(
    end: TurnEnd | undefined,
    {
      turn,
      session,
      lease,
      transcript,
    }: {
      readonly turn: Turn;
      readonly session: SessionRecord | undefined;
      readonly lease: TurnLease;
      readonly transcript: WorkerTranscript | undefined;
    },
  ): Promise<SessionEnding> {
    const ending = endingOf(end, session);
    if (end === undefined || session === undefined || transcript === undefined) return ending;
    const isComplete = end.outcome === "completed";
    if (!isComplete && this.#parts.toolSessions(turn.profile).onIncomplete === "drop") {
      return { ...ending, isInConversation: false };
    }
    try {
      const copied = await this.#parts.transcripts.copy(lease, session, {
        transcript,
        cliVersion: this.#parts.cliVersion(),
      });
      const { contextTokens, contextWindowTokens } = end;
      // Without a line in the transcript Claude Code does not know of the turn.
      if (copied === undefined) return { ...ending, isInConversation: false };
      return { ...ending, isInConversation: true, contextTokens, contextWindowTokens, transcript: copied };
    } catch (error) {
      this.#parts.log.error({ turnId: turn.id, err: error }, "the transcript of a session could not be copied");
      const suspension = isRunnerError(error, "SESSION_SUSPENDED")
        ? { reason: error.reason, message: error.message }
        : { reason: "STORE_UNAVAILABLE" as const, message: "the session's last turn could not be written down" };
      return { ...ending, isInConversation: false, suspension };
    }
  }

  #newTurn(turn: Turn, ask: TurnAsk, take: "now" | "later" = "now"): NewTurn {
    const { session, request } = ask;
    return {
      id: turn.id,
      tenant: turn.tenant,
      profile: turn.profile,
      model: turn.settings.model,
      detail: turn.detail,
      onDisconnect: ask.onDisconnect,
      durability: this.#durability(request !== undefined),
      highestSequence: sequenceStep,
      request,
      session: session && {
        id: session.id,
        ifMissing: session.ifMissing,
        binding: session.binding,
        kind: session.kind,
        take,
      },
      content: session && promptParts(turn.content),
    };
  }

  #book(
    turn: Turn,
    ask: TurnAsk,
    about: {
      readonly lease: () => Promise<TurnLease>;
      readonly inSession?: ((end: TurnEnd | undefined) => Promise<SessionEnding>) | undefined;
    },
  ): StoreBook<Result> {
    const { store, clock, log, encodeResult } = this.#parts;
    return new StoreBook<Result>({
      ...about,
      store,
      clock,
      log,
      turnId: turn.id,
      isAwaited: canBeRejoined(ask),
      keepsEvents: ask.onDisconnect === "continue",
      keepsResult: canBeRejoined(ask),
      isPowerSafe: this.#durability(canBeRejoined(ask)) === "powerSafe",
      encode: encodeResult,
    });
  }

  #durability(isPowerSafe: boolean): Durability {
    return isPowerSafe || this.#parts.limits.powerSafeAll ? "powerSafe" : "processSafe";
  }

  #lease(turn: Turn, acceptance: Acceptance): TurnLease {
    if (acceptance.kind === "accepted") return { turnId: turn.id, epoch: acceptance.epoch };
    throw this.#refusal(turn, { onDisconnect: "cancel" }, acceptance);
  }

  #refusal(turn: Turn, { request, session }: TurnAsk, acceptance: Acceptance): RunnerError {
    const sessionId = session?.id ?? "";
    switch (acceptance.kind) {
      case "requestIdReused":
        return requestIdReused(request?.id ?? "", acceptance.turnId);
      case "sessionNotFound":
        return sessionNotFound(sessionId);
      case "sessionBusy":
        return sessionBusy(sessionId, acceptance.runningTurnId);
      case "sessionMismatch":
        return sessionMismatch(sessionId, acceptance.differing);
      case "quotaExceeded":
        return storeQuota(acceptance, turn.tenant);
      case "accepted":
      case "duplicate":
        throw new Error(`bug: ${acceptance.kind} is no refusal`);
      default:
        return acceptance satisfies never;
    }
  }

  #checkUnread({ tenant }: Turn, { onDisconnect }: TurnAsk): void {
    if (onDisconnect !== "continue") return;
    const { maxUnreadTurnsPerTenant: limit } = this.#parts.limits;
    let count = 0;
    for (const { turn, log } of this.#parts.live.open()) {
      if (turn.tenant === tenant && log.readerCount === 0) count += 1;
    }
    if (count < limit) return;
    const message = `the tenant "${tenant}" has ${count} turns that nobody reads; it may have ${limit}`;
    throw new RunnerError("QUOTA_EXCEEDED", message, { facts: { tenant, count, limit } });
  }
}

const roomy = { kind: "ok" } as const;

const withoutTranscript = (id: string): RunnerError =>
  new RunnerError("SESSION_SUSPENDED", `the session "${id}" cannot continue: its transcript is missing`, {
    facts: { sessionId: id },
  });

/** How often it is looked whether another server's turn has ended, in milliseconds. */
const otherServerPollMs = 250;

const displaced = (byTurnId: string): RunnerError =>
  new RunnerError("TURN_INTERRUPTED", `the turn ${byTurnId} of its session took its place`, { facts: { byTurnId } });

/** What an end means for the conversation. A turn that no worker had leaves it as it was. */
function endingOf(end: TurnEnd | undefined, session: SessionRecord | undefined): SessionEnding {
  const { contextTokens = 0, contextWindowTokens = 0 } = session ?? {};
  const before = { contextTokens, contextWindowTokens };
  if (end === undefined) return { isInConversation: false, answer: [], ...before };
  const stays = staysInConversation(end);
  return {
    isInConversation: stays,
    answer: answerParts(end.answerBlocks),
    // A turn that the conversation does not go through takes nothing up.
    ...(stays ? { contextTokens: end.contextTokens, contextWindowTokens: end.contextWindowTokens } : before),
  };
}

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
