/**
 * One use of a worker, from a clean start to its reset: what a case does in between.
 *
 * Drives the port WorkerProcess as the service does. Leaves out the reset and the comparison (`lane.ts`).
 */
import { randomUUID } from "node:crypto";
import type { ScenarioReference, ScenarioScript } from "../standin/choose.ts";
import type { RecordedRequest } from "../standin/record.ts";
import type { Standin } from "../standin/standin-server.ts";
import type { Binding, ContentBlock, Detail, HistoryMessage, ModelSettings, Turn, TurnLimits } from "../turn.ts";
import type { Outcome, TurnEnd } from "../turn-end.ts";
import type { TurnEvent } from "../turn-event.ts";
import type { WorkerProcess } from "../worker-process.ts";

/** When a turn is interrupted: before anything came of it, when the model API has its request, or at an event. */
export type InterruptAt = "once" | "request" | ((event: TurnEvent) => boolean);

export interface LeaseTurn {
  /** Absent: some words of the lease's own. */
  readonly prompt?: string;
  /** In place of a prompt. */
  readonly content?: readonly ContentBlock[];
  /** What the model API answers. Absent: a short text. */
  readonly scenario?: ScenarioReference | ScenarioScript;
  readonly settings?: Partial<ModelSettings>;
  readonly limits?: TurnLimits;
  readonly detail?: Detail;
  readonly interruptAt?: InterruptAt;
  /** What is to come of it: else it was not the situation that the case is about. Default `completed` or `cancelled`. */
  readonly outcome?: Outcome | readonly Outcome[];
}

export interface PlayedTurn {
  readonly turnId: string;
  readonly end: TurnEnd;
  readonly events: readonly TurnEvent[];
  readonly requests: readonly RecordedRequest[];
}

export interface LeaseSurroundings {
  readonly worker: WorkerProcess;
  /** Starts another worker of the same kind, bound, that has never been asked anything. */
  readonly startOther: () => Promise<WorkerProcess>;
  readonly standin: Standin;
  readonly profile: string;
  readonly binding: Binding;
  readonly settings: ModelSettings;
  /** The folder in which tools work. */
  readonly workspace: string;
}

/** Something reached where it must not: a failure of the suite, whatever the comparison would say. */
export class CrossedOver extends Error {
  override readonly name = "CrossedOver";
}

/** A turn that hangs is ended; nothing here takes nearly as long. */
const maxDurationMs = 30_000;

export class Lease {
  /** A word that is nowhere else, for prompts. */
  readonly secret = `secret-${randomUUID().slice(0, 13)}`;
  readonly workspace: string;
  /** What was not as the case has it. Not empty: the case did not show what it is for. */
  readonly deviations: string[] = [];
  readonly #around: LeaseSurroundings;

  constructor(around: LeaseSurroundings) {
    this.#around = around;
    this.workspace = around.workspace;
  }

  /** Runs a turn to its end, until the process is idle. */
  async turn(asked: LeaseTurn = {}): Promise<PlayedTurn> {
    const { worker, standin } = this.#around;
    const turn = this.#turnOf(asked);
    using _script = asked.scenario === undefined ? undefined : standin.script(asked.scenario);
    const first = nextIndex(standin);
    await worker.configure(turn.settings);
    const running = worker.run(turn);
    const { interruptAt } = asked;
    const interrupt = () => running.interrupt("cancelled");
    const over = new AbortController();
    if (interruptAt === "once") interrupt();
    if (interruptAt === "request") {
      standin.waitForRequest(({ index }) => index >= first, over.signal).then(interrupt, () => undefined);
    }
    const events: TurnEvent[] = [];
    for await (const event of running.events) {
      events.push(event);
      if (typeof interruptAt === "function" && interruptAt(event)) interrupt();
    }
    await running.idle;
    over.abort();
    const end = await running.ended;
    const expected = [asked.outcome ?? (interruptAt === undefined ? "completed" : "cancelled")].flat();
    this.expect(
      expected.includes(end.outcome),
      `a turn that should end as ${expected.join(" or ")} ended as ${end.outcome}`,
    );
    return { turnId: turn.id, end, events, requests: requestsSince(standin, first) };
  }

  /** Hands over a conversation. Aborting gives the signal's reason, as it does in the service. */
  seed(history: readonly HistoryMessage[], signal?: AbortSignal): Promise<void> {
    return this.#around.worker.seed(history, signal);
  }

  /** Sets model and effort, as the service does before it hands a conversation over. */
  configure(settings: Partial<ModelSettings>): Promise<void> {
    return this.#around.worker.configure({ ...this.#around.settings, ...settings });
  }

  /** Makes the worker forget everything in the middle of the case. Whether it did; if not, the case does not apply. */
  async reset(): Promise<boolean> {
    const { clean } = await this.#around.worker.reset();
    this.expect(clean, "the worker could not be reset");
    return clean;
  }

  /** The same lease on a worker that has never been asked anything, and is ended afterwards. */
  async onFreshWorker<T>(play: (other: Lease) => Promise<T>): Promise<T> {
    const worker = await this.#around.startOther();
    try {
      const other = new Lease({ ...this.#around, worker });
      const played = await play(other);
      this.deviations.push(...other.deviations);
      return played;
    } finally {
      await worker.stop();
    }
  }

  /** Notes that the situation is not the one that the case is about. */
  expect(holds: boolean, deviation: string): void {
    if (!holds) this.deviations.push(deviation);
  }

  /** Insists on what keeps tenants safe. Throws CrossedOver. */
  insist(holds: boolean, otherwise: string): void {
    if (!holds) throw new CrossedOver(otherwise);
  }

  #turnOf({ prompt, content, settings, limits, detail }: LeaseTurn): Turn {
    const { profile, binding, settings: usual } = this.#around;
    return {
      id: randomUUID(),
      tenant: "verify",
      profile,
      content: content ?? [{ kind: "text", text: prompt ?? `Please keep this in mind: ${this.secret}.` }],
      history: [],
      binding,
      settings: { ...usual, ...settings },
      limits: { maxDurationMs, ...limits },
      detail: detail ?? "standard",
      labels: {},
    };
  }
}

/** The index of the next request that a stand-in gets. */
export function nextIndex({ requests }: Standin): number {
  return (requests.at(-1)?.index ?? -1) + 1;
}

export function requestsSince({ requests }: Standin, first: number): readonly RecordedRequest[] {
  return requests.filter(({ index }) => index >= first);
}
