/**
 * The bearer token on its way to the server. It goes nowhere else: a transport has one address.
 */
import type { Interceptor } from "@connectrpc/connect";

/** The caller's interceptors, and the token last, so that none of them sees it. */
export function withToken(interceptors: readonly Interceptor[], token: string): Interceptor[] {
  if (token === "") return [...interceptors];
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  return [...interceptors, authorize];
}

/** The largest message that is read, in bytes: an event has at most 1 MiB, a collected turn less than 4. */
export const maxMessageBytes = 4 * 1024 * 1024;
