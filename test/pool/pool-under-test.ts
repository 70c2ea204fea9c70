/**
 * A pool over in-memory workers and a fake clock, with short words for what the tests do with it.
 */
import { sleep } from "../../src/clock.ts";
import { type Settings, settingsSchema } from "../../src/config/settings.ts";
import type { Claim, ClaimRequest } from "../../src/pool/claim.ts";
import type { PoolProfile, PoolTenants } from "../../src/pool/pool-options.ts";
import { Pool } from "../../src/pool/worker-pool.ts";
import { RunnerError } from "../../src/runner-error.ts";
import type { Log, LogFields } from "../../src/telemetry/log.ts";
import { FakeClock } from "../fake-clock.ts";
import { InMemoryWorker, type InMemoryWorkerOptions, promptly } from "./in-memory-worker.ts";

const defaults = settingsSchema.parse({});
const defaultProfile: PoolProfile = {
  minSpares: 2,
  maxWorkers: 8,
  reuse: true,
  keptPlaces: 1,
  keepConversationMs: 0,
  parkedIdleMs: 600_000,
  maxParkedWorkers: 2,
};

export interface Changes {
  readonly profiles?: Readonly<Record<string, Partial<PoolProfile>>>;
  readonly pool?: Partial<Settings["pool"]>;
  readonly queue?: Partial<Settings["queue"]>;
  readonly worker?: Partial<InMemoryWorkerOptions>;
  readonly random?: () => number;
  /** Default: equal ones, and none that would have to be left a place. */
  readonly tenants?: Partial<PoolTenants>;
}

export interface LogLine {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export class PoolUnderTest {
  readonly clock = new FakeClock();
  readonly pool: Pool;
  /** Every worker that was started, in that order. */
  readonly workers: InMemoryWorker[] = [];
  readonly logLines: LogLine[] = [];
  /** While set, starts fail with it. */
  startError: RunnerError | undefined;
  /** How long it takes them to. */
  startErrorAfterMs = 0;
  /** What the next workers are like. */
  workerOptions: InMemoryWorkerOptions;
  startAttempts = 0;
  #turnCount = 0;

  constructor(changes: Changes = {}) {
    this.workerOptions = { ...promptly, ...changes.worker };
    const profiles = changes.profiles ?? { default: {} };
    this.pool = new Pool({
      profiles: Object.fromEntries(
        Object.entries(profiles).map(([name, profile]) => [name, { ...defaultProfile, ...profile }]),
      ),
      settings: {
        ...defaults,
        pool: {
          ...defaults.pool,
          maxStartingWorkers: 4,
          memoryBudgetBytes: 16 * 1024 ** 3,
          ...changes.pool,
        },
        queue: { ...defaults.queue, ...changes.queue },
      },
      tenants: { weightOf: () => 1, areSeveral: () => false, ...changes.tenants },
      startWorker: async (_profile, _signal, session) => {
        this.startAttempts++;
        const error = this.startError;
        if (error !== undefined && this.startErrorAfterMs > 0) await sleep(this.clock, this.startErrorAfterMs);
        if (error !== undefined) throw error;
        const worker = new InMemoryWorker(this.clock, `w${this.workers.length + 1}`, this.workerOptions, session);
        this.workers.push(worker);
        return worker;
      },
      clock: this.clock,
      random: changes.random ?? (() => 0.5),
      log: this.#log(),
    });
  }

  /** A pool whose spares are there. */
  static async warm(changes: Changes = {}): Promise<PoolUnderTest> {
    const test = new PoolUnderTest(changes);
    test.pool.start();
    await test.clock.advance(1000);
    return test;
  }

  request(changes: Partial<ClaimRequest> = {}): ClaimRequest {
    return {
      turnId: `turn-${++this.#turnCount}`,
      tenant: "acme",
      profile: "default",
      bindingKey: "b",
      signal: new AbortController().signal,
      deadlineMs: this.clock.now() + 600_000,
      ...changes,
    };
  }

  claim(changes: Partial<ClaimRequest> = {}): Promise<Claim> {
    return this.pool.claim(this.request(changes));
  }

  /** A claim of which one can see at any time what came of it. */
  ask(changes: Partial<ClaimRequest> = {}): Asked {
    return new Asked(this.claim(changes));
  }

  /** Has a turn run and makes its worker bound idle. */
  async runTurn(changes: Partial<ClaimRequest> = {}): Promise<Claim> {
    const claim = await this.claim(changes);
    claim.release({ kind: "finished" });
    await this.clock.advance(this.workerOptions.resetMs);
    return claim;
  }

  counts(profile = "default") {
    return this.profile(profile).workers;
  }

  profile(name = "default") {
    const found = this.pool.snapshot().profiles.find(({ profile }) => profile === name);
    if (found === undefined) throw new Error(`no profile ${name}`);
    return found;
  }

  /** Why workers ended, in that order. */
  get recycleReasons(): unknown[] {
    return this.logLines.filter(({ message }) => message === "recycle").map(({ fields }) => fields.why);
  }

  #log(): Log {
    const write = (level: string) => (fields: LogFields, message: string) => {
      this.logLines.push({ level, fields, message });
    };
    return {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      child: () => this.#log(),
    };
  }
}

/** A claim under way. */
export class Asked {
  claim: Claim | undefined;
  error: unknown;
  settleCount = 0;

  constructor(claimed: Promise<Claim>) {
    claimed.then(
      (claim) => {
        this.claim = claim;
        this.settleCount++;
      },
      (error: unknown) => {
        this.error = error;
        this.settleCount++;
      },
    );
  }

  get isWaiting(): boolean {
    return this.settleCount === 0;
  }

  /** The reason of the refusal. */
  get reason(): string | undefined {
    return this.error instanceof RunnerError ? this.error.reason : undefined;
  }
}
