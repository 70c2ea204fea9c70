/**
 * One stream of a turn, out of as many calls as it takes: when one breaks, the turn is attached to behind the last event
 * that has come. No event comes twice, none is left out, and the end is that of the call that began the turn.
 *
 * The turn must go on without its caller (ON_DISCONNECT_CONTINUE) and have a `request_id`. Heartbeats are passed on.
 */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { TurnResult } from "./gen/claude/runner/v1/result_pb.ts";
import { type StreamChatResponse, StreamChatResponseSchema } from "./gen/claude/runner/v1/runner_pb.ts";
import { type AttachTurnResponse, TurnState } from "./gen/claude/runner/v1/turn_pb.ts";
import { defaultRejoinPolicy, nextStep, pauseMs, type RejoinPolicy, reasonOf } from "./rejoin-policy.ts";
import { forbidRetry } from "./retry.ts";
import { type Alarm, unlessSilent } from "./silence.ts";
import { statusOf } from "./turn-status.ts";

/** How the turn is called. Aborting the signal ends the call. */
export interface TurnCalls {
  /** Sends the request, with the same `request_id` each time. Absent: somebody else has begun the turn. */
  readonly send?: (signal: AbortSignal) => AsyncIterable<StreamChatResponse>;
  /** Attaches to the turn, behind an event. */
  readonly attach: (afterSequence: number, signal: AbortSignal) => AsyncIterable<AttachTurnResponse>;
}

export interface RejoinOptions {
  /** Aborted when nobody wants the stream any more: it then fails with the reason. The turn goes on. */
  readonly signal: AbortSignal;
  /** Where to begin. Default: by sending the request, or with the turn's first event if there is none. */
  readonly from?: { readonly call: "send" | "attach"; readonly afterSequence: number };
  readonly policy?: RejoinPolicy;
  /** Told at each break, before the pause; `undefined` once the stream is there again. */
  readonly onBreak?: (error: ConnectError | undefined) => void;
  readonly time?: RejoinTime;
}

/** Time and chance, for tests to own. */
export interface RetryTime {
  now(): number;
  /** Ends early when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  random(): number;
}

export interface RejoinTime extends RetryTime {
  readonly alarm: Alarm;
}

/** An attached stream begins with the turn's state, at once: one that does not within so many milliseconds has no connection. */
const attachTimeoutMs = 10_000;

export async function* rejoined(calls: TurnCalls, options: RejoinOptions): AsyncGenerator<StreamChatResponse, void> {
  const { signal, policy = defaultRejoinPolicy, onBreak = () => {}, time = realTime } = options;
  const { send, attach } = calls;
  const canSend = send !== undefined;
  let { call, afterSequence } = options.from ?? { call: canSend ? "send" : "attach", afterSequence: 0 };
  let turnId = "";
  let hasContent = false;
  let result: TurnResult | undefined;
  let tryCount = 0;
  /** What the server itself has said of the break. */
  let told: ConnectError | undefined;
  let quietSinceMs = time.now();
  const { maxSilenceMs } = policy;
  const silence = {
    signal,
    maxSilenceMs,
    alarm: time.alarm,
    // A computer that slept has been quiet for longer than anybody would wait, and can try only now.
    onSilence: () => {
      if (tryCount === 0) quietSinceMs = time.now();
    },
  };
  const reached = () => ({ hasContent, turnId, lastSequence: afterSequence });
  for (;;) {
    signal.throwIfAborted();
    let error: ConnectError;
    try {
      const responses =
        call === "send" && canSend
          ? unlessSilent(send, { ...silence, firstSilenceMs: maxSilenceMs })
          : eventsOf(
              unlessSilent((own) => attach(afterSequence, own), {
                ...silence,
                firstSilenceMs: Math.min(maxSilenceMs, attachTimeoutMs),
              }),
              () => {
                quietSinceMs = time.now();
              },
            );
      for await (const response of responses) {
        if (tryCount > 0) onBreak(undefined);
        tryCount = 0;
        told = undefined;
        quietSinceMs = time.now();
        const { sequence, event } = response;
        turnId = response.turnId;
        if (event.case === "heartbeat") {
          if (sequence >= afterSequence) yield response;
          continue;
        }
        if (sequence <= afterSequence) continue; // A request that is sent again gets its turn from the beginning.
        afterSequence = sequence;
        hasContent ||= event.case === "textDelta" || event.case === "toolUse" || event.case === "gap";
        if (event.case === "result") result = event.value;
        yield response;
      }
      if (result !== undefined) {
        const status = call === "attach" ? statusOf(result, reached()) : undefined;
        if (status !== undefined) throw status;
        return;
      }
      throw withoutResult(Code.Internal);
    } catch (thrown) {
      signal.throwIfAborted();
      error = ConnectError.from(thrown);
    }
    if (result !== undefined && reasonOf(error) === "") {
      // Cut between the result and the status, which the result tells as well.
      const status = statusOf(result, reached());
      if (status === undefined) return;
      throw status;
    }
    const next = nextStep({ error, call, hasBegun: afterSequence > 0, canSend }, policy);
    if (result !== undefined || next === "fail") throw error;
    if (reasonOf(error) !== "") told = error;
    // That it cannot be reached since is less than what it said before. And the turn may run: it is not to be begun again.
    if (time.now() - quietSinceMs >= policy.maxQuietMs) throw told ?? forbidRetry(error);
    onBreak(error);
    await time.wait(pauseMs(policy, tryCount, time.random), signal);
    tryCount += 1;
    call = next;
  }
}

/**
 * The events of an attached stream; what the server no longer has comes as the event that says so. `onState`: called when
 * the server has answered, which is a sign of the turn.
 */
async function* eventsOf(
  responses: AsyncIterable<AttachTurnResponse>,
  onState: () => void,
): AsyncGenerator<StreamChatResponse, void> {
  let turnId = "";
  let hasEnded = false;
  let hasResult = false;
  for await (const { message } of responses) {
    switch (message.case) {
      case "state":
        onState();
        turnId = message.value.id;
        hasEnded = message.value.state === TurnState.ENDED;
        break;
      case "event":
        hasResult ||= message.value.event.case === "result";
        yield message.value;
        break;
      case "gap":
        yield create(StreamChatResponseSchema, {
          sequence: message.value.lastSequence,
          turnId,
          event: { case: "gap", value: message.value },
        });
        break;
      default:
      // The end of the replay, or something that this version does not know.
    }
  }
  // The server has no more of it, or the call was cut in a way that looks like its end.
  if (!hasResult) throw withoutResult(hasEnded ? Code.DataLoss : Code.Internal);
}

function withoutResult(code: Code): ConnectError {
  return new ConnectError("the server ended the turn without a result", code);
}

export const realTime: RejoinTime = {
  now: () => performance.now(),
  wait(ms, signal) {
    return new Promise((resolve) => {
      const over = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", over);
        resolve();
      };
      const timer = setTimeout(over, ms);
      signal.addEventListener("abort", over, { once: true });
      if (signal.aborted) over();
    });
  },
  random: Math.random,
  alarm(ms, fire) {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};
