/**
 * The port through which spans that worker processes make themselves come into the traces of turns.
 *
 * `cli-spans/` is the implementation, and absent as a rule: the setting is off by default. The service tells it which turns
 * ended, and what is known of them; what a process is started with, so that it makes any, is a resource of its worker.
 */
import type { SpanContext } from "@opentelemetry/api";

export interface SpanJoiner {
  /** A worker is done with a turn: from now on the spans of its process are waited for, for a moment. */
  turnEnded(turn: SpannedTurn): JoiningTurn;
}

/** A turn that a worker is done with. Moments are milliseconds since 1970. */
export interface SpannedTurn {
  readonly id: string;
  readonly workerId: string;
  /** As in `TurnEnd`. */
  readonly promptNumber: number | undefined;
  /** Just before the prompt was written. */
  readonly writtenAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: string;
  /** The model that was asked for. */
  readonly model: string;
  /** As in `TurnEnd`, but in milliseconds since 1970. */
  readonly cutModelCall: SpannedModelCall | undefined;
  /** The span of ours that theirs are put under. When it is not sampled they are dropped. */
  readonly parent: SpanContext;
}

export interface SpannedModelCall {
  readonly startedAtMs: number;
  readonly answeredAtMs: number | undefined;
  readonly endedAtMs: number;
  /** The model that answered. */
  readonly model: string | undefined;
}

export interface JoiningTurn {
  /** The caller has read the turn to its end. `tools` are our spans of tool uses, by the id of the use. Once. */
  join(tools: ReadonlyMap<string, SpanContext>): void;
}
