/**
 * What a call failed with, unary or streamed; a call that does not fail fails the test.
 */
import { ConnectError } from "@connectrpc/connect";

export async function failureOf(call: Promise<unknown> | AsyncIterable<unknown>): Promise<ConnectError> {
  try {
    if (Symbol.asyncIterator in call) for await (const _ of call);
    else await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call did not fail");
}
