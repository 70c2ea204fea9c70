/**
 * Puts the spans that a worker's process makes itself below those of its turn.
 *
 * They are on their way when the worker is done; where they belong is known only when the events have been read, since
 * the spans of tool uses begin when those go by.
 */
import type { Clock } from "../../clock.ts";
import type { Claim } from "../../pool/claim.ts";
import type { JoiningTurn, SpanJoiner } from "../../span-joiner.ts";
import type { Turn } from "../../turn.ts";
import type { TurnEnd } from "../../turn-end.ts";
import type { TurnObserver } from "../observer.ts";
import type { StageName } from "../stages.ts";
import type { ParentSpan, TurnSpans } from "./turn-spans.ts";

export interface CliSpanJoiningParts {
  readonly joiner: Pick<SpanJoiner, "turnEnded">;
  readonly spans: Pick<TurnSpans, "turnContext" | "toolContexts">;
  readonly parent: Pick<ParentSpan, "wall">;
  readonly clock: Clock;
}

export class CliSpanJoining implements TurnObserver {
  readonly #turn: Turn;
  readonly #parts: CliSpanJoiningParts;
  #workerId = "";
  /** When the prompt line was about to be written. */
  #writtenAtWallMs = 0;
  #joining: JoiningTurn | undefined;

  constructor(turn: Turn, parts: CliSpanJoiningParts) {
    this.#turn = turn;
    this.#parts = parts;
  }

  claimed({ worker }: Claim): void {
    this.#workerId = worker.id;
  }

  stageEntered(name: StageName): void {
    if (name === "stdinWrite") this.#writtenAtWallMs = this.#parts.clock.wallNow();
  }

  finished(end: TurnEnd): void {
    const { joiner, spans, parent, clock } = this.#parts;
    if (spans.turnContext === undefined) return;
    const cut = end.cutModelCall;
    this.#joining = joiner.turnEnded({
      id: this.#turn.id,
      workerId: this.#workerId,
      promptNumber: end.promptNumber,
      writtenAtMs: this.#writtenAtWallMs,
      endedAtMs: clock.wallNow(),
      outcome: end.outcome,
      model: this.#turn.settings.model,
      cutModelCall: cut && {
        startedAtMs: parent.wall(cut.startedAtMs),
        answeredAtMs: cut.answeredAtMs === undefined ? undefined : parent.wall(cut.answeredAtMs),
        endedAtMs: parent.wall(cut.endedAtMs),
        model: cut.model,
      },
      parent: spans.turnContext,
    });
  }

  closed(): void {
    this.#joining?.join(this.#parts.spans.toolContexts);
  }
}
