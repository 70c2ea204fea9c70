/**
 * Callers that never stop calling while servers take over from each other: unary and streaming calls, over every
 * protocol and both ports, each on connections of its own that it keeps. Nothing is called again that has failed: what a
 * client's library does not hide counts.
 *
 * With one exception. A call that connect-node has given to Node and Node has not sent yet fails in the client itself
 * (REFUSED_STREAM) if a GOAWAY arrives at that moment, whichever server sends it and however; the protocol says that such
 * a call was never processed. It is made once more, and counted.
 */
import { type ContractClient, type TransportTarget, transportKinds } from "../contract/transports.ts";

export interface LoadOutcome {
  /** Calls that were served, by the kind of client. */
  readonly served: ReadonlyMap<string, number>;
  /** What each failed call failed with, and when. */
  readonly failures: readonly string[];
  /** Calls that their client had not sent yet when its connection was closed, and made once more. */
  readonly unsentCount: number;
}

export interface LoadOptions {
  readonly target: TransportTarget;
  readonly callersPerKind: number;
  /** The prompt of a caller's next turn. */
  readonly prompt: (call: { readonly isStream: boolean; readonly number: number }) => string;
  /** Between two calls of a caller, in milliseconds. */
  readonly pauseMs: () => number;
  /** Calls end by themselves once it aborts. */
  readonly over: AbortSignal;
}

/** Resolves when the last call has ended. */
export async function callAllTheTime(options: LoadOptions): Promise<LoadOutcome> {
  const served = new Map<string, number>();
  const failures: string[] = [];
  let unsentCount = 0;
  const kinds = transportKinds.filter(({ tls }) => !tls);
  const callers = kinds.flatMap((kind) =>
    Array.from({ length: options.callersPerKind }, async (_, at) => {
      const client = kind.connect(options.target);
      const isStream = at % 2 === 0;
      const name = `${kind.name}, ${isStream ? "StreamChat" : "Chat"}`;
      try {
        for (let number = 1; !options.over.aborted; number += 1) {
          const prompt = options.prompt({ isStream, number });
          try {
            await callOnce(client, isStream, prompt).catch((error: unknown) => {
              if (!String(error).includes("REFUSED_STREAM")) throw error;
              unsentCount += 1;
              return callOnce(client, isStream, prompt);
            });
            served.set(name, (served.get(name) ?? 0) + 1);
          } catch (error) {
            failures.push(`${name}, call ${number}: ${error}`);
          }
          await pause(options.pauseMs(), options.over);
        }
      } finally {
        client.close();
      }
    }),
  );
  await Promise.all(callers);
  return { served, failures, unsentCount };
}

async function callOnce(client: ContractClient, isStream: boolean, prompt: string): Promise<void> {
  if (!isStream) {
    await client.chat({ prompt });
    return;
  }
  let last: string | undefined;
  for await (const { event } of client.streamChat({ prompt })) last = event.case;
  if (last !== "result") throw new Error(`the stream ended at ${last}`);
}

function pause(ms: number, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    over.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
