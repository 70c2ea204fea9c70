/**
 * The workers and the recent turns of a pool as tables for a terminal.
 */
import { type Duration, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason, ErrorReasonSchema } from "../../gen/claude/runner/v1/error_pb.ts";
import type { PoolWorker, RecentTurn } from "../../gen/claude/runner/v1/pool_pb.ts";
import { Outcome, OutcomeSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type Cell, clipped, joined } from "./cells.ts";
import { wordsOf } from "./enum-words.ts";
import { claimWords, lookOf, type PictureParts, paintOf, stateLooks } from "./pool-profiles.ts";
import { phasesOf, stageBar, stageBarLegend } from "./stage-bar.ts";
import { type Column, table } from "./table.ts";
import { type Style, singleLine, sizeText } from "./terminal.ts";
import { ageText, formatMs } from "./timeline.ts";

/** A title and at most so many rows. */
export function workerTable(rows: number, { pool, columns, style, sinceMs }: PictureParts): string[] {
  const age = (of: Duration | undefined) => ({ text: of === undefined ? "" : ageText(milliseconds(of) + sinceMs) });
  const all: Column<PoolWorker>[] = [
    { title: "worker", rank: 9, cell: ({ workerId }) => ({ text: singleLine(workerId) }) },
    {
      title: "state",
      rank: 8,
      cell: ({ state }) => ({ text: lookOf(state).word, paint: paintOf(lookOf(state), style) }),
    },
    { title: "for", isRight: true, rank: 7, cell: ({ stateAge }) => age(stateAge) },
    { title: "profile", rank: 5, cell: ({ profile }) => ({ text: singleLine(profile) }) },
    { title: "tenant", rank: 4, cell: ({ tenant }) => ({ text: singleLine(tenant) }) },
    { title: "turns", isRight: true, rank: 3, cell: ({ turnCount }) => ({ text: String(turnCount) }) },
    { title: "age", isRight: true, rank: 1, cell: (worker) => age(worker.age) },
    {
      title: "memory",
      isRight: true,
      rank: 2,
      cell: ({ memoryBytes }) => ({ text: memoryBytes > 0n ? sizeText(Number(memoryBytes)) : "" }),
    },
    { title: "turn", rank: 6, cell: ({ turnId }) => ({ text: shortId(turnId), paint: style.dim }) },
  ];
  // The busy ones first: of those that wait a few will do.
  const rankOf = ({ state }: PoolWorker) => stateLooks.indexOf(lookOf(state));
  const sorted = pool.workers.toSorted((one, other) => rankOf(one) - rankOf(other));
  const shown = sorted.length <= rows ? sorted : sorted.slice(0, rows - 1);
  const lines = table(shown, all, { columns, paintTitle: style.dim });
  if (shown.length === sorted.length) return lines;
  return [...lines, clipped([{ text: `and ${sorted.length - shown.length} more`, paint: style.dim }], columns)];
}

/** A title, so many rows, and where there is room for it what the bars mean. */
export function turnTable(rows: number, hasLegend: boolean, { pool, columns, style, sinceMs }: PictureParts): string[] {
  const nowMs = wallMs(pool.readTime) + sinceMs;
  const all: Column<RecentTurn>[] = [
    {
      title: "ago",
      isRight: true,
      rank: 5,
      cell: ({ arrivalTime }) => ({ text: ageText(Math.max(0, nowMs - wallMs(arrivalTime))) }),
    },
    { title: "turn", rank: 6, cell: ({ turnId }) => ({ text: shortId(turnId), paint: style.dim }) },
    { title: "profile", rank: 2, cell: ({ profile }) => ({ text: singleLine(profile) }) },
    { title: "model", rank: 1, cell: ({ model }) => ({ text: singleLine(model) }) },
    {
      title: "worker",
      rank: 4,
      cell: ({ workerId, claimSource }) => ({
        text: `${singleLine(workerId)} ${claimWords[claimSource] ?? ""}`.trim(),
      }),
    },
    { title: "end", rank: 9, cell: (turn) => endOf(turn, style) },
    {
      title: "first text",
      isRight: true,
      rank: 3,
      cell: ({ stages }) => ({ text: timeText(stages?.arrivalToFirstText) }),
    },
    {
      title: "total",
      isRight: true,
      rank: 8,
      cell: ({ stages, running }) => ({ text: timeText(stages?.total, running ? sinceMs : 0) }),
    },
  ];
  const last = {
    title: "where time went",
    minColumns: 16,
    maxColumns: 48,
    cell: (turn: RecentTurn, width: number) => stageBar(phasesOf(turn, sinceMs), width, style),
  };
  const lines = table(pool.recentTurns.slice(0, rows), all, { columns, paintTitle: style.dim, last });
  return hasLegend ? [...lines, joined(stageBarLegend(style), columns)] : lines;
}

function endOf({ running, outcome, errorReason, workerId }: RecentTurn, style: Style): Cell {
  if (running && workerId === "") return { text: "waiting", paint: style.yellow };
  if (running) return { text: "running", paint: style.green };
  if (outcome === Outcome.COMPLETED) return { text: "completed" };
  // The reason says more than the outcome: an upstream error is of many kinds.
  const words = wordsOf(ErrorReasonSchema, errorReason) ?? wordsOf(OutcomeSchema, outcome) ?? "ended";
  const isFailure = errorReason !== ErrorReason.UNSPECIFIED && errorReason !== ErrorReason.CANCELLED;
  return { text: words, paint: isFailure ? style.red : style.yellow };
}

/** Enough of an id to find it in a log. */
function shortId(id: string): string {
  return singleLine(id).slice(0, 8);
}

function timeText(of: Duration | undefined, sinceMs = 0): string {
  return of === undefined ? "" : formatMs(milliseconds(of) + sinceMs);
}

function wallMs(at: Timestamp | undefined): number {
  return at === undefined ? 0 : timestampMs(at);
}
