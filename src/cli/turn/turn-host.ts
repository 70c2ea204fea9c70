/**
 * What a turn needs of its worker, and the bounds that it is held to.
 */
import type { Clock } from "../../clock.ts";
import type { Log } from "../../telemetry/log.ts";
import type { CliMessage } from "../protocol/cli-messages.ts";
import type { RequestOptions } from "../protocol/control.ts";
import type { HostPaths } from "../protocol/host-paths.ts";
import type { JsonObject } from "../protocol/json-members.ts";
import type { SilenceBounds } from "./silence-watch.ts";

export interface TurnBounds extends SilenceBounds {
  readonly eventBufferSize: number;
  readonly maxEventsPerTurn: number;
  readonly interruptTimeoutMs: number;
}

export interface TurnHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: HostPaths;
  readonly bounds: TurnBounds;
  /** The cost of all turns before, in millionths of a US dollar. */
  readonly chargedUsdMicros: number;
  /** User lines that the process has taken so far, this turn's included once it has started. */
  takenLineCount(): number;
  request(
    request: { readonly subtype: string; readonly [key: string]: unknown },
    options?: RequestOptions,
  ): Promise<JsonObject>;
  pause(): void;
  resume(): void;
  /** Ends the process at once. */
  kill(why: string): void;
  /** Whether nothing has happened on the process that keeps it from being used again. */
  isClean(): boolean;
}

/** A line that was read for a turn before it was run: of its seeded history. */
export interface EarlierLine {
  readonly message: CliMessage;
  readonly line: string;
}
