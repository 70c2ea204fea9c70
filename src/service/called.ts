/**
 * One unary call of the services that answer from what is kept: its span, its rules, its errors as statuses.
 */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Clock } from "../clock.ts";
import type { Caller } from "../policy/auth.ts";
import { isRunnerError } from "../runner-error.ts";
import type { Log } from "../telemetry/log.ts";
import { type CallContext, callerOf } from "./calls.ts";
import { toConnectError } from "./errors.ts";
import { checkRules, invalidRequest } from "./in/rules.ts";
import { traced } from "./traced.ts";

export interface Unary<D extends DescMessage> {
  readonly method: string;
  readonly schema: D;
  readonly request: MessageShape<D>;
  readonly call: CallContext;
}

/** Checks the request's rules and answers it. `answer` throws RunnerErrors. */
export function answered<D extends DescMessage, T>(
  { method, schema, request, call }: Unary<D>,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  answer: (request: MessageShape<D>, caller: Caller) => Promise<T>,
): Promise<T> {
  return traced(method, call, clock, async () => {
    try {
      const { violations } = checkRules(schema, request);
      if (violations.length > 0) throw invalidRequest(violations);
      return await answer(request, callerOf(call));
    } catch (error) {
      throw asStatus(error, log);
    }
  });
}

/** What the caller gets. Mistakes of ours go to the log. */
export function asStatus(error: unknown, log: Log): unknown {
  if (isRunnerError(error)) return toConnectError(error);
  log.error({ err: error }, "a call failed because of a bug in the server");
  return toConnectError(error);
}
