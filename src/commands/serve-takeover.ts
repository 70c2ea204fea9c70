/**
 * Where `serve` gets its listening sockets from: systemd, the running server that it takes over from, or nobody, so that
 * it opens them itself.
 */
import { systemClock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import { runnerVersion } from "../config/version.ts";
import type { Runner, RunnerOptions } from "../main.ts";
import { type Address, type HandedSocket, type PortName, ServerStartError } from "../server/connections/listener.ts";
import { inheritedSockets } from "../server/takeover/inherited-sockets.ts";
import type { OfferedPort } from "../server/takeover/messages.ts";
import { type Claim, claimTakeover } from "../server/takeover/takeover-claim.ts";
import { openTakeoverSocket, type TakeoverSocket } from "../server/takeover/takeover-socket.ts";
import type { Log } from "../telemetry/log.ts";
import { addressText } from "./serve-summary.ts";

export interface StartOptions {
  readonly settings: Settings;
  readonly env: NodeJS.ProcessEnv;
  /** `--takeover`. */
  readonly wantsTakeover: boolean;
  readonly log: Log;
}

/** How a server starts, and what becomes of the one before it. */
export class StartPlan {
  readonly options: Pick<RunnerOptions, "settings" | "sockets" | "openPorts">;
  /** 1, and one more with each takeover. */
  readonly generation: number;
  readonly #claim: Claim | undefined;

  /** Throws a ServerStartError; then everything is as it was. */
  static async make({ settings, env, wantsTakeover, log }: StartOptions): Promise<StartPlan> {
    const sockets = new Map<PortName, HandedSocket>(inheritedSockets({ env, pid: process.pid }));
    const atSockets = withAddresses(settings, sockets);
    const claim = wantsTakeover ? await claimOf(settings, log) : undefined;
    if (claim === undefined) return new StartPlan({ settings: atSockets, sockets, openPorts: "at once" }, undefined);
    try {
      for (const port of claim.ports) {
        if (sockets.has(port.name)) continue;
        if (isSamePort(settings, port)) sockets.set(port.name, await claim.take(port.name));
        else
          log.warn({ port: port.name, address: addressText(port) }, "the settings name another address for this port");
      }
    } catch (error) {
      claim.leave();
      throw error;
    }
    return new StartPlan({ settings: atSockets, sockets, openPorts: "when warm" }, claim);
  }

  private constructor(options: StartPlan["options"], claim: Claim | undefined) {
    this.options = options;
    this.#claim = claim;
    this.generation = (claim?.from.generation ?? 0) + 1;
  }

  /** The server accepts calls: the one before it may stop doing so, and another one may take over from this one. */
  async started(runner: Runner, log: Log): Promise<TakeoverSocket | undefined> {
    await this.#claim?.ready();
    if (this.#claim !== undefined) {
      const { pid, version } = this.#claim.from;
      log.info({ pid: process.pid, fromPid: pid, fromVersion: version }, "took over from the running server");
    }
    const { enabled, socketFile } = this.options.settings.takeover;
    if (!enabled || socketFile === undefined) return undefined;
    return openTakeoverSocket({
      file: socketFile,
      version: runnerVersion,
      generation: this.generation,
      ports: () => runner.listening(),
      retire: () => runner.retire(),
      replaces: this.#claim !== undefined,
      log,
    });
  }

  /** The server did not start: the one before it goes on. Without effect once it has. */
  leave(): void {
    this.#claim?.leave();
  }
}

async function claimOf({ takeover }: Settings, log: Log): Promise<Claim | undefined> {
  if (!takeover.enabled) throw new ServerStartError("takeover.enabled: is off, so that --takeover cannot be used");
  if (takeover.socketFile === undefined) {
    throw new ServerStartError("takeover.socketFile: this user has no home folder that has one; name a file");
  }
  const claim = await claimTakeover({ file: takeover.socketFile, version: runnerVersion, clock: systemClock });
  if (claim === undefined) {
    const why = "no server listens there that could be taken over: this one opens its ports itself";
    log.warn({ file: takeover.socketFile }, why);
  }
  return claim;
}

/** The settings at the addresses of the sockets, which decide who can reach a port. */
export function withAddresses(
  settings: Settings,
  sockets: ReadonlyMap<PortName, { readonly address: Address }>,
): Settings {
  const at = (name: PortName) => sockets.get(name)?.address;
  for (const name of ["web", "admin"] as const) {
    if (at(name) === undefined || settings[name].enabled) continue;
    throw new ServerStartError(`${name}.enabled: is off, and yet systemd hands over a socket for this port`);
  }
  return {
    ...settings,
    grpc: { ...settings.grpc, ...at("grpc") },
    web: { ...settings.web, ...at("web") },
    admin: { ...settings.admin, ...at("admin") },
  };
}

/** Whether a port of the running server is where the settings want it. */
export function isSamePort(settings: Settings, { name, host, address, port }: OfferedPort): boolean {
  const wanted = settings[name];
  if ("enabled" in wanted && !wanted.enabled) return false;
  const isSameHost = [host, address].map(bare).includes(bare(wanted.host));
  return isSameHost && (wanted.port === 0 || wanted.port === port);
}

const bare = (host: string) => host.replace(/^\[(.*)\]$/, "$1");
