/**
 * How the pool looks in a terminal: what the server does, its profiles, its workers, the recent turns; what of it when
 * there is little room. A pure function of a state; `screen.ts` puts it on a screen.
 */
import type { PoolState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type Cell, clipped, joined } from "./cells.ts";
import { type PictureParts, profileBlock, profileLine } from "./pool-profiles.ts";
import { turnTable, workerTable } from "./pool-tables.ts";
import { type Style, singleLine, sizeText } from "./terminal.ts";
import { ageText, bar } from "./timeline.ts";

export interface PoolPictureOptions {
  readonly pool: PoolState;
  /** The server as a person would type it. */
  readonly url: string;
  /** No line is longer. */
  readonly columns: number;
  /** There are no more lines. Absent: as many as it takes. */
  readonly rows?: number;
  readonly style: Style;
  /** How long ago the state was told, in milliseconds: what goes on has got older since. Default 0. */
  readonly sinceMs?: number;
  /** Why there is no newer state, when there should be one. */
  readonly notice?: string | undefined;
}

/** So many recent turns have their place before workers get theirs. */
const turnsBeforeWorkers = 8;
/** A table of fewer workers says less than their count does. */
const minWorkerRows = 3;
const minRowsForLegend = 4;
const memoryColumns = 30;

/** The lines. */
export function poolPicture(options: PoolPictureOptions): string[] {
  const { pool, columns, style, sinceMs = 0, rows = Number.POSITIVE_INFINITY } = options;
  const parts: PictureParts = { pool, columns, style, sinceMs };
  const lines = head(parts, options);

  // The turns are what is looked for. Where there is little room for them, a profile gets one line, and workers none.
  const turnsWant = 3 + Math.min(pool.recentTurns.length, turnsBeforeWorkers);
  const blocks = pool.profiles.flatMap((profile) => ["", ...profileBlock(profile, parts)]);
  const hasRoom = lines.length + blocks.length + turnsWant <= rows;
  lines.push(...(hasRoom ? blocks : ["", ...pool.profiles.map((profile) => profileLine(profile, parts))]));

  const workerRows = Math.min(pool.workers.length, rows - lines.length - turnsWant - 2);
  if (workerRows >= Math.min(minWorkerRows, Math.max(1, pool.workers.length))) {
    lines.push("", ...workerTable(workerRows, parts));
  }
  const left = rows - lines.length - 2;
  const hasLegend = left >= minRowsForLegend;
  const turnRows = Math.min(pool.recentTurns.length, hasLegend ? left - 1 : left);
  if (turnRows > 0) lines.push("", ...turnTable(turnRows, hasLegend, parts));
  else if (pool.recentTurns.length === 0) {
    lines.push("", clipped([{ text: "no turns of your tenant yet", paint: style.dim }], columns));
  }
  return lines.slice(0, rows);
}

function head({ pool, columns, style, sinceMs }: PictureParts, { url, notice }: PoolPictureOptions): string[] {
  const uptimeMs = (pool.uptime === undefined ? 0 : milliseconds(pool.uptime)) + sinceMs;
  const lines = [
    joined(
      [
        { text: "claude-runner", paint: style.bold },
        { text: url },
        notice === undefined ? stateOf(pool, style) : { text: "not answering", paint: style.red },
        { text: `up ${ageText(uptimeMs)}`, paint: style.dim },
        {
          text: pool.coversAllTenants ? "all tenants" : "your tenant, and workers that belong to nobody",
          paint: style.dim,
        },
      ],
      columns,
    ),
  ];
  if (pool.coversAllTenants && pool.memoryBudgetBytes > 0n) {
    const [used, budget] = [Number(pool.memoryBytes), Number(pool.memoryBudgetBytes)];
    const drawn = bar(0, Math.min(used, budget), budget, memoryColumns).padEnd(memoryColumns).slice(0, memoryColumns);
    const paint = used > budget ? style.red : undefined;
    const text = `memory ${sizeText(used)} of ${sizeText(budget)}`;
    lines.push(joined([{ text, paint }, { text: `│${drawn}│` }], columns));
  }
  if (notice !== undefined) lines.push(clipped([{ text: singleLine(notice), paint: style.yellow }], columns));
  return lines;
}

function stateOf({ draining, serving }: PoolState, style: Style): Cell {
  if (draining) return { text: "draining", paint: style.yellow };
  return serving ? { text: "serving", paint: style.green } : { text: "not serving", paint: style.red };
}
