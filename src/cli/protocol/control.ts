/**
 * Control requests of ours and the CLI's answers to them: told apart by an id, bounded by a time and given up on abort.
 *
 * Leaves out what is asked, and what the CLI asks: that is `questions.ts`.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { RunnerError } from "../../runner-error.ts";
import { isObject, type JsonObject, objectAt, textAt } from "./json-members.ts";

/** The CLI answered a request with an error. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code: string;
  constructor(subtype: string, message: string, code: string) {
    super(`${subtype}: ${message}`);
    this.code = code;
  }
}

export interface ControlOptions {
  readonly clock: Clock;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Writes one line. */
  readonly send: (line: string) => Promise<void>;
}

export interface RequestOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  readonly subtype: string;
  readonly resolve: (response: JsonObject) => void;
  readonly reject: (error: unknown) => void;
}

export class ControlChannel {
  readonly #options: ControlOptions;
  readonly #pending = new Map<string, Pending>();
  #gone: Error | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /**
   * Asks, and gives the answer's body. Rejects with ControlError when the CLI refuses, with WORKER_DIED when it does not
   * answer in time or is gone, and with the signal's reason when that aborts first.
   */
  request(request: { readonly subtype: string; readonly [key: string]: unknown }, options: RequestOptions = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
    const { signal } = options;
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = randomUUID();
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const cancelTimer = this.#options.clock.after(timeoutMs, () =>
      settle(() =>
        reject(
          new RunnerError("WORKER_DIED", `the worker did not answer within ${timeoutMs} ms`, {
            facts: { timeoutMs, request: request.subtype },
          }),
        ),
      ),
    );
    const onAbort = () => settle(() => reject(signal?.reason));
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (how: () => void): void => {
      if (!this.#pending.delete(id)) return;
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
      how();
    };
    this.#pending.set(id, {
      subtype: request.subtype,
      resolve: (response) => settle(() => resolve(response)),
      reject: (error) => settle(() => reject(error)),
    });
    this.#options.send(JSON.stringify({ type: "control_request", request_id: id, request })).catch((error: unknown) => {
      this.#pending.get(id)?.reject(error);
    });
    return promise;
  }

  /** Takes a `control_response`. Answers to requests that were given up are ignored. */
  receiveResponse(message: JsonObject): void {
    const response = objectAt(message, "response");
    const pending = this.#pending.get(textAt(response, "request_id"));
    if (pending === undefined) return;
    if (response.subtype === "success") {
      pending.resolve(isObject(response.response) ? response.response : {});
    } else {
      pending.reject(new ControlError(pending.subtype, textAt(response, "error"), textAt(response, "error_code")));
    }
  }

  /** The process is gone: nothing more will be answered. */
  close(error: Error): void {
    this.#gone ??= error;
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }
}
