/**
 * Sockets that systemd opened and hands to the server at its start (socket activation): LISTEN_FDS, LISTEN_PID and
 * LISTEN_FDNAMES. They stay open in systemd when the server ends, so that connections wait for the next one.
 */
import { type AddressInfo, Socket } from "node:net";
import { type HandedSocket, type HandedSockets, type PortName, ServerStartError } from "../connections/listener.ts";

/** The first descriptor that systemd hands over. */
const firstDescriptor = 3;

const portNames: readonly string[] = ["grpc", "web", "admin"] satisfies readonly PortName[];

export interface SocketsEnvironment {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
}

/** Which descriptor is which port's, as systemd says. Throws a ServerStartError when it says something else. */
export function inheritedDescriptors({ env, pid }: SocketsEnvironment): ReadonlyMap<PortName, number> {
  const found = new Map<PortName, number>();
  // Variables that are there by inheritance are meant for the process that handed them on.
  if (env.LISTEN_FDS === undefined || Number(env.LISTEN_PID) !== pid) return found;
  const count = Number(env.LISTEN_FDS);
  const names = (env.LISTEN_FDNAMES ?? "").split(":");
  for (let at = 0; at < count; at += 1) {
    const name = names[at] ?? "";
    if (!portNames.includes(name)) {
      throw new ServerStartError(
        `LISTEN_FDNAMES: socket ${at + 1} of ${count} is called "${name}"; set FileDescriptorName= in its socket unit to ` +
          portNames.join(" or "),
      );
    }
    if (found.has(name as PortName)) {
      throw new ServerStartError(`LISTEN_FDNAMES: two sockets are called ${name}; a port listens on one`);
    }
    found.set(name as PortName, firstDescriptor + at);
  }
  return found;
}

/** The sockets that this process was started with, by port. */
export function inheritedSockets(from: SocketsEnvironment): HandedSockets {
  return new Map([...inheritedDescriptors(from)].map(([name, fd]) => [name, socketOf(name, fd)]));
}

function socketOf(name: PortName, fd: number): HandedSocket {
  let source: Socket;
  try {
    // Neither read nor written: it listens. Only like this its address can be known before the first connection.
    source = new Socket({ fd, readable: false, writable: false });
  } catch (error) {
    throw new ServerStartError(`LISTEN_FDS: descriptor ${fd} (${name}) is no socket`, { cause: error });
  }
  const { address, port } = source.address() as Partial<AddressInfo>;
  if (address === undefined || port === undefined) {
    throw new ServerStartError(`LISTEN_FDS: descriptor ${fd} (${name}) is no TCP socket`);
  }
  return { address: { host: address, port }, source, close: () => void source.destroy() };
}
