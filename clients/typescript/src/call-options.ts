/**
 * What may be said about a single call.
 */

export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** The deadline, in milliseconds from now, retries included. Default: the server's own. */
  readonly timeoutMs?: number;
  /** Sent beside the token. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Of a turn that is streamed. */
export interface StreamOptions extends CallOptions {
  /**
   * Whether the turn goes on when its connection breaks, and its stream as well, without a seam, under a request id of the
   * client's unless the request has one. It is given up after a minute without a sign of the turn. Cancelling and leaving
   * interrupt the turn, and so does the deadline, which takes up to 5 seconds if the server cannot be reached. Default false.
   */
  readonly rejoin?: boolean;
}

/** Of a turn that is collected. */
export interface ChatOptions extends CallOptions {
  /**
   * Whether the call is sent again when its connection breaks, until a minute has passed without a sign of the turn. The turn
   * runs once, under a request id of the client's unless the request has one. Cancelling interrupts it, and so does the
   * deadline. Default false.
   */
  readonly idempotent?: boolean;
}
