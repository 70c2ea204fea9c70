/**
 * What the commands about sessions and turns have in common: a connection that Ctrl-C ends, lists of many pages, failures
 * told with what to do about them.
 */
import { callFailure, tellFailure } from "./call-failure.ts";
import { type Connection, connect } from "./connection.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import type { ServerOptions } from "./server-options.ts";
import { onSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export interface KeptContext {
  readonly terminal: Terminal;
  readonly connection: Connection;
}

export async function openContext(terminal: Terminal, options: ServerOptions): Promise<KeptContext> {
  const connection = await connect({ ...options, env: terminal.env });
  if (connection.notice !== undefined) terminal.stderr.write(`${terminal.err.dim(connection.notice)}\n`);
  return { terminal, connection };
}

/** Does something until Ctrl-C, and tells what it fails with. */
export async function answered(
  { terminal, connection }: KeptContext,
  work: (signal: AbortSignal) => Promise<ExitCode | undefined>,
): Promise<ExitCode> {
  const abort = new AbortController();
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    abort.abort();
  });
  try {
    return (await work(abort.signal)) ?? exitCodes.ok;
  } catch (error) {
    if (abort.signal.aborted) return exitCodes.interrupted;
    const failure = callFailure(error, connection);
    tellFailure(failure, terminal);
    return failure.exitCode;
  }
}

/** What a server gives at a time at most. */
const maxPageSize = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** As many elements as are wanted, page after page. `nextPageToken`: there are more. */
export async function listed<T>(
  { limit = 50, pageToken = "" }: { readonly limit?: number | undefined; readonly pageToken?: string | undefined },
  ask: (page: { readonly pageSize: number; readonly pageToken: string }) => Promise<Page<T>>,
): Promise<Page<T>> {
  const items: T[] = [];
  let next = pageToken;
  do {
    const page = await ask({ pageSize: Math.min(limit - items.length, maxPageSize), pageToken: next });
    items.push(...page.items);
    next = page.nextPageToken;
  } while (next !== "" && items.length < limit);
  return { items, nextPageToken: next };
}

/** Says on stderr that a list goes on. */
export function noteMore({ terminal }: KeptContext, { items, nextPageToken }: Page<unknown>): void {
  if (nextPageToken === "") return;
  const more = `there are more than these ${items.length.toLocaleString("en-US")}: raise --limit, or go on with`;
  terminal.stderr.write(`${terminal.err.dim(`${more} --page-token ${nextPageToken}`)}\n`);
}
