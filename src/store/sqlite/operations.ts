/**
 * Everything that can be asked of the thread, by name.
 */
import { census } from "./census.ts";
import { forkSession } from "./fork.ts";
import type { Context } from "./handler.ts";
import { prune } from "./pruning.ts";
import { conversation, session, sessions } from "./session-reads.ts";
import { createSession, deleteSession, updateSession } from "./session-writes.ts";
import { appendTranscript, putSessionFile, readTranscript, sessionFileNames, sessionFiles } from "./transcripts.ts";
import { acceptTurn, knownRequest, takeSession } from "./turn-acceptance.ts";
import { content, events, result, turn, turnByRequestId, turns } from "./turn-reads.ts";
import { appendEvents, endTurn, raiseHighestSequence, startTurn } from "./turn-writes.ts";

const reads = {
  census,
  turn,
  turnByRequestId,
  knownRequest,
  turns,
  result,
  events,
  content,
  session,
  sessions,
  conversation,
  readTranscript,
  sessionFiles,
  sessionFileNames,
};

/** Bring something new: refused while the disk is full. */
const additions = { acceptTurn, createSession, forkSession, appendEvents };

/** Needed for the end of what was accepted, or make room. */
const settlements = {
  takeSession,
  startTurn,
  raiseHighestSequence,
  endTurn,
  updateSession,
  deleteSession,
  appendTranscript,
  putSessionFile,
  prune,
};

export const operations = { ...reads, ...additions, ...settlements };

export type Operations = typeof operations;
export type OperationName = keyof Operations;
export type InputOf<Name extends OperationName> = Parameters<Operations[Name]>[1];
export type OutputOf<Name extends OperationName> = ReturnType<Operations[Name]>;

export const isRead = (name: OperationName) => name in reads;
export const isAddition = (name: OperationName) => name in additions;

/** Runs one. Which input belongs to which name was checked where they were put together. */
export function runOperation(name: OperationName, context: Context, input: unknown): unknown {
  const handler = operations[name] as (context: Context, input: unknown) => unknown;
  return handler(context, input);
}
