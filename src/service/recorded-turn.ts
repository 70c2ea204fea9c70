/**
 * A turn that is known from the store alone: it ended some time ago, or runs in another server of this machine.
 *
 * What is stored of its events is read in order; what is not is a gap, with its range; a turn that still runs elsewhere is
 * looked for again until it has ended.
 */
import { create, fromBinary } from "@bufbuild/protobuf";
import { type TurnResult, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { type Clock, sleep } from "../clock.ts";
import { RunnerError } from "../runner-error.ts";
import type { EventRun, RecordedError, Store, TurnRecord } from "../store/store.ts";
import { frameBytes } from "../turns/log/slab.ts";
import { errorReason, outcomes, toUsage } from "./out/result.ts";
import { duration, int64 } from "./protobuf.ts";

/** How often a turn of another server is looked for, in milliseconds. */
const pollMs = 250;
const maxReadBytes = 512 * 1024;

export type RecordedItem =
  | { readonly kind: "event"; readonly sequence: number; readonly flags: number; readonly bytes: Buffer }
  | { readonly kind: "gap"; readonly firstSequence: number; readonly lastSequence: number }
  /** It runs elsewhere, as this says, and nothing new has come for a while. */
  | { readonly kind: "wait"; readonly record: TurnRecord }
  /** `isRead`: the last event came before, so `result` is not to be delivered once more. */
  | {
      readonly kind: "end";
      readonly record: TurnRecord;
      readonly result: TurnResult | undefined;
      readonly isRead: boolean;
    };

/** Reads on until its end. `after`: the last event that the reader has. */
export async function* readRecorded(
  record: TurnRecord,
  after: number,
  { store, clock, signal }: { readonly store: Store; readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<RecordedItem, void> {
  let sequence = after;
  let now = record;
  for (;;) {
    // The record first: what it says has ended has all of its events stored.
    for await (const event of storedEvents(now.id, sequence, store)) {
      if (event.sequence > sequence + 1) {
        yield { kind: "gap", firstSequence: sequence + 1, lastSequence: event.sequence - 1 };
      }
      sequence = event.sequence;
      yield event;
    }
    if (now.state === "ended") break;
    await sleep(clock, pollMs, signal);
    const again = await store.turn(now.tenant, now.id);
    if (again === undefined) break;
    if (again.state !== "ended" && again.stored?.lastSequence === now.stored?.lastSequence)
      yield { kind: "wait", record: again };
    now = again;
  }
  const result = now.outcome === undefined ? undefined : await resultOf(now, store);
  const lastEvent = result === undefined ? now.highestSequence : now.highestSequence - 1;
  if (sequence < lastEvent) yield { kind: "gap", firstSequence: sequence + 1, lastSequence: lastEvent };
  yield { kind: "end", record: now, result, isRead: sequence >= now.highestSequence };
}

/** How long ago a turn of another server was given its prompt, in milliseconds; 0 while it waits. */
export function runningForMs({ startedAtMs }: TurnRecord, clock: Clock): number {
  return startedAtMs === undefined ? 0 : Math.max(0, clock.wallNow() - startedAtMs);
}

/** All stored events after one, in order. */
export async function* storedEvents(
  turnId: string,
  after: number,
  store: Store,
): AsyncGenerator<Extract<RecordedItem, { kind: "event" }>, void> {
  let sequence = after;
  for (;;) {
    const runs = await store.events(turnId, sequence, maxReadBytes);
    if (runs.length === 0) return;
    for (const run of runs) {
      for (const event of eventsOf(run)) {
        if (event.sequence <= sequence) continue;
        sequence = event.sequence;
        yield event;
      }
    }
  }
}

function* eventsOf({ packed }: EventRun): Iterable<Extract<RecordedItem, { kind: "event" }>> {
  const buffer = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let at = 0; at < buffer.length; ) {
    const sequence = buffer.readUInt32LE(at);
    const end = at + frameBytes + buffer.readUInt32LE(at + 5);
    yield { kind: "event", sequence, flags: buffer[at + 4]!, bytes: buffer.subarray(at + frameBytes, end) };
    at = end;
  }
}

/** The result that was stored; `undefined`: none was, or it is gone. */
export async function storedResult(record: TurnRecord, store: Store): Promise<TurnResult | undefined> {
  const bytes = await store.result(record.tenant, record.id);
  return bytes && fromBinary(TurnResultSchema, bytes);
}

/** The result that was stored, or what is known of it all the same. */
async function resultOf(record: TurnRecord, store: Store): Promise<TurnResult> {
  const result = await storedResult(record, store);
  if (result !== undefined) return result;
  return create(TurnResultSchema, {
    ...(record.outcome && { outcome: outcomes[record.outcome] }),
    usage: toUsage(record.usage),
    costUsdMicros: int64(record.costUsdMicros),
    costIsEstimate: record.costIsEstimate,
    lastSequence: Math.max(0, record.highestSequence - 1),
    ...(record.error && {
      error: { reason: errorReason(record.error.reason), message: record.error.message },
    }),
    ...(record.endedAtMs !== undefined && {
      stages: { total: duration(record.endedAtMs - record.acceptedAtMs) },
    }),
  });
}

/** What a turn failed with, as it was. */
export function recordedFailure({ reason, message, facts }: RecordedError): RunnerError {
  return new RunnerError(reason, message, { facts });
}
