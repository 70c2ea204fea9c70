/**
 * A span as Claude Code made it, as far as it is of use here.
 */

/** What an attribute may hold; lists and the like are on nobody's list. */
export type Scalar = string | number | boolean;

/** One try at a model call. */
export interface Attempt {
  readonly atMs: number;
  /** From 1. Absent: the CLI did not say. */
  readonly number: number | undefined;
}

/** Moments are milliseconds since 1970, with fractions. */
export interface CliSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Only those that `allow-list.ts` takes over. */
  readonly attributes: Readonly<Record<string, Scalar>>;
  readonly attempts: readonly Attempt[];
  readonly hasFailed: boolean;
  /** About what it takes to hold it, in bytes. */
  readonly sizeBytes: number;
}

/** The root of the spans of one user line. */
export function isInteraction({ name, parentSpanId }: CliSpan): boolean {
  return name === "claude_code.interaction" && parentSpanId === "";
}
