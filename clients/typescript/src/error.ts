/**
 * What a call failed with: one type, whatever went wrong.
 *
 * A turn that ends under status OK with an outcome other than COMPLETED, such as a limit, is a result and no error.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason } from "./gen/claude/runner/v1/error_pb.ts";
import { type TurnResult, TurnResultSchema } from "./gen/claude/runner/v1/result_pb.ts";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.ts";
import { readPushback } from "./retry.ts";
import { turnIdHeader } from "./turn-id.ts";

/** The domain of this service's reasons: a proxy in between may have reasons of its own. */
const errorDomain = "claude-runner";

/** A rule that a request broke. */
export interface Violation {
  /** The field, by its path: `limits.max_output_bytes`, `history[2].text`. */
  readonly field: string;
  /** What is wrong with it. */
  readonly description: string;
}

/** How far the call had come. */
interface Progress {
  /** Whether anything of the response had been seen. */
  readonly hasBegun: boolean;
  /** The turn's result, as the stream carried it. */
  readonly result: TurnResult | undefined;
  /** Empty or absent: the server has not said it. */
  readonly turnId?: string;
}

const nothingSeen: Progress = { hasBegun: false, result: undefined };

export class ClaudeRunnerError extends Error {
  override readonly name = "ClaudeRunnerError";
  /** The status code, as Connect numbers it. */
  readonly code: Code;
  /** The status code as gRPC spells it: `UNAVAILABLE`. */
  readonly codeName: string;
  /**
   * Why the call failed. `ErrorReason.UNSPECIFIED` when the server gave no reason (a failure on the way to it), or one
   * that this client does not know: see `reasonName`.
   */
  readonly reason: ErrorReason;
  /** The reason as text, such as `QUEUE_FULL`. Empty when the server gave none. */
  readonly reasonName: string;
  /** The numbers of the message by name, the unit in the name: `waitedMs`. */
  readonly facts: Readonly<Record<string, string>>;
  /** When a further attempt makes sense, in milliseconds. `undefined`: the server did not say. */
  readonly retryDelayMs: number | undefined;
  /** Whether the same request may be sent again: the server had no room for it, and nothing has happened yet. */
  readonly mayRetry: boolean;
  /** Every rule that the request broke; empty for other failures. */
  readonly violations: readonly Violation[];
  /** How the turn ended, when it had begun: what it used and cost, and its stages. */
  readonly result: TurnResult | undefined;
  /** The turn, for `getTurn` and `attach`, if the server had accepted it. Empty when it has not said so. */
  readonly turnId: string;

  private constructor(status: ConnectError, { hasBegun, result, turnId }: Progress) {
    super(status.rawMessage, { cause: status });
    const info = status.findDetails(ErrorInfoSchema).find(({ domain }) => domain === errorDomain);
    const delay = status.findDetails(RetryInfoSchema)[0]?.retryDelay;
    this.code = status.code;
    this.codeName = codeName(status.code);
    this.reasonName = info?.reason ?? "";
    this.reason = reasonOf(this.reasonName);
    this.facts = info?.metadata ?? {};
    this.retryDelayMs = delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
    this.mayRetry = status.code === Code.Unavailable && !hasBegun && readPushback(status.metadata).kind !== "never";
    this.violations = status
      .findDetails(BadRequestSchema)
      .flatMap(({ fieldViolations }) => fieldViolations.map(({ field, description }) => ({ field, description })));
    this.result = result ?? status.findDetails(TurnResultSchema)[0];
    this.turnId = this.facts.turnId || turnId || (status.metadata.get(turnIdHeader) ?? "");
  }

  /** Whatever a call threw as a ClaudeRunnerError; one that is so already stays as it is. */
  static from(error: unknown, progress: Progress = nothingSeen): ClaudeRunnerError {
    if (error instanceof ClaudeRunnerError) return error;
    return new ClaudeRunnerError(ConnectError.from(error), progress);
  }
}

/** `DeadlineExceeded` to `DEADLINE_EXCEEDED`; gRPC writes CANCELLED with two L. */
function codeName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return (Code[code] ?? "Unknown").replace(/(?!^)[A-Z]/g, "_$&").toUpperCase();
}

function reasonOf(name: string): ErrorReason {
  const known: Readonly<Record<string, ErrorReason | undefined>> = ErrorReason;
  return (Object.hasOwn(known, name) ? known[name] : undefined) ?? ErrorReason.UNSPECIFIED;
}
