/**
 * The observers of one turn, in the order in which they are told: a log line stands last, since it closes the account.
 */
import { type Context, TraceFlags, trace } from "@opentelemetry/api";
import type { Clock } from "../../clock.ts";
import type { SpanJoiner } from "../../span-joiner.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Turn } from "../../turn.ts";
import type { TurnObserver } from "../observer.ts";
import { CliSpanJoining } from "./cli-span-joining.ts";
import type { RecentTurns } from "./recent-turns.ts";
import { TurnLogLine } from "./turn-log-line.ts";
import { TurnMetrics } from "./turn-metrics.ts";
import { type ParentSpan, TurnSpans } from "./turn-spans.ts";

export interface ObserverParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Shows where the time of a turn went, while it runs and for a while afterwards. */
  readonly recentTurns: RecentTurns;
  /** Takes the spans of the workers' own processes into the traces of turns. Absent: they make none. */
  readonly spans?: Pick<SpanJoiner, "turnEnded"> | undefined;
}

export function observersOf(
  turn: Turn,
  parent: ParentSpan,
  arrivedAtMs: number,
  { clock, log, recentTurns, spans: joiner }: ObserverParts,
): TurnObserver[] {
  const spans = new TurnSpans(turn, parent, { keepsToolContexts: joiner !== undefined });
  return [
    spans,
    new TurnMetrics(turn),
    ...(joiner === undefined ? [] : [new CliSpanJoining(turn, { joiner, spans, parent, clock })]),
    recentTurns.follow(turn, {
      arrivedAtMs,
      arrivedAtWallMs: parent.wall(arrivedAtMs),
      traceId: recordedTraceId(parent.context),
    }),
    new TurnLogLine(turn, log, parent),
  ];
}

/** The id under which a collector has the trace; empty when none gets it. */
function recordedTraceId(of: Context): string {
  const span = trace.getSpanContext(of);
  return span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0 ? span.traceId : "";
}
