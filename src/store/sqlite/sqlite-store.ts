/**
 * The store on SQLite: each method of the interface as an operation of the thread. `memory` is the same without a file.
 */
import type { Clock } from "../../clock.ts";
import { isRunnerError } from "../../runner-error.ts";
import type {
  Acceptance,
  ContentPart,
  ConversationTurn,
  EventRun,
  Fork,
  ListedTurn,
  NamedRequest,
  NewSession,
  NewTurn,
  Recovered,
  SessionChange,
  SessionQuery,
  Store,
  StoreHealth,
  StoreLog,
  TurnEnding,
  TurnLease,
  TurnQuery,
} from "../store.ts";
import type { SetUp } from "./batch.ts";
import { OwedEnds } from "./owed-ends.ts";
import { StoreLink } from "./store-link.ts";
import { StoreTender } from "./store-tender.ts";

export interface SqliteStoreOptions {
  readonly setUp: SetUp;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** Whether everything survives the end of the machine, and not only what asks for it. */
  readonly powerSafeAll: boolean;
  /** A tenant's share of the store, relative to others. */
  readonly weightOf: (tenant: string) => number;
}

/** Opens it. Throws STORE_UNAVAILABLE, with words for who starts the server. */
export async function openSqliteStore(
  options: SqliteStoreOptions,
): Promise<{ readonly store: SqliteStore; readonly recovered: Recovered }> {
  const link = new StoreLink(options.setUp, options);
  try {
    const { recovered, notes } = await link.open();
    for (const note of notes) options.log.warn({}, note);
    return { store: new SqliteStore(link, options), recovered };
  } catch (error) {
    await link.kill();
    throw error;
  }
}

export class SqliteStore implements Store {
  readonly kind: "memory" | "sqlite";
  readonly ownerId: string;
  readonly #link: StoreLink;
  readonly #options: SqliteStoreOptions;
  readonly #owed: OwedEnds;
  readonly #tender: StoreTender;

  constructor(link: StoreLink, options: SqliteStoreOptions) {
    const { setUp } = options;
    this.kind = setUp.file === undefined ? "memory" : "sqlite";
    this.ownerId = setUp.ownerId;
    this.#link = link;
    this.#options = options;
    this.#owed = new OwedEnds(link);
    this.#tender = new StoreTender({ ...options, link, owed: this.#owed, hasFile: setUp.file !== undefined });
  }

  health(): StoreHealth {
    const { problem } = this.#link;
    return {
      problem,
      takesTurns: problem === undefined,
      usedBytes: this.#link.condition.usedBytes,
      owedEndCount: this.#owed.count,
      census: this.#tender.census,
    };
  }

  // ---- Turns -------------------------------------------------------------------------------------------------------

  async acceptTurn({ request, content = [], ...turn }: NewTurn): Promise<Acceptance> {
    const input = {
      ...turn,
      requestId: request?.id,
      parts: content.map(withoutData),
      weight: this.#options.weightOf(turn.tenant),
    };
    const pieces = [...(request === undefined ? [] : [request.digest]), ...content.map(({ data }) => data)];
    const isPowerSafe = this.#isPowerSafe(turn.durability === "powerSafe");
    return (await this.#link.run("acceptTurn", input, { pieces, isPowerSafe })).output;
  }

  async takeSession(turnId: string) {
    // Behind it comes the prompt. A turn whose request can be made again must not be found as one that never began.
    return (await this.#link.run("takeSession", { turnId }, { isPowerSafe: true })).output;
  }

  async startTurn({ turnId, epoch }: TurnLease): Promise<void> {
    await this.#link.run("startTurn", { turnId, epoch }, this.#usual());
  }

  async raiseHighestSequence({ turnId, epoch }: TurnLease, highestSequence: number): Promise<void> {
    await this.#link.run("raiseHighestSequence", { turnId, epoch, highestSequence }, this.#usual());
  }

  async appendEvents({ turnId, epoch }: TurnLease, { firstSequence, lastSequence, packed }: EventRun): Promise<void> {
    const input = { turnId, epoch, firstSequence, lastSequence };
    await this.#link.run("appendEvents", input, { ...this.#usual(), pieces: [packed], urgency: "soon" });
  }

  async endTurn({ turnId, epoch }: TurnLease, { result, session, lastEvent, ...ending }: TurnEnding): Promise<void> {
    const answer = session?.answer ?? [];
    const input = {
      ...ending,
      turnId,
      epoch,
      hasLastEvent: lastEvent !== undefined,
      hasResult: result !== undefined,
      session: session && { ...session, answer: answer.map(withoutData) },
    };
    const pieces = [lastEvent?.packed, result, ...answer.map(({ data }) => data)].filter(
      (piece) => piece !== undefined,
    );
    const options = { pieces, isPowerSafe: this.#isPowerSafe(ending.durability === "powerSafe") };
    try {
      await this.#link.run("endTurn", input, options);
    } catch (error) {
      // The caller learns it now. What it has cost and said must not depend on a disk that is full for a moment.
      if (isRunnerError(error, "STORE_UNAVAILABLE")) this.#owed.add(input, options);
      throw error;
    }
  }

  async turn(tenant: string, turnId: string) {
    return (await this.#link.run("turn", { tenant, turnId })).output;
  }

  async turnByRequestId(tenant: string, requestId: string) {
    return (await this.#link.run("turnByRequestId", { tenant, requestId })).output;
  }

  async knownRequest(tenant: string, { id, digest }: NamedRequest) {
    return (await this.#link.run("knownRequest", { tenant, requestId: id }, { pieces: [digest] })).output;
  }

  async turns(query: TurnQuery): Promise<readonly ListedTurn[]> {
    const { output, pieces } = await this.#link.run("turns", query);
    let at = 0;
    return output.map(({ turn, parts }) => {
      const all = parts.map((part) => ({ ...part, text: wholeCharacters(pieces[at++] as Uint8Array) }));
      return {
        turn,
        prompt: all.filter(({ side }) => side === "prompt"),
        answer: all.filter(({ side }) => side === "answer"),
      };
    });
  }

  async result(tenant: string, turnId: string): Promise<Uint8Array | undefined> {
    return (await this.#link.run("result", { tenant, turnId })).pieces[0];
  }

  async events(turnId: string, afterSequence: number, maxBytes: number): Promise<readonly EventRun[]> {
    const { output, pieces } = await this.#link.run("events", { turnId, afterSequence, maxBytes });
    return output.map((run, at) => ({ ...run, packed: pieces[at] as Uint8Array }));
  }

  async content(
    tenant: string,
    turnId: string,
    digest: string,
    range: { readonly offsetBytes: number; readonly maxBytes: number },
  ) {
    const { output, pieces } = await this.#link.run("content", { tenant, turnId, digest, ...range });
    return output && { ...output, data: pieces[0] as Uint8Array };
  }

  // ---- Sessions ----------------------------------------------------------------------------------------------------

  async createSession(session: NewSession) {
    const input = { ...session, weight: this.#options.weightOf(session.tenant) };
    return (await this.#link.run("createSession", input, this.#usual())).output;
  }

  async session(tenant: string, id: string) {
    return (await this.#link.run("session", { tenant, id })).output;
  }

  async sessions(query: SessionQuery) {
    return (await this.#link.run("sessions", query)).output;
  }

  async updateSession(tenant: string, id: string, change: SessionChange) {
    return (await this.#link.run("updateSession", { tenant, id, change }, this.#usual())).output;
  }

  async deleteSession(tenant: string, id: string) {
    return (await this.#link.run("deleteSession", { tenant, id }, this.#usual())).output;
  }

  async forkSession(fork: Fork) {
    const input = { ...fork, weight: this.#options.weightOf(fork.tenant) };
    return (await this.#link.run("forkSession", input, this.#usual())).output;
  }

  async conversation(tenant: string, sessionId: string): Promise<readonly ConversationTurn[]> {
    const { output, pieces } = await this.#link.run("conversation", { tenant, id: sessionId });
    let at = 0;
    return output.map(({ turnId, parts }) => {
      const all: ContentPart[] = parts.map((part) => ({ ...part, data: pieces[at++] as Uint8Array }));
      return {
        turnId,
        prompt: all.filter(({ side }) => side === "prompt"),
        answer: all.filter(({ side }) => side === "answer"),
      };
    });
  }

  // ---- Transcripts -------------------------------------------------------------------------------------------------

  async appendTranscript(
    { turnId, epoch }: TurnLease,
    { cliSessionId, offsetBytes, data }: { cliSessionId: string; offsetBytes: number; data: Uint8Array },
  ): Promise<void> {
    const input = { turnId, epoch, cliSessionId, offsetBytes };
    await this.#link.run("appendTranscript", input, { ...this.#usual(), pieces: [data] });
  }

  async putSessionFile({ turnId, epoch }: TurnLease, name: string, data: Uint8Array): Promise<void> {
    await this.#link.run("putSessionFile", { turnId, epoch, name }, { ...this.#usual(), pieces: [data] });
  }

  async readTranscript(tenant: string, sessionId: string, offsetBytes: number, maxBytes: number): Promise<Uint8Array> {
    const { pieces } = await this.#link.run("readTranscript", { tenant, sessionId, offsetBytes, maxBytes });
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }

  async sessionFileNames(tenant: string, sessionId: string) {
    return (await this.#link.run("sessionFileNames", { tenant, id: sessionId })).output;
  }

  async sessionFiles(tenant: string, sessionId: string) {
    const { output, pieces } = await this.#link.run("sessionFiles", { tenant, id: sessionId });
    return output.map((name, at) => ({ name, data: pieces[at] as Uint8Array }));
  }

  /** Ends what is still open here, and gives the store to nobody else's harm. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#tender.stop();
    await this.#owed.pay();
    await this.#link.close();
  }

  #isPowerSafe(asked: boolean): boolean {
    return asked || this.#options.powerSafeAll;
  }

  #usual() {
    return { isPowerSafe: this.#options.powerSafeAll };
  }
}

function withoutData({ data: _, ...part }: ContentPart): Omit<ContentPart, "data"> {
  return part;
}

/** A text that was cut anywhere, without the character that the cut went through. */
function wholeCharacters(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: true });
}
