/**
 * A turn's events as one stream without a seam, over as many connections as it takes.
 *
 * Only what happened on the way is mended: what the server itself has refused or ended stays as it is, but for a reader
 * that was too slow, which goes on where it was.
 */
import { setTimeout as waitMs } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StreamChatResponse } from "../../gen/claude/runner/v1/runner_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

export interface RejoinOptions {
  /** The last event that is known. */
  readonly afterSequence: number;
  /** Opens a stream of the events after one. */
  readonly open: (afterSequence: number) => AsyncIterable<StreamChatResponse>;
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** A line for the person who waits. */
  readonly say: (text: string) => void;
  /** Keeps the program alive meanwhile, as a connection would. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** How long is waited before each try, in milliseconds; after the last one it is over. A restart takes less. */
export const rejoinDelaysMs = [100, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000, 8_000, 8_000];

const waitAlive: NonNullable<RejoinOptions["wait"]> = (ms, signal) => waitMs(ms, undefined, { signal });

/** Ends after the result. Throws what the turn's call failed with, or the last failure on the way to it. */
export async function* rejoining(options: RejoinOptions): AsyncGenerator<StreamChatResponse, void> {
  const { open, signal, say, wait = waitAlive } = options;
  let { afterSequence } = options;
  let hasAnswered = false;
  let isOver = false;
  let failureCount = 0;
  for (;;) {
    let failure: unknown;
    try {
      for await (const response of open(afterSequence)) {
        if (failureCount > 0) say("connected again");
        failureCount = 0;
        hasAnswered = true;
        afterSequence = response.sequence;
        isOver ||= response.event.case === "result";
        yield response;
      }
      if (isOver) return;
      failure = new ConnectError("the stream ended before the turn did", Code.Unavailable);
    } catch (error) {
      failure = error;
    }
    signal.throwIfAborted();
    const way = wayOf(failure);
    // All that was left to come is how the call ends.
    if (isOver && way === "lost") return;
    if (way === "answered" || (way === "unreachable" && !hasAnswered)) throw failure;
    const delayMs = rejoinDelaysMs[failureCount];
    if (delayMs === undefined) throw failure;
    if (failureCount === 0 && way !== "behind") say(`the connection is lost (${whyOf(failure)}); connecting again`);
    failureCount += 1;
    await wait(delayMs, signal);
  }
}

/** What a failure says about the turn. */
type Way = "answered" | "behind" | "lost" | "unreachable";

function wayOf(failure: unknown): Way {
  const { code, rawMessage, ...error } = describe(failure);
  if (error.reason === "READER_BEHIND") return "behind";
  if (error.reason !== undefined || !wayCodes.has(code)) return "answered";
  return /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT/.test(rawMessage) ? "unreachable" : "lost";
}

/** The codes of what happens on the way to a server. One that answers itself gives a reason as well. */
const wayCodes: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Aborted,
  Code.Canceled,
  Code.Internal,
  Code.Unknown,
]);

function describe(failure: unknown) {
  const error = ConnectError.from(failure);
  return { code: error.code, rawMessage: error.rawMessage, reason: error.findDetails(ErrorInfoSchema)[0]?.reason };
}

function whyOf(failure: unknown): string {
  const { code, rawMessage } = describe(failure);
  return rawMessage || Code[code];
}
