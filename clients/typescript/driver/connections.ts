/**
 * Connections to targets, kept open between commands as a real program would keep them.
 */
import type { Interceptor } from "@connectrpc/connect";
import type { Target } from "../../suite/protocol.ts";
import { type ClaudeRunnerClient, connect, grpcTransport, type NodeOptions } from "../src/node.ts";

type Transport = ReturnType<typeof grpcTransport>["transport"];

export interface Connection {
  readonly client: ClaudeRunnerClient;
  /** How often calls have been sent since this was set to 0. */
  attemptCount: number;
}

export class Connections {
  readonly #clients = new Map<string, Connection>();
  readonly #transports = new Map<string, { readonly transport: Transport; readonly close: () => void }>();

  to(target: Target, { retry = true }: { readonly retry?: boolean | undefined } = {}): Connection {
    const key = JSON.stringify([target, retry]);
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const counted: Interceptor = (next) => (request) => {
      connection.attemptCount += 1;
      return next(request);
    };
    const options = { ...optionsOf(target), interceptors: [counted], ...(!retry && { retry: false as const }) };
    const connection: Connection = { client: connect(options), attemptCount: 0 };
    this.#clients.set(key, connection);
    return connection;
  }

  /** For services of which the client has no words. */
  transport(target: Target): Transport {
    const key = JSON.stringify(target);
    const known = this.#transports.get(key) ?? grpcTransport(optionsOf(target));
    this.#transports.set(key, known);
    return known.transport;
  }

  close(): void {
    for (const { client } of this.#clients.values()) client.close();
    for (const { close } of this.#transports.values()) close();
  }
}

function optionsOf({ address, caFile, token = "" }: Target): NodeOptions {
  return { address, token, ...(caFile !== undefined && { caFile }) };
}
