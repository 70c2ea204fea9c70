/**
 * What `claude-runner turns` does: calls of TurnService, as text or as JSON.
 */
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  GetTurnResponseSchema,
  InterruptTurnResponseSchema,
  ListTurnsResponseSchema,
  type Turn,
  TurnService,
  TurnState,
  TurnView,
} from "../../gen/claude/runner/v1/turn_pb.ts";
import { attachedEvents, type NamedTurn } from "./attached-events.ts";
import { showTurn as showEvents, tellEnd } from "./chat-turn.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { answered, type KeptContext, listed, noteMore } from "./kept-calls.ts";
import { turnFacts, turnTable } from "./kept-tables.ts";
import { none, print, printJson, tableParts } from "./session-views.ts";
import { onSignals } from "./signals.ts";
import { singleLine } from "./terminal.ts";
import { conversationLines } from "./turn-words.ts";

export interface ListTurnsOptions {
  readonly session?: string;
  readonly state?: "waiting" | "running" | "ended";
  readonly allTenants?: true;
  readonly limit?: number;
  readonly pageToken?: string;
  readonly full?: true;
  readonly json?: true;
}

const states = { waiting: TurnState.WAITING, running: TurnState.RUNNING, ended: TurnState.ENDED } as const;

const clientOf = ({ connection }: KeptContext) => createClient(TurnService, connection.transport);

export function listTurns(context: KeptContext, options: ListTurnsOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { session = "", state, allTenants = false, full, json } = options;
  return answered(context, async (signal) => {
    const filter = {
      sessionId: session,
      allTenants,
      view: full ? TurnView.FULL : TurnView.BASIC,
      ...(state !== undefined && { state: states[state] }),
    };
    const page = await listed<Turn>(options, async (asked) => {
      const { turns, nextPageToken } = await clientOf(context).listTurns({ ...filter, ...asked }, { signal });
      return { items: turns, nextPageToken };
    });
    if (json) {
      const response = create(ListTurnsResponseSchema, { turns: [...page.items], nextPageToken: page.nextPageToken });
      return printJson(terminal, ListTurnsResponseSchema, response);
    }
    if (page.items.length === 0) return none(context, "no turns", 'try it with `claude-runner chat "Say hello"`');
    print(terminal, turnTable(page.items, { ...tableParts(terminal), hasTenants: allTenants }));
    noteMore(context, page);
  });
}

export function showTurn(context: KeptContext, turn: NamedTurn, isJson: boolean): Promise<ExitCode> {
  const { terminal } = context;
  return answered(context, async (signal) => {
    const response = await clientOf(context).getTurn({ turn, view: TurnView.FULL }, { signal });
    if (isJson) return printJson(terminal, GetTurnResponseSchema, response);
    const { turn: found, result } = response;
    if (found === undefined) return;
    print(terminal, turnFacts(found, tableParts(terminal)));
    if (found.hasContent) print(terminal, ["", ...conversationLines(found, terminal.out)]);
    else if (result !== undefined && result.text !== "") print(terminal, ["", result.text]);
  });
}

export async function attachTurn(
  { terminal, connection }: KeptContext,
  turn: NamedTurn,
  asked: { readonly afterSequence: number; readonly isJson: boolean; readonly isQuiet: boolean },
): Promise<ExitCode> {
  const { afterSequence, isJson, isQuiet } = asked;
  const abort = new AbortController();
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    abort.abort();
  });
  const shown = await showEvents({ terminal, connection, isJson, isQuiet }, false, (say) =>
    attachedEvents({ transport: connection.transport, turn, afterSequence, signal: abort.signal, say }),
  );
  if (!abort.signal.aborted || shown.result !== undefined) {
    return tellEnd(shown, { terminal, connection, isJson, isQuiet });
  }
  const again = `claude-runner turns attach ${turn.case === "requestId" ? `--request-id ${turn.value}` : turn.value}`;
  terminal.stderr.write(
    `${terminal.err.dim(terminal.asTyped(`left; the turn goes on, and \`${again}\` reads it again`))}\n`,
  );
  return exitCodes.interrupted;
}

/** All that can be stopped are; the exit code is that of the last one that cannot. */
export async function stopTurns(context: KeptContext, ids: readonly string[], isJson: boolean): Promise<ExitCode> {
  const { terminal } = context;
  let exitCode: ExitCode = exitCodes.ok;
  for (const turnId of ids) {
    const ended = await answered(context, async (signal) => {
      const response = await clientOf(context).interruptTurn({ turnId }, { signal });
      if (isJson) return printJson(terminal, InterruptTurnResponseSchema, response);
      const what = response.interrupted ? "stopped" : "had ended already:";
      terminal.stdout.write(`${what} ${singleLine(turnId)}\n`);
    });
    if (ended !== exitCodes.ok) exitCode = ended;
    if (ended === exitCodes.interrupted) break;
  }
  return exitCode;
}
