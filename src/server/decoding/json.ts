/**
 * A JSON request as a message, or every reason why it is none.
 *
 * Runs on the event loop for small requests and in a thread for large ones (`json-thread.ts`), so it knows no call and
 * throws nothing but data that can be sent: a RunnerError is made of it where the call is.
 */
import { type DescMessage, fromJson, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { RunnerError, type Violation } from "../../runner-error.ts";
import type { RequestBounds } from "./bounds.ts";
import { checkJson } from "./json-check.ts";
import { scanJson } from "./json-scan.ts";

export interface JsonOptions {
  readonly allowUnknownFields: boolean;
  readonly registry: Registry;
  readonly maxViolations: number;
}

export type JsonRequest = { readonly message: Message } | { readonly violations: readonly Violation[] };

/** Throws REQUEST_TOO_LARGE or INVALID_REQUEST where there is no place to name. */
export function readJson(
  desc: DescMessage,
  bytes: Uint8Array,
  bounds: RequestBounds,
  options: JsonOptions,
): JsonRequest {
  const { maxViolations, registry, allowUnknownFields } = options;
  // A message in a list is two deep in JSON.
  const { text, violations } = scanJson(bytes, {
    maxValueCount: bounds.maxFieldCount,
    maxDepth: 2 * bounds.maxDepth,
    maxViolations,
  });
  if (text === undefined) return { violations };
  const json = parsed(text);
  violations.push(...checkJson(desc, json, { ...options, maxViolations: maxViolations - violations.length }));
  if (violations.length > 0) return { violations };
  try {
    return { message: fromJson(desc, json, { registry, ignoreUnknownFields: allowUnknownFields }) };
  } catch (error) {
    throw notReadable(error);
  }
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw notReadable(error);
  }
}

function notReadable(error: unknown): RunnerError {
  const why = error instanceof Error ? error.message : String(error);
  return new RunnerError("INVALID_REQUEST", `the request cannot be read from JSON: ${why}`);
}
