/**
 * Readers whose streams break at random and who go on after the last event that they have, over both ports; what each of
 * them read is compared with what the caller of the turn was sent, event by event.
 *
 * For the bench (`bench/scenarios/rejoin.ts`) and, with fewer cuts, for `npm test`.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toJsonString } from "@bufbuild/protobuf";
import {
  OnDisconnect,
  type StreamChatResponse,
  StreamChatResponseSchema,
} from "../../gen/claude/runner/v1/runner_pb.ts";
import { grpcJsClient } from "../../test/contract/transports.ts";
import type { ServerTarget } from "../turn-client.ts";
import { type AttachReader, type ReaderKind, readerKinds } from "./attach-readers.ts";
import { CuttingRelay } from "./cutting-relay.ts";

export interface RejoinOptions {
  readonly target: ServerTarget;
  readonly random: () => number;
  /** Cuts in all. Turns begin until there were as many. */
  readonly cutCount: number;
  readonly turnsAtOnce: number;
  /** Of each kind, for each turn. */
  readonly readersPerKind: number;
  /** Readers of an earlier turn, which the server may have to read from its store, for each turn. */
  readonly lateReaders: number;
  /** A prompt whose answer takes long enough to be cut into. */
  readonly prompt: (random: () => number) => string;
  readonly signal: AbortSignal;
  readonly progress?: (cutCount: number) => void;
}

export interface RejoinOutcome {
  readonly turnCount: number;
  /** Events that all readers read together. */
  readonly eventCount: number;
  /** Cuts by the kind of reader. */
  readonly cuts: ReadonlyMap<string, number>;
  /** Cuts that broke the connection, wherever in a frame; the others cancelled the call. */
  readonly brokenWireCount: number;
  /** Cuts of streams that had not yet come to what happens now. */
  readonly cutInReplayCount: number;
  readonly lostCount: number;
  readonly doubledCount: number;
  readonly disorderedCount: number;
  /** Events that were not as the caller was sent them. */
  readonly differentCount: number;
  /** Gaps that readers were told of. */
  readonly gapCount: number;
  /** What failed and was no cut. */
  readonly failures: readonly string[];
}

/** One event as it is compared. */
interface Seen {
  readonly sequence: number;
  readonly json: string;
}

/** A turn that is over, as its caller was sent it. */
interface ReadTurn {
  readonly turnId: string;
  readonly record: readonly Seen[];
}

/** How a stream is ended: the call after so many messages, or the wire after so many bytes. */
type Cut =
  | { readonly kind: "call"; readonly afterMessages: number }
  | { readonly kind: "wire"; readonly afterBytes: number };

const mostMessages = 25;
const mostBytes = 6_000;
const longestPauseMs = 150;

export async function cutAndRejoin(options: RejoinOptions): Promise<RejoinOutcome> {
  const tally = new Tally(options);
  const turns = Array.from({ length: options.turnsAtOnce }, async () => {
    while (!tally.isEnough) await readOneTurn(options, tally);
  });
  await Promise.all(turns);
  return tally.outcome();
}

class Tally {
  readonly #options: RejoinOptions;
  readonly #cuts = new Map<string, number>();
  #begunCount = 0;
  #turnCount = 0;
  #eventCount = 0;
  #brokenWireCount = 0;
  #cutInReplayCount = 0;
  #lostCount = 0;
  #doubledCount = 0;
  #disorderedCount = 0;
  #differentCount = 0;
  gapCount = 0;
  readonly failures: string[] = [];
  readonly #earlier: ReadTurn[] = [];

  constructor(options: RejoinOptions) {
    this.#options = options;
  }

  get #cutCount(): number {
    return [...this.#cuts.values()].reduce((sum, count) => sum + count, 0);
  }

  get isEnough(): boolean {
    return this.#cutCount >= this.#options.cutCount || this.#options.signal.aborted;
  }

  /** The next cut; `undefined`: there were enough, and the stream is read to its end. */
  nextCut(): Cut | undefined {
    if (this.isEnough || this.#begunCount >= this.#options.cutCount + 1_000) return undefined;
    const { random } = this.#options;
    return random() < 0.5
      ? { kind: "call", afterMessages: Math.floor(random() * mostMessages) }
      : { kind: "wire", afterBytes: 1 + Math.floor(random() * mostBytes) };
  }

  wasCut(kind: string, cut: Cut, isReplayed: boolean): void {
    this.#cuts.set(kind, (this.#cuts.get(kind) ?? 0) + 1);
    if (cut.kind === "wire") this.#brokenWireCount += 1;
    if (!isReplayed) this.#cutInReplayCount += 1;
    this.#options.progress?.(this.#cutCount);
  }

  /** A turn that ended before, if there is one. */
  anEarlierTurn(): ReadTurn | undefined {
    return this.#earlier[Math.floor(this.#options.random() * this.#earlier.length)];
  }

  turnIsOver(turn: ReadTurn): void {
    this.#turnCount += 1;
    this.#earlier.push(turn);
  }

  compare({ record }: ReadTurn, readers: readonly (readonly Seen[])[]): void {
    const sent = new Map(record.map(({ sequence, json }) => [sequence, json]));
    for (const read of readers) {
      this.#eventCount += read.length;
      const times = new Map<number, number>();
      let last = 0;
      for (const { sequence, json } of read) {
        times.set(sequence, (times.get(sequence) ?? 0) + 1);
        if (sequence <= last) this.#disorderedCount += 1;
        last = Math.max(last, sequence);
        if (sent.get(sequence) !== json) this.#differentCount += 1;
      }
      for (const sequence of sent.keys()) if (!times.has(sequence)) this.#lostCount += 1;
      for (const count of times.values()) this.#doubledCount += count - 1;
    }
  }

  outcome(): RejoinOutcome {
    return {
      turnCount: this.#turnCount,
      eventCount: this.#eventCount,
      cuts: this.#cuts,
      brokenWireCount: this.#brokenWireCount,
      cutInReplayCount: this.#cutInReplayCount,
      lostCount: this.#lostCount,
      doubledCount: this.#doubledCount,
      disorderedCount: this.#disorderedCount,
      differentCount: this.#differentCount,
      gapCount: this.gapCount,
      failures: this.failures,
    };
  }
}

/** One turn, its caller, and its readers. */
async function readOneTurn(options: RejoinOptions, tally: Tally): Promise<void> {
  const { target, random, readersPerKind, lateReaders, signal, prompt } = options;
  const client = grpcJsClient(`ipv4:127.0.0.1:${target.grpcPort}`, target.token);
  try {
    const record: Seen[] = [];
    const stream = client
      .streamChat({ prompt: prompt(random), requestId: randomUUID(), onDisconnect: OnDisconnect.CONTINUE }, { signal })
      [Symbol.asyncIterator]();
    const first = await stream.next();
    if (first.done) throw new Error("a turn ended before it began");
    note(first.value, record);
    const turn: ReadTurn = { turnId: first.value.turnId, record };
    const kinds = readerKinds.flatMap((kind) => Array.from({ length: readersPerKind }, () => kind));
    const readers = kinds.map((kind) => readInPieces(kind, turn.turnId, options, tally));
    const earlier = tally.anEarlierTurn();
    const late = earlier === undefined ? [] : Array.from({ length: lateReaders }, (_, at) => at);
    const lateReads = late.map((at) =>
      readInPieces(readerKinds[at % readerKinds.length]!, earlier!.turnId, options, tally),
    );
    for (let step = await stream.next(); !step.done; step = await stream.next()) note(step.value, record);
    tally.turnIsOver(turn);
    tally.compare(turn, await Promise.all(readers));
    if (earlier !== undefined) tally.compare(earlier, await Promise.all(lateReads));
  } finally {
    client.close();
  }
}

/** Reads a turn to its end, however often the stream is cut. */
async function readInPieces(
  kind: ReaderKind,
  turnId: string,
  { target, random, signal }: RejoinOptions,
  tally: Tally,
): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  await using relay = await CuttingRelay.open(kind.port === "grpc" ? target.grpcPort : target.webPort);
  let reader: AttachReader = kind.connect(relay.port, target.token);
  try {
    for (;;) {
      const cut = tally.nextCut();
      const piece = await readPiece(reader, { turnId, seen, cut, relay, signal });
      tally.gapCount += piece.gapCount;
      if (piece.end.kind === "ended") return seen;
      if (piece.end.kind === "failed") {
        tally.failures.push(`${kind.name} after ${seen.at(-1)?.sequence ?? 0}: ${piece.end.why}`);
        return seen;
      }
      tally.wasCut(kind.name, piece.end.cut, piece.isReplayed);
      if (piece.end.cut.kind === "wire") {
        reader[Symbol.dispose]();
        reader = kind.connect(relay.port, target.token);
      }
      if (random() < 0.5) await sleep(longestPauseMs * random(), undefined, { signal });
    }
  } finally {
    reader[Symbol.dispose]();
  }
}

interface Piece {
  readonly end:
    | { readonly kind: "ended" }
    | { readonly kind: "cut"; readonly cut: Cut }
    | { readonly kind: "failed"; readonly why: string };
  readonly isReplayed: boolean;
  readonly gapCount: number;
}

/** One call, to the end of the turn or to its cut. Adds what it reads to `seen`. */
async function readPiece(
  reader: AttachReader,
  {
    turnId,
    seen,
    cut,
    relay,
    signal,
  }: {
    readonly turnId: string;
    readonly seen: Seen[];
    readonly cut: Cut | undefined;
    readonly relay: CuttingRelay;
    readonly signal: AbortSignal;
  },
): Promise<Piece> {
  const leave = new AbortController();
  const both = AbortSignal.any([leave.signal, signal]);
  const cutsBefore = relay.cutCount;
  if (cut?.kind === "wire") relay.cutAfter(cut.afterBytes);
  let isReplayed = false;
  let gapCount = 0;
  let end: Piece["end"] = { kind: "ended" };
  try {
    let left = cut?.kind === "call" ? cut.afterMessages : Number.POSITIVE_INFINITY;
    const afterSequence = seen.at(-1)?.sequence ?? 0;
    for await (const { message } of reader.attach({ turnId, afterSequence, signal: both })) {
      if (message.case === "event") note(message.value, seen);
      if (message.case === "replayComplete") isReplayed = true;
      if (message.case === "gap") gapCount += 1;
      left -= 1;
      if (left > 0 || cut === undefined) continue;
      leave.abort();
      end = { kind: "cut", cut };
      break;
    }
  } catch (error) {
    if (cut !== undefined && (leave.signal.aborted || relay.cutCount > cutsBefore)) end = { kind: "cut", cut };
    else end = { kind: "failed", why: error instanceof Error ? error.message : String(error) };
  } finally {
    relay.hold();
  }
  return { end, isReplayed, gapCount };
}

/** A heartbeat repeats the number before it, and is no event of the turn. */
function note(response: StreamChatResponse, into: Seen[]): void {
  if (response.event.case === "heartbeat") return;
  into.push({ sequence: response.sequence, json: toJsonString(StreamChatResponseSchema, response) });
}
