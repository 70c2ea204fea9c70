/**
 * The stand-in as what the reset probe sends its turns to: it answers at once and keeps what it was sent.
 */
import { startStandin } from "./standin-server.ts";

export interface OpenSink extends AsyncDisposable {
  readonly url: string;
  /** The bodies of the requests for messages, oldest first. */
  bodies(): readonly unknown[];
}

export async function openProbeSink(): Promise<OpenSink> {
  const standin = await startStandin({ defaultScenario: "text" });
  return {
    url: standin.url,
    bodies: () =>
      standin.requests
        .filter(({ method, path }) => method === "POST" && /^\/v1\/messages(\?|$)/.test(path))
        .map(({ body }) => body),
    [Symbol.asyncDispose]: () => standin.close(),
  };
}
