/**
 * What was seen, as the suite wants it told.
 */
import { createHash } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import type { CallError } from "../../suite/protocol.ts";
import { ClaudeRunnerError, TurnResultSchema } from "../src/node.ts";

/** The largest text that is told as it is, in bytes of UTF-8. */
const maxTextBytes = 64 * 1024;

export function textAnswer(text: string) {
  const bytes = Buffer.from(text, "utf8");
  return {
    textBytes: bytes.length,
    textSha256: createHash("sha256").update(bytes).digest("hex"),
    ...(bytes.length <= maxTextBytes && { text }),
  };
}

/** A failure through the accessors of the client's error type. Any other error is a mistake of the client's. */
export function callError(error: unknown): CallError {
  if (!(error instanceof ClaudeRunnerError)) throw error;
  return {
    type: error.name,
    code: error.codeName,
    reason: error.reasonName,
    message: error.message,
    facts: error.facts,
    ...(error.retryDelayMs !== undefined && { retryDelayMs: error.retryDelayMs }),
    mayRetry: error.mayRetry,
    violations: error.violations,
    ...(error.result !== undefined && { result: toJson(TurnResultSchema, error.result) as object }),
  };
}
