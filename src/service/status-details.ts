/**
 * The `google.rpc` details of a failing status.
 *
 * All details of one status stay under 4 KiB together, since clients stop at 8 to 16 KiB of trailers, and some of them
 * report something else then. What comes first has its place first.
 */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type TurnResult, TurnResultSchema } from "../../gen/claude/runner/v1/result_pb.ts";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import type { RunnerError } from "../runner-error.ts";
import { clipUtf8 } from "../utf8.ts";
import { duration } from "./protobuf.ts";

export const errorDomain = "claude-runner";

const maxDetailsBytes = 4096;

/** What some reasons carry beside what all do: `QuotaFailure`, `ResourceInfo` of the model, `BadRequest`. */
export type SpecialDetail = "quota" | "model" | "violations";

/** What the details say of the turn that failed. */
export interface DetailFacts {
  readonly turnId?: string;
  readonly lastSequence?: number;
  readonly result: TurnResult | undefined;
  readonly retryAfterMs: number | undefined;
}

export interface StatusDetail {
  readonly desc: DescMessage;
  readonly value: MessageInitShape<DescMessage>;
}

export function errorDetails(
  error: RunnerError,
  { turnId, lastSequence, result, retryAfterMs }: DetailFacts,
  special: readonly SpecialDetail[],
): StatusDetail[] {
  const allowance = new DetailAllowance(maxDetailsBytes);
  const facts: Record<string, string> = {};
  let factBytes = 0;
  for (const [key, value] of Object.entries(error.facts)) {
    const text = clipUtf8(String(value), 200);
    factBytes += key.length + Buffer.byteLength(text);
    if (factBytes < 1500) facts[key] = text;
  }
  if (turnId !== undefined) facts.turnId = turnId;
  if (lastSequence) facts.lastSequence = String(lastSequence);
  if (error.violations.length > 0) facts.violationCount ??= String(error.violations.length);
  if (retryAfterMs !== undefined) facts.retryAfterMs = String(Math.ceil(retryAfterMs));
  allowance.add(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata: facts });

  if (retryAfterMs !== undefined) allowance.add(RetryInfoSchema, { retryDelay: duration(retryAfterMs) });
  if (special.includes("quota")) {
    const subject = clipUtf8(String(error.facts.subject ?? error.reason), 200);
    allowance.add(QuotaFailureSchema, { violations: [{ subject, description: clipUtf8(error.message, 500) }] });
  }
  if (special.includes("model")) {
    allowance.add(ResourceInfoSchema, {
      resourceType: "model",
      resourceName: clipUtf8(String(error.facts.model ?? ""), 200),
    });
  }
  if (result !== undefined) {
    allowance.add(TurnResultSchema, {
      ...result,
      text: "",
      textTruncated: result.textSizeBytes > 0n,
      structuredOutput: undefined,
      structuredOutputJson: "",
      permissionDenials: [],
      refusalExplanation: "",
      error: result.error && { ...result.error, message: clipUtf8(result.error.message, 200) },
    });
  }
  if (special.includes("violations") && error.violations.length > 0) {
    // The first violations that fit; ErrorInfo has the count of all.
    const fieldViolations: { readonly field: string; readonly description: string }[] = [];
    let bytes = anyBytes(BadRequestSchema);
    for (const { field, description } of error.violations) {
      const violation = { field: clipUtf8(field, 200), description: clipUtf8(description, 300) };
      // Elements of a list add up: what one takes alone it takes among others.
      bytes += encodedBytes(BadRequestSchema, { fieldViolations: [violation] });
      if (bytes > allowance.leftBytes) break;
      fieldViolations.push(violation);
    }
    allowance.add(BadRequestSchema, { fieldViolations });
  }
  return allowance.details;
}

/** Collects details as long as they fit. */
class DetailAllowance {
  readonly details: StatusDetail[] = [];
  #leftBytes: number;
  constructor(bytes: number) {
    this.#leftBytes = bytes;
  }
  get leftBytes(): number {
    return this.#leftBytes;
  }
  add<D extends DescMessage>(desc: D, value: MessageInitShape<D>): void {
    const bytes = anyBytes(desc) + encodedBytes(desc, value);
    if (bytes > this.#leftBytes) return;
    this.#leftBytes -= bytes;
    this.details.push({ desc, value: value as MessageInitShape<DescMessage> });
  }
}

function encodedBytes<D extends DescMessage>(desc: D, value: MessageInitShape<D>): number {
  return toBinary(desc, create(desc, value)).length;
}

/** What the Any around a detail takes at most: the type's name and the framing. */
function anyBytes(desc: DescMessage): number {
  return desc.typeName.length + 32;
}
