/**
 * A collected turn whose call is sent again when its connection breaks: by its request id the server knows that it is the
 * same turn.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { firstOf } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { Calls } from "./calls.ts";
import { Deadline } from "./deadline.ts";
import type { ChatRequestSchema, ChatResponse } from "./gen/claude/runner/v1/runner_pb.ts";
import { giveUp } from "./give-up.ts";
import { type RetryTime, realTime } from "./rejoin.ts";
import { nextStep, pauseMs, defaultRejoinPolicy as policy, reasonOf } from "./rejoin-policy.ts";
import { forbidRetry } from "./retry.ts";
import { turnIdHeader } from "./turn-id.ts";

export async function chatAgain(
  request: MessageInitShape<typeof ChatRequestSchema> & { readonly requestId: string },
  calls: Calls,
  { headers = {}, timeoutMs, signal }: CallOptions,
  time: RetryTime = realTime,
): Promise<ChatResponse> {
  const { requestId } = request;
  const deadline = new Deadline(timeoutMs);
  const { abort, unlink } = firstOf([calls.closed, signal, deadline.signal]);
  let tryCount = 0;
  /** Since when there was no sign of the turn; before the first break nobody knows. */
  let quietSinceMs: number | undefined;
  /** Whether a server may have the turn. */
  let mayRun = false;
  try {
    if (abort.signal.aborted) throw ConnectError.from(abort.signal.reason, Code.Canceled);
    for (;;) {
      let error: ConnectError;
      try {
        return await calls.runner.chat(request, { headers, ...deadline.callOptions, signal: abort.signal });
      } catch (thrown) {
        error = ConnectError.from(thrown);
      }
      const turnId = error.metadata.get(turnIdHeader) ?? "";
      const hasLeft = abort.signal.aborted;
      if (hasLeft || error.code === Code.DeadlineExceeded) {
        await giveUp(calls.turns, { turnId, requestId, headers });
        throw hasLeft ? ConnectError.from(abort.signal.reason, Code.Canceled) : error;
      }
      // Its headers came: a sign of the turn, and no reason to try faster.
      if (turnId !== "" || quietSinceMs === undefined) quietSinceMs = time.now();
      mayRun ||= turnId !== "" || reasonOf(error) === "";
      const hasFailed = nextStep({ error, call: "send", hasBegun: false, canSend: true }, policy) === "fail";
      if (hasFailed || time.now() - quietSinceMs >= policy.maxQuietMs) throw mayRun ? forbidRetry(error) : error;
      await time.wait(pauseMs(policy, tryCount, time.random), abort.signal);
      tryCount += 1;
    }
  } finally {
    unlink();
    deadline.clear();
  }
}
