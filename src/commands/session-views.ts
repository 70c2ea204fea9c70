/**
 * What `claude-runner sessions` does: calls of SessionService, as text or as JSON.
 */
import { createInterface } from "node:readline/promises";
import { create, type DescMessage, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  DeleteSessionResponseSchema,
  ForkSessionResponseSchema,
  GetSessionResponseSchema,
  ListSessionsResponseSchema,
  type Session,
  SessionService,
  SessionState,
  UpdateSessionResponseSchema,
} from "../../gen/claude/runner/v1/session_pb.ts";
import { type Turn, TurnService, TurnView } from "../../gen/claude/runner/v1/turn_pb.ts";
import { systemClock } from "../clock.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodes } from "./exit-codes.ts";
import { answered, type KeptContext, listed, noteMore } from "./kept-calls.ts";
import { sessionFacts, sessionTable, type TableParts } from "./kept-tables.ts";
import { columnsOf, counted, singleLine, type Terminal } from "./terminal.ts";
import { conversationLines } from "./turn-words.ts";

export interface ListSessionsOptions {
  readonly title?: string;
  readonly profile?: string;
  readonly state?: "idle" | "running" | "suspended";
  readonly label?: Readonly<Record<string, string>>;
  readonly limit?: number;
  readonly pageToken?: string;
  readonly json?: true;
}

const states = {
  idle: SessionState.IDLE,
  running: SessionState.RUNNING,
  suspended: SessionState.SUSPENDED,
} as const;

const clientOf = ({ connection }: KeptContext) => createClient(SessionService, connection.transport);

export function listSessions(context: KeptContext, options: ListSessionsOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { title = "", profile = "", state, label = {}, json } = options;
  return answered(context, async (signal) => {
    const filter = {
      titleContains: title,
      profile,
      labels: { ...label },
      ...(state !== undefined && { state: states[state] }),
    };
    const page = await listed<Session>(options, async (asked) => {
      const { sessions, nextPageToken } = await clientOf(context).listSessions({ ...filter, ...asked }, { signal });
      return { items: sessions, nextPageToken };
    });
    if (json) {
      const { items, nextPageToken } = page;
      const response = create(ListSessionsResponseSchema, { sessions: [...items], nextPageToken });
      return printJson(terminal, ListSessionsResponseSchema, response);
    }
    if (page.items.length === 0) return none(context, "no sessions", "`claude-runner chat --session NAME` makes one");
    print(terminal, sessionTable(page.items, tableParts(terminal)));
    noteMore(context, page);
  });
}

export function showSession(
  context: KeptContext,
  id: string,
  { hasTurns, isJson }: { readonly hasTurns: boolean; readonly isJson: boolean },
): Promise<ExitCode> {
  const { terminal, connection } = context;
  return answered(context, async (signal) => {
    const response = await clientOf(context).getSession({ id }, { signal });
    if (isJson) return printJson(terminal, GetSessionResponseSchema, response);
    if (response.session !== undefined) print(terminal, sessionFacts(response.session, tableParts(terminal)));
    if (!hasTurns) return;
    const turns = createClient(TurnService, connection.transport);
    await listed<Turn>({ limit: Number.POSITIVE_INFINITY }, async (page) => {
      const { turns: items, nextPageToken } = await turns.listTurns(
        { sessionId: id, view: TurnView.FULL, ...page },
        { signal },
      );
      for (const turn of items) print(terminal, ["", ...conversationLines(turn, terminal.out)]);
      return { items: [], nextPageToken };
    });
  });
}

export function forkSession(
  context: KeptContext,
  asked: {
    readonly id: string;
    readonly newId: string;
    readonly until: string | undefined;
    readonly before: string | undefined;
    readonly title: string | undefined;
    readonly isJson: boolean;
  },
): Promise<ExitCode> {
  const { id, newId, until, before, title, isJson } = asked;
  return answered(context, async (signal) => {
    const end =
      until !== undefined
        ? { until: { case: "lastTurnId" as const, value: until } }
        : before !== undefined && { until: { case: "beforeTurnId" as const, value: before } };
    const response = await clientOf(context).forkSession(
      { id, newId, ...end, ...(title !== undefined && { title }) },
      { signal },
    );
    if (isJson) return printJson(context.terminal, ForkSessionResponseSchema, response);
    const { id: copyId = "", turnCount = 0 } = response.session ?? {};
    context.terminal.stdout.write(`${singleLine(copyId)}\n`);
    context.terminal.stderr.write(`${context.terminal.err.dim(`copied ${counted(turnCount, "turn")}`)}\n`);
  });
}

export function renameSession(context: KeptContext, id: string, title: string, isJson: boolean): Promise<ExitCode> {
  return answered(context, async (signal) => {
    const response = await clientOf(context).updateSession({ id, title, updateMask: { paths: ["title"] } }, { signal });
    if (isJson) return printJson(context.terminal, UpdateSessionResponseSchema, response);
    context.terminal.stdout.write(`${singleLine(id)} is now called ${singleLine(response.session?.title ?? title)}\n`);
  });
}

/** All that can be deleted are; the exit code is that of the last one that cannot. */
export async function deleteSessions(
  context: KeptContext,
  ids: readonly string[],
  { isSure, isForced, isJson }: { readonly isSure: boolean; readonly isForced: boolean; readonly isJson: boolean },
): Promise<ExitCode> {
  const { terminal } = context;
  if (!isSure && !(await isAgreed(terminal, ids))) {
    terminal.stderr.write("nothing was deleted\n");
    return exitCodes.interrupted;
  }
  let exitCode: ExitCode = exitCodes.ok;
  for (const id of ids) {
    const ended = await answered(context, async (signal) => {
      const response = await clientOf(context).deleteSession({ id, force: isForced }, { signal });
      if (isJson) return printJson(terminal, DeleteSessionResponseSchema, response);
      const { interruptedTurnId } = response;
      const after = interruptedTurnId === "" ? "" : `, after its turn ${interruptedTurnId} was interrupted`;
      terminal.stdout.write(`deleted ${singleLine(id)}${after}\n`);
    });
    if (ended !== exitCodes.ok) exitCode = ended;
    if (ended === exitCodes.interrupted) break;
  }
  return exitCode;
}

async function isAgreed(terminal: Terminal, ids: readonly string[]): Promise<boolean> {
  const what = ids.length === 1 ? `the session ${singleLine(ids[0] ?? "")}` : counted(ids.length, "session");
  const editor = createInterface({ input: terminal.stdin, output: terminal.stderr as NodeJS.WritableStream });
  const abort = new AbortController();
  // Ctrl-C and Ctrl-D are a no.
  editor.on("SIGINT", () => abort.abort());
  editor.on("close", () => abort.abort());
  try {
    const question = `Delete ${what} and everything that was said? This cannot be undone. [y/N] `;
    return /^y(es)?$/i.test((await editor.question(question, { signal: abort.signal })).trim());
  } catch {
    terminal.stderr.write("\n");
    return false;
  } finally {
    editor.close();
  }
}

export function tableParts(terminal: Terminal): TableParts {
  return { columns: columnsOf(terminal, 160), style: terminal.out, nowMs: systemClock.wallNow() };
}

export function print({ stdout }: Terminal, lines: readonly string[]): void {
  stdout.write(`${lines.join("\n")}\n`);
}

export function printJson<D extends DescMessage>({ stdout }: Terminal, schema: D, message: MessageShape<D>): undefined {
  stdout.write(`${toJsonString(schema, message)}\n`);
}

export function none({ terminal }: KeptContext, what: string, hint: string): undefined {
  terminal.stderr.write(`${terminal.err.dim(terminal.asTyped(`${what}; ${hint}`))}\n`);
}
