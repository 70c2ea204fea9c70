/**
 * The ways in which `claude-runner pool` shows the pool: live in a terminal, as text, as JSON; once or on and on.
 */
import { setTimeout as wait } from "node:timers/promises";
import { toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  GetPoolResponseSchema,
  PoolService,
  type PoolState,
  WatchPoolResponseSchema,
} from "../../gen/claude/runner/v1/pool_pb.ts";
import { type Clock, systemClock } from "../clock.ts";
import { duration } from "../service/protobuf.ts";
import { callFailure, tellFailure } from "./call-failure.ts";
import type { Connection } from "./connection.ts";
import { type ExitCode, exitCodes } from "./exit-codes.ts";
import { poolPicture } from "./pool-picture.ts";
import { Screen } from "./screen.ts";
import { columnsOf, type Terminal } from "./terminal.ts";

export interface PoolViewOptions {
  readonly terminal: Terminal;
  readonly connection: Connection;
  /** Aborting it leaves the view, which is no failure. */
  readonly signal: AbortSignal;
  /** `undefined`: the server's default. */
  readonly recentTurnCount: number | undefined;
  readonly minIntervalMs: number | undefined;
  readonly clock?: Clock;
  /** How long after a server that was there does not answer any more it is asked again, in milliseconds. Default 2 000. */
  readonly retryAfterMs?: number;
}

/** How often ages and running turns are drawn anew, in milliseconds. */
const tickMs = 1_000;

export function once(options: PoolViewOptions): Promise<ExitCode> {
  return answered(options, async () => {
    const { pool } = await getPool(options);
    if (pool !== undefined) print(pool, options);
  });
}

export function onceAsJson(options: PoolViewOptions): Promise<ExitCode> {
  return answered(options, async () => {
    const response = await getPool(options);
    options.terminal.stdout.write(`${toJsonString(GetPoolResponseSchema, response)}\n`);
  });
}

export function watchAsText(options: PoolViewOptions): Promise<ExitCode> {
  return answered(options, async () => {
    let isFirst = true;
    for await (const { pool } of watchPool(options)) {
      if (pool === undefined) continue;
      if (!isFirst) options.terminal.stdout.write("\n");
      isFirst = false;
      print(pool, options);
    }
  });
}

export function watchAsJson(options: PoolViewOptions): Promise<ExitCode> {
  return answered(options, async () => {
    for await (const response of watchPool(options)) {
      options.terminal.stdout.write(`${toJsonString(WatchPoolResponseSchema, response)}\n`);
    }
  });
}

/** A screen that shows the newest state until the person leaves. A server that goes away may come back. */
export async function live(options: PoolViewOptions): Promise<ExitCode> {
  const { terminal, connection, signal, clock = systemClock, retryAfterMs = 2_000 } = options;
  let seen: { readonly pool: PoolState; readonly atMs: number } | undefined;
  /** Since when there is no answer, and why. */
  let lost: { readonly notice: string; readonly atMs: number } | undefined;
  let screen: Screen | undefined;
  let cancelTick = () => {};
  const tick = () => {
    screen?.draw();
    cancelTick = clock.after(tickMs, tick);
  };
  const draw = ({ columns, rows }: { columns: number; rows: number }) =>
    seen === undefined
      ? []
      : poolPicture({
          pool: seen.pool,
          url: connection.url,
          columns,
          rows,
          style: terminal.out,
          sinceMs: (lost?.atMs ?? clock.now()) - seen.atMs,
          notice: lost?.notice,
        });
  try {
    return await answered(
      options,
      async () => {
        for (;;) {
          try {
            for await (const { pool } of watchPool(options)) {
              if (pool === undefined) continue;
              seen = { pool, atMs: clock.now() };
              lost = undefined;
              if (screen === undefined) {
                screen = new Screen(terminal, draw);
                cancelTick = clock.after(tickMs, tick);
              } else screen.draw();
            }
          } catch (error) {
            const failure = callFailure(error, connection);
            if (signal.aborted || screen === undefined || failure.exitCode !== exitCodes.unavailable) throw error;
            const atMs = lost?.atMs ?? clock.now();
            lost = { notice: `${failure.message}; trying again. The state below is the last one received.`, atMs };
            screen.draw();
          }
          // Unlike a timer of the clock this keeps the program alive, which has no connection now.
          await wait(retryAfterMs, undefined, { signal });
        }
      },
      () => screen?.[Symbol.dispose](),
    );
  } finally {
    cancelTick();
    screen?.[Symbol.dispose]();
  }
}

function getPool({ connection, signal, recentTurnCount }: PoolViewOptions) {
  return createClient(PoolService, connection.transport).getPool({ recentTurnCount }, { signal });
}

function watchPool({ connection, signal, recentTurnCount, minIntervalMs }: PoolViewOptions) {
  const minInterval = minIntervalMs === undefined ? undefined : duration(minIntervalMs);
  return createClient(PoolService, connection.transport).watchPool({ recentTurnCount, minInterval }, { signal });
}

function print(pool: PoolState, { terminal, connection }: PoolViewOptions): void {
  const lines = poolPicture({ pool, url: connection.url, columns: columnsOf(terminal, 100), style: terminal.out });
  terminal.stdout.write(`${lines.join("\n")}\n`);
}

/** Shows something, and tells what it fails with. Leaving is no failure. `before`: what has to be done before that. */
async function answered(
  { terminal, connection, signal }: PoolViewOptions,
  show: () => Promise<void>,
  before = () => {},
): Promise<ExitCode> {
  try {
    await show();
    return exitCodes.ok;
  } catch (error) {
    if (signal.aborted) return exitCodes.ok;
    before();
    const failure = callFailure(error, connection);
    tellFailure(failure, terminal);
    return failure.exitCode;
  }
}
