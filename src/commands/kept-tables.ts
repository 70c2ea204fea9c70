/**
 * Sessions and turns as tables and as facts for a terminal. Pure.
 */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason, ErrorReasonSchema } from "../../gen/claude/runner/v1/error_pb.ts";
import { Outcome, OutcomeSchema, type Usage } from "../../gen/claude/runner/v1/result_pb.ts";
import { type Session, SessionKind, SessionState } from "../../gen/claude/runner/v1/session_pb.ts";
import { type Turn, TurnState } from "../../gen/claude/runner/v1/turn_pb.ts";
import type { Cell } from "./cells.ts";
import { nameOf, wordsOf } from "./enum-words.ts";
import { type Column, table } from "./table.ts";
import { type Style, singleLine } from "./terminal.ts";
import { ageText, formatMs } from "./timeline.ts";

export interface TableParts {
  readonly columns: number;
  readonly style: Style;
  readonly nowMs: number;
}

export function sessionTable(sessions: readonly Session[], { columns, style, nowMs }: TableParts): string[] {
  const all: Column<Session>[] = [
    { title: "session", rank: 9, cell: ({ id }) => ({ text: singleLine(id), paint: style.cyan }) },
    { title: "state", rank: 8, cell: (session) => sessionState(session, style) },
    { title: "changed", isRight: true, rank: 7, cell: ({ updateTime }) => ({ text: ageOf(updateTime, nowMs) }) },
    { title: "turns", isRight: true, rank: 6, cell: ({ turnCount }) => ({ text: turnCount.toLocaleString("en-US") }) },
    { title: "context", isRight: true, rank: 3, cell: (session) => ({ text: contextText(session) }) },
    { title: "cost", isRight: true, rank: 4, cell: ({ costUsdMicros }) => ({ text: costText(costUsdMicros) }) },
    { title: "expires in", isRight: true, rank: 1, cell: ({ expireTime }) => ({ text: untilText(expireTime, nowMs) }) },
    { title: "profile", rank: 2, cell: ({ profile }) => ({ text: singleLine(profile) }) },
  ];
  const last = {
    title: "title",
    minColumns: 8,
    maxColumns: 80,
    cell: ({ title }: Session, width: number) => cut(singleLine(title), width),
  };
  return table(sessions, all, { columns, paintTitle: style.dim, last });
}

export function turnTable(
  turns: readonly Turn[],
  { columns, style, nowMs, hasTenants }: TableParts & { readonly hasTenants: boolean },
): string[] {
  const all: Column<Turn>[] = [
    { title: "turn", rank: 9, cell: ({ id }) => ({ text: singleLine(id), paint: style.cyan }) },
    { title: "state", rank: 8, cell: (turn) => turnState(turn, style) },
    { title: "ago", isRight: true, rank: 7, cell: ({ acceptTime }) => ({ text: ageOf(acceptTime, nowMs) }) },
    { title: "took", isRight: true, rank: 5, cell: (turn) => ({ text: tookText(turn, nowMs) }) },
    { title: "cost", isRight: true, rank: 4, cell: (turn) => ({ text: costText(turn.costUsdMicros) }) },
    ...(hasTenants
      ? [{ title: "tenant", rank: 6, cell: ({ tenant }: Turn) => ({ text: singleLine(tenant) }) } as const]
      : []),
    { title: "session", rank: 3, cell: ({ sessionId }) => ({ text: cut(singleLine(sessionId), 36) }) },
    { title: "profile", rank: 2, cell: ({ profile }) => ({ text: singleLine(profile) }) },
    { title: "readers", isRight: true, rank: 1, cell: ({ readerCount }) => ({ text: String(readerCount || "") }) },
  ];
  return table(turns, all, { columns, paintTitle: style.dim });
}

/** Names and values, without those that there are none of. */
export function sessionFacts(session: Session, { style, nowMs }: TableParts): string[] {
  const { suspension, forkedFrom, labels } = session;
  return facts(style, [
    ["session", session.id],
    ["title", session.title],
    ["state", sessionState(session, style)],
    ["suspended", suspension && `${suspension.message} (${nameOf(ErrorReasonSchema, suspension.reason)})`],
    ["profile", session.profile],
    ["kind", session.kind === SessionKind.TOOLS ? "tools" : session.kind === SessionKind.TEXT ? "text" : ""],
    ["turns", session.turnCount.toLocaleString("en-US")],
    ["context", contextWords(session)],
    ["used", usageText(session.usage, session.costUsdMicros, false)],
    [
      "labels",
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
    ],
    ["forked from", forkedFrom && `${forkedFrom.sessionId} ${forkedFrom.turnId}`.trim()],
    ["created", momentText(session.createTime, nowMs)],
    ["changed", momentText(session.updateTime, nowMs)],
    ["expires", session.expireTime && `${isoText(session.expireTime)}, in ${untilText(session.expireTime, nowMs)}`],
  ]);
}

export function turnFacts(turn: Turn, { style, nowMs }: TableParts): string[] {
  const { error, firstSequence, lastSequence } = turn;
  const events = firstSequence === 0 ? (lastSequence === 0 ? "" : "gone") : `${firstSequence} to ${lastSequence}`;
  return facts(style, [
    ["turn", turn.id],
    ["state", turnState(turn, style)],
    ["error", error && `${error.message} (${nameOf(ErrorReasonSchema, error.reason)})`],
    ["tenant", turn.tenant],
    ["profile", turn.profile],
    ["model", turn.model],
    ["session", turn.sessionId && `${turn.sessionId}${turn.inConversation ? "" : ", not part of its conversation"}`],
    ["request id", turn.requestId],
    ["accepted", momentText(turn.acceptTime, nowMs)],
    ["took", tookText(turn, nowMs)],
    ["used", usageText(turn.usage, turn.costUsdMicros, turn.costIsEstimate)],
    ["events", events],
    ["readers", String(turn.readerCount || "")],
  ]);
}

type Fact = readonly [name: string, value: string | Cell | undefined];

function facts(style: Style, all: readonly Fact[]): string[] {
  const shown = all.flatMap(([name, value]) => {
    const cell = typeof value === "string" ? { text: singleLine(value) } : value;
    return cell === undefined || cell.text === "" ? [] : [[name, cell] as const];
  });
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, { text, paint }]) => `${style.dim(name.padEnd(width))}  ${paint ? paint(text) : text}`);
}

function sessionState({ state }: Session, style: Style): Cell {
  if (state === SessionState.RUNNING) return { text: "running", paint: style.green };
  if (state === SessionState.SUSPENDED) return { text: "suspended", paint: style.red };
  return { text: state === SessionState.IDLE ? "idle" : "unknown" };
}

/** How far a turn has come, or how it ended. */
export function turnState({ state, outcome, error }: Turn, style: Style): Cell {
  if (state === TurnState.WAITING) return { text: "waiting", paint: style.yellow };
  if (state === TurnState.RUNNING) return { text: "running", paint: style.green };
  if (outcome === Outcome.COMPLETED) return { text: "completed" };
  const isBad = error !== undefined && error.reason !== ErrorReason.CANCELLED && outcome !== Outcome.INTERRUPTED;
  const reason = error === undefined ? undefined : wordsOf(ErrorReasonSchema, error.reason);
  const words = reason ?? wordsOf(OutcomeSchema, outcome) ?? "ended";
  return { text: words, paint: isBad ? style.red : style.yellow };
}

function contextText({ contextTokenCount, contextWindowTokenCount }: Session): string {
  if (contextTokenCount === 0n || contextWindowTokenCount === 0n) return "";
  return `${Math.round((Number(contextTokenCount) / Number(contextWindowTokenCount)) * 100)} %`;
}

function contextWords(session: Session): string {
  const share = contextText(session);
  if (share === "") return "";
  const { contextTokenCount, contextWindowTokenCount } = session;
  return `${share}: ${countText(contextTokenCount)} of ${countText(contextWindowTokenCount)} tokens`;
}

function usageText(usage: Usage | undefined, costUsdMicros: bigint, isEstimate: boolean): string {
  const cost = costUsdMicros === 0n ? [] : [`${isEstimate ? "about " : ""}${costText(costUsdMicros)}`];
  if (usage === undefined) return cost.join("");
  const read = usage.inputTokenCount + usage.cacheReadInputTokenCount + usage.cacheCreationInputTokenCount;
  if (read === 0n && usage.outputTokenCount === 0n) return cost.join("");
  return [`${countText(read)} tokens in, ${countText(usage.outputTokenCount)} out`, ...cost].join(" · ");
}

const countText = (count: bigint): string => count.toLocaleString("en-US");
const costText = (micros: bigint): string => (micros === 0n ? "" : `$${(Number(micros) / 1e6).toFixed(4)}`);

function tookText({ startTime, acceptTime, endTime, state }: Turn, nowMs: number): string {
  const from = startTime ?? acceptTime;
  if (from === undefined || (state === TurnState.ENDED && endTime === undefined)) return "";
  const toMs = endTime === undefined ? nowMs : timestampMs(endTime);
  return formatMs(Math.max(0, toMs - timestampMs(from)));
}

const ageOf = (at: Timestamp | undefined, nowMs: number): string =>
  at === undefined ? "" : ageText(Math.max(0, nowMs - timestampMs(at)));
const untilText = (at: Timestamp | undefined, nowMs: number): string =>
  at === undefined ? "" : ageText(Math.max(0, timestampMs(at) - nowMs));
const isoText = (at: Timestamp): string => new Date(timestampMs(at)).toISOString().replace(/\.\d+Z$/, "Z");
const momentText = (at: Timestamp | undefined, nowMs: number): string =>
  at === undefined ? "" : `${isoText(at)}, ${ageOf(at, nowMs)} ago`;

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
