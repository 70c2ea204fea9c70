/**
 * What tests of the store write: turns, sessions, ends, with what does not matter filled in.
 */
import { randomUUID } from "node:crypto";
import type {
  Acceptance,
  ContentPart,
  EventRun,
  NewSession,
  NewTurn,
  NewTurnSession,
  SessionRecord,
  Store,
  TurnEnding,
  TurnLease,
} from "../../src/store/store.ts";
import { noUsage } from "../../src/usage.ts";

export const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text));
export const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

export function text(side: "prompt" | "answer", words: string): ContentPart {
  return { side, mediaType: "text/plain", isDocument: false, title: "", data: bytesOf(words) };
}

export function newTurn(tenant: string, more: Partial<NewTurn> = {}): NewTurn {
  return {
    id: randomUUID(),
    tenant,
    profile: "default",
    model: "claude-test",
    detail: "standard",
    onDisconnect: "cancel",
    durability: "processSafe",
    highestSequence: 0,
    ...more,
  };
}

export function newSession(tenant: string, id: string, more: Partial<NewSession> = {}): NewSession {
  return {
    id,
    tenant,
    profile: "default",
    binding: undefined,
    kind: undefined,
    title: "",
    labels: {},
    idleExpiryMs: 3_600_000,
    ...more,
  };
}

/** A session that a turn asks for, and makes when it is missing. */
export function inSession(id: string, more: Partial<NewTurnSession> = {}): NewTurnSession {
  return {
    id,
    ifMissing: { title: "", labels: {}, idleExpiryMs: 3_600_000 },
    binding: {},
    kind: "text",
    take: "now",
    ...more,
  };
}

export function ending(more: Partial<TurnEnding> = {}): TurnEnding {
  return {
    durability: "processSafe",
    outcome: "completed",
    error: undefined,
    usage: { ...noUsage, inputTokens: 10, outputTokens: 2 },
    costUsdMicros: 100,
    costIsEstimate: true,
    lastSequence: 5,
    ...more,
  };
}

/** An ending in a session, with a text as its answer. */
export function answered(words: string, more: Partial<NonNullable<TurnEnding["session"]>> = {}): TurnEnding {
  return ending({
    result: bytesOf(`result of ${words}`),
    session: {
      isInConversation: true,
      answer: [text("answer", words)],
      contextTokens: 12,
      contextWindowTokens: 200_000,
      profileDigest: "0123456789abcdef",
      suspension: undefined,
      ...more,
    },
  });
}

export type Accepted = Extract<Acceptance, { kind: "accepted" }>;

/** Accepts a turn that nothing stands against. */
export async function accept(
  store: Store,
  turn: NewTurn,
): Promise<TurnLease & { readonly session: SessionRecord | undefined }> {
  const answer = await store.acceptTurn(turn);
  if (answer.kind !== "accepted") throw new Error(`not accepted: ${JSON.stringify(answer)}`);
  return { turnId: turn.id, epoch: answer.epoch, session: answer.session };
}

/** A whole turn in a session. Returns its id. */
export async function say(
  store: Store,
  tenant: string,
  sessionId: string,
  prompt: string,
  answer: string,
): Promise<string> {
  const lease = await accept(
    store,
    newTurn(tenant, { session: inSession(sessionId), content: [text("prompt", prompt)] }),
  );
  await store.startTurn(lease);
  await store.endTurn(lease, answered(answer));
  return lease.turnId;
}

/** Events of the given numbers, each with its number as its text. */
export function eventRun(first: number, last: number): EventRun {
  const events = Array.from({ length: last - first + 1 }, (_, at) => {
    const words = Buffer.from(`event ${first + at}`);
    const head = Buffer.alloc(9);
    head.writeUInt32LE(first + at, 0);
    head.writeUInt32LE(words.length, 5);
    return Buffer.concat([head, words]);
  });
  return { firstSequence: first, lastSequence: last, packed: Uint8Array.from(Buffer.concat(events)) };
}

/** The numbers of the events in runs, as their bytes have them. */
export function sequencesIn(runs: readonly EventRun[]): number[] {
  return runs.flatMap(({ packed }) => {
    const view = Buffer.from(packed);
    const found: number[] = [];
    for (let at = 0; at < view.length; at += 9 + view.readUInt32LE(at + 5)) found.push(view.readUInt32LE(at));
    return found;
  });
}
