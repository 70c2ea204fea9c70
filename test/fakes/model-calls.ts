/**
 * The requests that the real CLI would send for its turns. The fake makes its answers up by itself; it sends these all
 * the same when there is something on loopback to send them to, so that what a conversation holds can be seen from
 * outside, as with the real one. Whatever is answered is not looked at.
 */
import type { request } from "node:http";

const timeoutMs = 2_000;

export class ModelCalls {
  readonly #url: URL | undefined;
  /** Loaded with the first call: most fakes never make one. */
  #request: typeof request | undefined;
  #isReachable = true;

  constructor(baseUrl: string | undefined) {
    const url = baseUrl === undefined ? undefined : new URL("/v1/messages?beta=true", baseUrl);
    this.#url = url !== undefined && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname) ? url : undefined;
  }

  /** Resolves when the request was answered or will not be. */
  async send(sessionId: string, body: object): Promise<void> {
    const url = this.#url;
    if (url === undefined || !this.#isReachable) return;
    this.#request ??= (await import("node:http")).request;
    const send = this.#request;
    await new Promise<void>((resolve) => {
      const headers = { "content-type": "application/json", "x-claude-code-session-id": sessionId };
      const sent = send(url, { method: "POST", headers, timeout: timeoutMs }, (response) => {
        response.resume();
        response.once("close", () => resolve());
      });
      sent.once("timeout", () => sent.destroy());
      sent.once("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "ECONNREFUSED") this.#isReachable = false;
        resolve();
      });
      sent.end(JSON.stringify({ ...body, max_tokens: 128_000, stream: true }));
    });
  }
}
