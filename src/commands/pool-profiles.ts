/**
 * A profile's pool in a terminal: a glyph for each worker, how many are in which state, who waits, how turns got their
 * workers. In a few lines, or in one where there is little room.
 */
import { ClaimSource } from "../../gen/claude/runner/v1/event_pb.ts";
import { type PoolState, type ProfilePool, StartsState, WorkerState } from "../../gen/claude/runner/v1/pool_pb.ts";
import { milliseconds } from "../service/protobuf.ts";
import { type Cell, clipped, joined } from "./cells.ts";
import { counted, type Style, singleLine } from "./terminal.ts";
import { ageText } from "./timeline.ts";

/** What each part of the picture is drawn from. */
export interface PictureParts {
  readonly pool: PoolState;
  readonly columns: number;
  readonly style: Style;
  readonly sinceMs: number;
}

/** How a state of workers is shown. */
export interface StateLook {
  readonly state: WorkerState;
  readonly glyph: string;
  readonly word: string;
  readonly colour?: keyof Style;
}

/** The busiest first. */
export const stateLooks: readonly StateLook[] = [
  { state: WorkerState.CLAIMED, glyph: "▶", word: "running", colour: "green" },
  { state: WorkerState.RESETTING, glyph: "↺", word: "resetting", colour: "cyan" },
  { state: WorkerState.BOUND_IDLE, glyph: "●", word: "bound" },
  { state: WorkerState.CHECKING, glyph: "?", word: "checking" },
  { state: WorkerState.SPARE, glyph: "○", word: "spare" },
  { state: WorkerState.STARTING, glyph: "◌", word: "starting", colour: "cyan" },
  { state: WorkerState.STOPPING, glyph: "×", word: "stopping", colour: "dim" },
  // Of a server that is newer than this program.
  { state: WorkerState.UNSPECIFIED, glyph: "~", word: "other" },
];

export function lookOf(state: WorkerState): StateLook {
  return stateLooks.find((look) => look.state === state) ?? stateLooks.at(-1)!;
}

/** How turns get workers, in words. A way that this program does not know has none. */
export const claimWords: Readonly<Partial<Record<number, string>>> = {
  [ClaimSource.REUSED]: "reused",
  [ClaimSource.SPARE]: "spare",
  [ClaimSource.COLD_NO_SPARE]: "cold",
  [ClaimSource.COLD_POOL_OFF]: "cold",
};

/** The profile in a few lines. */
export function profileBlock(profile: ProfilePool, parts: PictureParts): string[] {
  const { columns, style } = parts;
  const inner = columns - 2;
  const keeps = profile.minSpareCount === 0 ? "no spares" : counted(profile.minSpareCount, "spare");
  const claims = profile.claimCounts.map(({ source, count }) => ({
    text: `${count.toLocaleString("en-US")} ${claimWords[source] ?? "other"}`,
  }));
  const lines = [
    clipped(workerStrip(profile, parts), inner),
    joined([...stateWords(profile, style), { text: `keeps ${keeps}`, paint: style.dim }], inner),
    joined(
      [queueOf(profile, parts), { text: claims.length === 0 ? "no turns yet" : "turns:", paint: style.dim }, ...claims],
      inner,
    ),
  ];
  return [joined(headOf(profile, parts), columns), ...lines.filter((line) => line !== "").map((line) => `  ${line}`)];
}

/** The profile in one line. */
export function profileLine(profile: ProfilePool, parts: PictureParts): string {
  const { columns, style } = parts;
  const cells = headOf(profile, parts);
  if (profile.waitingCount > 0) cells.push({ text: `${profile.waitingCount} waiting`, paint: style.yellow });
  const used = cells.reduce((sum, { text }) => sum + text.length + 2, 0);
  const strip = clipped(workerStrip(profile, parts), columns - used);
  return strip === "" ? joined(cells, columns) : `${joined(cells, columns)}  ${strip}`;
}

/** Its name, how many workers it has, and what is wrong with it. */
function headOf(profile: ProfilePool, { pool, style }: PictureParts): Cell[] {
  const workerCount = profile.workerCounts.reduce((sum, { count }) => sum + count, 0);
  // How many places are free is known only to whoever sees everybody's workers.
  const amount = pool.coversAllTenants
    ? `${workerCount} of ${counted(profile.maxWorkerCount, "worker")}`
    : counted(workerCount, "worker");
  const cells: Cell[] = [{ text: singleLine(profile.profile), paint: style.bold }, { text: amount }];
  if (!profile.ready) cells.push({ text: "not ready", paint: style.red });
  if (profile.starts === StartsState.FAILING) cells.push({ text: "workers do not start", paint: style.red });
  if (profile.starts === StartsState.CLI_UNAVAILABLE) cells.push({ text: "no usable Claude Code", paint: style.red });
  return cells;
}

/** A glyph for each worker, and a dot for each free place. */
function workerStrip(profile: ProfilePool, { pool, style }: PictureParts): Cell[] {
  const counts = countsOf(profile);
  const workerCount = counts.reduce((sum, { count }) => sum + count, 0);
  const freeCount = pool.coversAllTenants ? Math.max(0, profile.maxWorkerCount - workerCount) : 0;
  return [
    ...counts.map(({ look, count }) => ({ text: look.glyph.repeat(count), paint: paintOf(look, style) })),
    { text: "·".repeat(freeCount), paint: style.dim },
  ];
}

function stateWords(profile: ProfilePool, style: Style): Cell[] {
  return countsOf(profile).map(({ look, count }) => ({
    text: `${look.glyph} ${count} ${look.word}`,
    paint: paintOf(look, style),
  }));
}

function queueOf({ waitingCount, maxWaitingCount, oldestWait }: ProfilePool, { style, sinceMs }: PictureParts): Cell {
  if (waitingCount === 0) return { text: "nobody waits", paint: style.dim };
  const waitedMs = (oldestWait === undefined ? 0 : milliseconds(oldestWait)) + sinceMs;
  return { text: `${waitingCount} of ${maxWaitingCount} waiting, for ${ageText(waitedMs)}`, paint: style.yellow };
}

/** How many workers are in which state; states without one are left out. */
function countsOf({ workerCounts }: ProfilePool): { readonly look: StateLook; readonly count: number }[] {
  return stateLooks.flatMap((look) => {
    const count = workerCounts.reduce((sum, of) => sum + (lookOf(of.state) === look ? of.count : 0), 0);
    return count === 0 ? [] : { look, count };
  });
}

export function paintOf({ colour }: StateLook, style: Style): Cell["paint"] {
  return colour === undefined ? undefined : style[colour];
}
