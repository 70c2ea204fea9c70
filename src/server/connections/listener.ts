/**
 * Listening sockets: address, connection cap, TLS with certificates that can be renewed, and errors in words.
 *
 * What is spoken on a connection is the caller's business.
 */
import type { EventEmitter } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createPlainServer, Server } from "node:net";
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import type { TlsSettings } from "../../config/settings.ts";
import { handshakeTimeoutMs } from "../limits.ts";

/** Why a server did not start: a sentence for the operator, which names the setting. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
}

/** Where a port really is: `port: 0` in the settings gets a number here. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The ports, as their settings are called. */
export type PortName = "grpc" | "web" | "admin";

/** A socket that listens already: another server's, or systemd's. */
export interface HandedSocket {
  /** Where it listens. */
  readonly address: Address;
  /** What `net.Server.listen` takes in the place of an address. */
  readonly source: object;
  /** Gives it up. Whoever handed it over goes on listening. */
  close(): void;
}

/** A port that is open, and the server that listens on it. */
export interface ListeningPort {
  readonly address: Address;
  readonly server: Server;
}

/** At most one for each port. */
export type HandedSockets = ReadonlyMap<PortName, HandedSocket>;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly settingsName: PortName;
  /** Absent: the address is opened. */
  readonly handed?: HandedSocket | undefined;
}

/** Listens, or throws a ServerStartError. */
export async function listen(server: Server, { host, port, settingsName, handed }: ListenOptions): Promise<Address> {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const settled = () => {
      server.off("error", reject);
      resolve();
    };
    if (handed === undefined) server.listen({ host: bare, port }, settled);
    else server.listen(handed.source, settled);
  }).catch((error: NodeJS.ErrnoException) => {
    throw new ServerStartError(startProblem(error, host, port, settingsName), { cause: error });
  });
  // What can still come is EMFILE at accept: the connection is lost, the server is not.
  server.on("error", () => {});
  const { port: actual } = server.address() as AddressInfo;
  return { host, port: actual };
}

/** Closes the listening socket and nothing else; an HTTP server's own `close` ends idle connections as well. */
export function acceptNoMore(server: Server): void {
  Server.prototype.close.call(server);
}

function startProblem(error: NodeJS.ErrnoException, host: string, port: number, settingsName: string): string {
  const where = `${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${settingsName}.port: ${where} is in use by another program; stop it or choose another port`;
    case "EACCES":
      return `${settingsName}.port: this user may not listen on ${where}; choose a port above 1023`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${settingsName}.host: this machine has no address ${host}`;
    default:
      return `${settingsName}: cannot listen on ${where}: ${error.message}`;
  }
}

/** Certificates and keys from their files, or a ServerStartError. */
export async function readTls(tls: TlsSettings, settingsName: string): Promise<SecureContextOptions> {
  const read = async (name: keyof TlsSettings, path: string) =>
    readFile(path).catch((error: Error) => {
      throw new ServerStartError(`${settingsName}.tls.${name}: cannot read it: ${error.message}`, { cause: error });
    });
  return {
    cert: await read("certFile", tls.certFile),
    key: await read("keyFile", tls.keyFile),
    ...(tls.clientCaFile !== undefined && { ca: await read("clientCaFile", tls.clientCaFile) }),
    minVersion: "TLSv1.2",
  };
}

/** What a TLS server of ours asks of its clients. */
export function tlsOptions(tls: TlsSettings, context: SecureContextOptions, protocols: readonly string[]): TlsOptions {
  return {
    ...context,
    ALPNProtocols: [...protocols],
    handshakeTimeout: handshakeTimeoutMs,
    ...(tls.clientCaFile !== undefined && { requestCert: true, rejectUnauthorized: true }),
  };
}

/** Makes a TLS server, or a ServerStartError when certificate and key do not fit. */
export function makeTls<S>(settingsName: string, make: () => S): S {
  try {
    return make();
  } catch (error) {
    throw new ServerStartError(`${settingsName}.tls: certificate and key cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** What a server itself would do with an event: its listeners, which are taken off it. */
export function takeListeners(server: EventEmitter, event: string): (...values: unknown[]) => void {
  const listeners = server.listeners(event);
  server.removeAllListeners(event);
  return (...values) => {
    for (const listener of listeners) listener.call(server, ...values);
  };
}

/** A listener that hands on connections on which HTTP/2 is spoken from the first byte. */
export interface SocketListener {
  readonly server: Server;
  /** Takes new certificates; connections that exist keep theirs. */
  readonly renew: ((context: SecureContextOptions) => void) | undefined;
}

/** Connections for the gRPC port: plain ones as they come, TLS ones that agreed on HTTP/2. */
export function socketListener(
  settingsName: string,
  tls: { readonly settings: TlsSettings; readonly context: SecureContextOptions } | undefined,
  accept: (socket: Socket) => void,
): SocketListener {
  if (tls === undefined) {
    const server = createPlainServer({ noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      accept(socket);
    });
    return { server, renew: undefined };
  }
  const server: TlsServer = makeTls(settingsName, () =>
    createTlsServer({ ...tlsOptions(tls.settings, tls.context, ["h2"]), noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      if (socket.alpnProtocol === "h2") accept(socket);
      else socket.destroy();
    }),
  );
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return { server, renew: (context) => server.setSecureContext(context) };
}
