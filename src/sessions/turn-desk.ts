/**
 * Takes turns in: once for each `request_id`, one at a time in each session, and each written down from its acceptance to
 * its one end.
 *
 * A turn that nobody can find again is written down when it has a worker, while that is prepared; it costs its caller no
 * wait. Any other is written down first of all: whether there is such a request already, and whether the session is free,
 * is the store's answer.
 */
import type { Clock } from "../clock.ts";
import type { ModelWindows } from "../conversations/model-windows.ts";
import type { Claim } from "../pool/claim.ts";
import { RunnerError, soonMs } from "../runner-error.ts";
import type {
  Acceptance,
  Durability,
  NamedRequest,
  NewTurn,
  SessionRecord,
  Store,
  TurnLease,
  TurnRecord,
} from "../store/store.ts";
import type { Log } from "../telemetry/log.ts";
import type { Turn } from "../turn.ts";
import type { TurnEnd } from "../turn-end.ts";
import type { Admission } from "../turns/life.ts";
import type { LiveTurn } from "../turns/live-turn.ts";
import type { LiveTurns } from "../turns/live-turns.ts";
import type { WorkerProcess } from "../worker-process.ts";
import { promptParts } from "./content-parts.ts";
import { acceptanceRefusal, requestIdReused, sessionBusy } from "./refusals.ts";
import { endInSession } from "./session-end.ts";
import type { LinePlace, SessionLines } from "./session-lines.ts";
import type { SessionRules } from "./session-rules.ts";
import { waitForSession } from "./session-wait.ts";
import { type SessionEnding, StoreBook, sequenceStep } from "./store-book.ts";
import type { TranscriptCopies } from "./transcript-copies.ts";
import { canBeRejoined, namedRequest, type SessionAsk, type TurnAsk } from "./turn-ask.ts";
import { turnInSession } from "./turn-in-session.ts";

export interface TurnDeskLimits {
  /** How long a turn waits for its session, in milliseconds. A turn that goes on without its caller waits longer. */
  readonly sessionQueueTimeoutMs: number;
  readonly detachedQueueTimeoutMs: number;
  /** Turns of one tenant that go on although nobody reads them. */
  readonly maxUnreadTurnsPerTenant: number;
  /** Whether every turn survives the end of the machine. */
  readonly powerSafeAll: boolean;
}

export interface TurnDeskParts<Result> extends SessionRules {
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
  readonly transcripts: TranscriptCopies;
  readonly windows: ModelWindows;
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
      refuseIfBusy(session, place);
      await place?.othersDecided();
      refuseIfBusy(session, place);
    } catch (refusal) {
      leave();
      place?.leave();
      // What is in the way of a new turn may be the very one that the request has led to.
      const earlier = await this.#earlier(turn, ask);
      if (earlier === undefined) throw refusal;
      return earlier;
    }
    try {
      // Only now that the turn has its place: a large request does not lose it to a small one that came later.
      const request = await namedRequest(ask);
      const acceptance = await this.#accept(turn, ask, { place, request });
      if (acceptance.kind === "duplicate") {
        leave();
        place?.leave();
        return this.#found(acceptance.turn);
      }
      const hooks = this.#named(turn, ask, { leave, place, acceptance });
      const live = this.#begin(begin(hooks));
      place?.stay();
      void live.over.then(() => place?.leave());
      return { kind: "began", live };
    } catch (error) {
      leave();
      place?.leave();
      throw error;
    }
  }

  /** The turn that such a request has led to before. Throws REQUEST_ID_REUSED. */
  async #earlier({ tenant }: Turn, ask: TurnAsk): Promise<TakenIn<Result> | undefined> {
    const request = await namedRequest(ask);
    const known = request && (await this.#parts.store.knownRequest(tenant, request));
    if (known?.kind === "requestIdReused") throw requestIdReused(request?.id ?? "", known.turnId);
    return known && this.#found(known.turn);
  }

  #found(record: TurnRecord): TakenIn<Result> {
    const live = this.#parts.live.find(record.id);
    return live === undefined ? { kind: "recorded", record } : { kind: "found", live };
  }

  #enterLine({ tenant, id: turnId }: Turn, { id, busyPolicy }: SessionAsk): LinePlace {
    return this.#parts.lines.enter({ tenant, id }, turnId, busyPolicy === "interrupt");
  }

  /** Has the store take it in. Throws for everything but an acceptance and a duplicate. */
  async #accept(
    turn: Turn,
    ask: TurnAsk,
    { place, request }: { readonly place: LinePlace | undefined; readonly request: NamedRequest | undefined },
  ): Promise<Extract<Acceptance, { kind: "accepted" | "duplicate" }>> {
    const { session } = ask;
    const waits = place?.holderId !== undefined;
    let acceptance = await this.#parts.store.acceptTurn(
      this.#newTurn(turn, ask, { request, take: waits ? "later" : "now" }),
    );
    // Another server of this machine has it.
    if (acceptance.kind === "sessionBusy" && session?.busyPolicy === "queue") {
      acceptance = await this.#parts.store.acceptTurn(this.#newTurn(turn, ask, { request, take: "later" }));
    }
    if (acceptance.kind === "accepted" || acceptance.kind === "duplicate") return acceptance;
    throw acceptanceRefusal(acceptance, turn.tenant, ask);
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
      inSession:
        asked && ((end) => endInSession(this.#parts, end, { turn, session, lease, transcript: worker?.transcript })),
    });
    return {
      book,
      whenClaimed: (claim) => {
        worker = claim.worker;
      },
      beforePrompt: () => book.beforePrompt(),
      admit: (_, signal) => {
        if (asked === undefined || place === undefined) return { leave };
        return this.#session(turn, { ask, asked, place, session, lease, signal })
          .then((taken) => {
            ({ session, lease } = taken);
            return { leave, turn: turnInSession(this.#parts, { turn, asked: asked.binding }, taken.session) };
          })
          .catch((error: unknown) => {
            leave();
            throw error;
          });
      },
    };
  }

  /** The session, when the turn has it, and under what the turn is written from then on. */
  async #session(
    turn: Turn,
    {
      ask,
      asked,
      place,
      session,
      lease,
      signal,
    }: {
      readonly ask: TurnAsk;
      readonly asked: SessionAsk;
      readonly place: LinePlace;
      readonly session: SessionRecord | undefined;
      readonly lease: TurnLease;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly session: SessionRecord; readonly lease: TurnLease }> {
    if (session?.runningTurnId === turn.id) return { session, lease };
    const { clock, limits, live, store } = this.#parts;
    const limitMs = ask.onDisconnect === "continue" ? limits.detachedQueueTimeoutMs : limits.sessionQueueTimeoutMs;
    const stop = (turnId: string, why: RunnerError) => live.find(turnId)?.stop(why);
    const wait = { turnId: turn.id, asked, place, limitMs, signal };
    const taken = await waitForSession({ store, clock, stop }, wait);
    return { session: taken.session, lease: { turnId: turn.id, epoch: taken.epoch } };
  }

  #newTurn(
    turn: Turn,
    ask: TurnAsk,
    { request, take = "now" }: { readonly request?: NamedRequest | undefined; readonly take?: "now" | "later" } = {},
  ): NewTurn {
    const { session } = ask;
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
    throw acceptanceRefusal(acceptance, turn.tenant);
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
    const facts = { tenant, count, limit, subject: `tenant:${tenant}` };
    throw new RunnerError("QUOTA_EXCEEDED", message, { facts, retryAfterMs: soonMs });
  }
}

/** Throws SESSION_BUSY for a turn that does not wait. */
function refuseIfBusy(session: SessionAsk | undefined, place: LinePlace | undefined): void {
  const holderId = place?.certainHolderId;
  if (session?.busyPolicy === "reject" && holderId !== undefined) throw sessionBusy(session.id, holderId);
}
