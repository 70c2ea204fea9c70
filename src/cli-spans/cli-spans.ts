/**
 * The spans of Claude Code itself in the traces of turns: the parts of this folder put together.
 *
 * Optional through and through: whatever goes wrong here costs spans, a counter and one line in the log, never a turn.
 */
import { type Clock, systemClock } from "../clock.ts";
import type { Settings } from "../config/settings.ts";
import type { SpanJoiner } from "../span-joiner.ts";
import { attributeNames, cliTracer, instruments } from "../telemetry/instruments.ts";
import type { Log } from "../telemetry/log.ts";
import type { WorkerResource } from "../worker-resource.ts";
import type { DropReason } from "./drop-reason.ts";
import { emit } from "./emit.ts";
import { holdMs, SpanJoin } from "./join.ts";
import { readSpans } from "./otlp.ts";
import { refusals, type SpanReceiver, startReceiver } from "./receiver.ts";
import { spanVariables } from "./variables.ts";

export interface CliSpansOptions {
  readonly settings: Pick<Settings["telemetry"], "cliSpans" | "otlpEndpoint">;
  readonly log: Log;
  readonly clock?: Clock;
  /** Where to listen on loopback. Default 0: any free port. */
  readonly port?: number;
}

/** Each worker has a path of its own for the spans of its process, which goes through `withoutSecrets` unread. */
export interface CliSpans extends SpanJoiner, WorkerResource {
  /** Writes down what is still held, and closes the port. Does not reject; twice is fine. */
  stop(): Promise<void>;
}

/** Traced turns without a single span, from the start on, after which something is wrong with the CLI. */
const silentTurns = 5;

/** What goes wrong at the port; counted from 0 on, since a series that begins at 1 has never risen. */
export const cliSpanFailures = [...refusals, "cannot_listen"] as const;
type Failure = (typeof cliSpanFailures)[number];

/** Drops that somebody should hear of at their first time. */
const oddDrops = ["mismatch", "late", "no_root", "invalid"] as const satisfies readonly DropReason[];

function beginAtZero(): void {
  const { cliSpansJoined, cliSpansDropped, cliSpanFailures: failures, turnsWithoutCliSpans } = instruments();
  cliSpansJoined.add(0);
  turnsWithoutCliSpans.add(0);
  for (const reason of oddDrops) cliSpansDropped.add(0, { [attributeNames.cliSpanDropReason]: reason });
  for (const failure of cliSpanFailures) failures.add(0, { [attributeNames.cliSpanFailure]: failure });
}

/** `undefined` when the setting is off, when spans would go nowhere, and when the port cannot be opened. */
export async function openCliSpans(options: CliSpansOptions): Promise<CliSpans | undefined> {
  const { settings, log, clock = systemClock } = options;
  if (!settings.cliSpans || settings.otlpEndpoint === undefined) return undefined;
  beginAtZero();
  const warned = new Set<string>();
  const warnOnce = (key: string, fields: object, message: string): void => {
    if (warned.has(key)) return;
    warned.add(key);
    log.warn({ ...fields }, message);
  };
  const failed = (failure: Failure): void => {
    instruments().cliSpanFailures.add(1, { [attributeNames.cliSpanFailure]: failure });
  };

  let receiver: SpanReceiver;
  try {
    receiver = await startReceiver({
      refused: (why) => {
        failed(why);
        warnOnce("refused", { why }, "something that is not accepted was sent to the port for Claude Code's spans");
      },
      ...(options.port !== undefined && { port: options.port }),
    });
  } catch (error) {
    failed("cannot_listen");
    log.warn({ err: error }, "the port for Claude Code's spans cannot be opened; traces continue without them");
    return undefined;
  }

  let joinedCount = 0;
  let missedCount = 0;
  const join = new SpanJoin({
    clock,
    emit: (spans) => emit(spans, cliTracer()),
    joined(count) {
      joinedCount += count;
      instruments().cliSpansJoined.add(count);
    },
    dropped(count, why) {
      instruments().cliSpansDropped.add(count, { [attributeNames.cliSpanDropReason]: why });
      if (why === "mismatch") {
        warnOnce(why, { count }, "spans of Claude Code do not fit the turn that they name and are dropped");
      }
    },
    missed() {
      missedCount += 1;
      instruments().turnsWithoutCliSpans.add(1);
      if (joinedCount === 0 && missedCount === silentTurns) {
        warnOnce("silent", { turnCount: missedCount }, "Claude Code sends no spans: this version may not be able to");
      }
    },
  });

  return {
    name: "path for spans",
    async open({ id: workerId, withoutSecrets }) {
      join.openWorker(workerId);
      const path = receiver.open((body) => {
        const read = readSpans(withoutSecrets(body));
        if (read === undefined) return false;
        if (read.invalidCount > 0) {
          instruments().cliSpansDropped.add(read.invalidCount, { [attributeNames.cliSpanDropReason]: "invalid" });
        }
        join.receive(workerId, read.spans);
        return true;
      });
      return {
        variables: spanVariables(path.endpoint),
        close() {
          // What its process sent last may still be on its way.
          clock.after(holdMs, () => {
            path.close();
            join.closeWorker(workerId);
          });
        },
      };
    },
    turnEnded: (turn) => join.turnEnded(turn),
    async stop() {
      await receiver.stop();
      join.stop();
    },
  };
}
