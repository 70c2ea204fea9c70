/**
 * What the stand-in was asked: the last requests, bounded by count and by size, and a way to wait for one.
 *
 * Kept in memory only. Headers are kept as they came, so that a test can see which credential was sent.
 */
import type { IncomingHttpHeaders } from "node:http";

export interface RecordedRequest {
  /** From 0, over the life of the stand-in. */
  readonly index: number;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bodyText: string;
  /** The body as JSON, or undefined when it is none. Parsed when first looked at. */
  readonly body: unknown;
  /** When it had been read whole, in milliseconds since 1970. */
  readonly receivedAtMs: number;
  /** What answers it: a built-in's name, a file's, `script`, or the path for anything but a message. */
  readonly scenario: string;
  /** Which step of it. */
  readonly step: number;
  /** Whether the client went away before the answer was complete. Becomes true when it happens. */
  readonly aborted: boolean;
}

export interface RecordLimits {
  readonly maxRequests: number;
  readonly maxBytes: number;
}

/** One request while it is being answered; the same object that callers see as a RecordedRequest. */
export class RequestRecord implements RecordedRequest {
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bodyText: string;
  readonly receivedAtMs: number;
  scenario = "";
  step = 0;
  aborted = false;
  #body: { readonly value: unknown } | undefined;

  constructor(facts: Pick<RecordedRequest, "index" | "method" | "path" | "headers" | "bodyText" | "receivedAtMs">) {
    this.index = facts.index;
    this.method = facts.method;
    this.path = facts.path;
    this.headers = facts.headers;
    this.bodyText = facts.bodyText;
    this.receivedAtMs = facts.receivedAtMs;
  }

  get body(): unknown {
    this.#body ??= { value: parseOrUndefined(this.bodyText) };
    return this.#body.value;
  }
}

interface Waiter {
  readonly predicate: (request: RecordedRequest) => boolean;
  readonly resolve: (request: RecordedRequest) => void;
}

export class Recorder {
  readonly #limits: RecordLimits;
  readonly #waiters = new Set<Waiter>();
  #requests: RecordedRequest[] = [];
  #bytes = 0;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  add(request: RecordedRequest): void {
    this.#requests.push(request);
    this.#bytes += request.bodyText.length;
    while (
      this.#requests.length > this.#limits.maxRequests ||
      (this.#bytes > this.#limits.maxBytes && this.#requests.length > 1)
    ) {
      this.#bytes -= this.#requests.shift()!.bodyText.length;
    }
    for (const waiter of this.#waiters) {
      if (waiter.predicate(request)) waiter.resolve(request);
    }
  }

  /** A request that fits: the oldest recorded one, else the next to come. */
  waitFor(predicate: (request: RecordedRequest) => boolean, signal?: AbortSignal): Promise<RecordedRequest> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const known = this.#requests.find(predicate);
      if (known !== undefined) return resolve(known);
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        predicate,
        resolve: (request) => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener("abort", onAbort);
          resolve(request);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  clear(): void {
    this.#requests = [];
    this.#bytes = 0;
  }
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A body that is no JSON is recorded like any other; the reader sees its text.
    return undefined;
  }
}
