/**
 * A load in a process of its own whose calls come at their times, whatever became of the last ones; beside it callers who
 * send one turn after the other. Counts how calls ended, by tenant.
 */
import { type Commands, processFigures, serveCommands } from "./child-commands.ts";
import { OutcomeClient, requestBody } from "./outcome-client.ts";
import { seededRandom } from "./random.ts";
import type { TurnRequest } from "./turn-client.ts";

export interface OpenLoadOptions {
  readonly port: number;
  readonly request: TurnRequest;
  readonly seed: number;
  readonly tenants: readonly {
    readonly name: string;
    readonly token: string;
    /** Calls per second that come whatever happens. */
    readonly perSecond: number;
    /** Callers who send the next turn when the last one has ended. */
    readonly callerCount: number;
  }[];
}

export interface OpenLoadCounts {
  /** By tenant and reason. */
  readonly ended: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly sentCount: number;
  /** On this process's own clock. */
  readonly atMs: number;
}

/** More calls than this are not open at once: beyond, the machine is measured and not the server. */
const maxOpenCount = 2_000;
const tickMs = 5;

class OpenLoad {
  readonly #client: OutcomeClient;
  readonly #body: Buffer;
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #open = new Set<Promise<void>>();
  readonly #ended: Record<string, Record<string, number>> = {};
  #sentCount = 0;

  constructor({ port, request, seed, tenants }: OpenLoadOptions) {
    this.#client = new OutcomeClient(port);
    this.#body = requestBody(request);
    const random = seededRandom(seed);
    const due = tenants.map(({ perSecond }) => ({ everyMs: 1_000 / perSecond, atMs: performance.now() }));
    this.#timer = setInterval(() => {
      const now = performance.now();
      for (const [at, tenant] of tenants.entries()) {
        const next = due[at]!;
        if (tenant.perSecond === 0) continue;
        // What could not be sent in time is not sent all at once later.
        next.atMs = Math.max(next.atMs, now - 100);
        for (; next.atMs <= now; next.atMs += next.everyMs * (0.5 + random())) void this.#begin(tenant);
      }
    }, tickMs);
    for (const tenant of tenants) for (let at = 0; at < tenant.callerCount; at++) void this.#callOnAndOn(tenant);
  }

  counts(): OpenLoadCounts {
    return { ended: structuredClone(this.#ended), sentCount: this.#sentCount, atMs: performance.now() };
  }

  /** Sends nothing more, and waits for what is open: a turn that is cut off would cost its worker. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#over.abort();
    await Promise.all(this.#open);
    this.#client[Symbol.dispose]();
  }

  async #callOnAndOn(tenant: { readonly name: string; readonly token: string }): Promise<void> {
    while (!this.#over.signal.aborted) await this.#begin(tenant);
  }

  async #begin(tenant: { readonly name: string; readonly token: string }): Promise<void> {
    if (this.#open.size >= maxOpenCount) return;
    const call = this.#call(tenant);
    this.#open.add(call);
    await call;
    this.#open.delete(call);
  }

  async #call({ name, token }: { readonly name: string; readonly token: string }): Promise<void> {
    this.#sentCount++;
    const { reason } = await this.#client.call(this.#body, { token, deadlineMs: 60_000 });
    this.#ended[name] ??= {};
    const ofTenant = this.#ended[name];
    ofTenant[reason] = (ofTenant[reason] ?? 0) + 1;
  }
}

let loads: OpenLoad[] = [];

const commands = {
  open(options: OpenLoadOptions): number {
    loads.push(new OpenLoad(options));
    return loads.length - 1;
  },
  counts(at: number): OpenLoadCounts {
    return loads[at]!.counts();
  },
  async close(): Promise<void> {
    await Promise.all(loads.map((load) => load.close()));
    loads = [];
  },
  figures: processFigures,
} satisfies Commands;

export type OpenLoadCommands = typeof commands;

serveCommands(commands, () => undefined);
