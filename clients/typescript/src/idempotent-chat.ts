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
import { nextStep, pauseMs, defaultRejoinPolicy as policy } from "./rejoin-policy.ts";
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
  let quietSinceMs = time.now();
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
      if (turnId !== "") {
        // Its headers came: a sign of the turn.
        quietSinceMs = time.now();
        tryCount = 0;
      }
      if (nextStep({ error, call: "send", hasBegun: false, canSend: true }, policy) === "fail") throw error;
      // The turn may run: it is not to be begun again.
      if (time.now() - quietSinceMs >= policy.maxQuietMs) throw forbidRetry(error);
      await time.wait(pauseMs(policy, tryCount, time.random), abort.signal);
      tryCount += 1;
    }
  } finally {
    unlink();
    deadline.clear();
  }
}
