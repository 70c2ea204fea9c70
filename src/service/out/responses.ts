/**
 * The response that a turn's stream carries and its `event`, as what protobuf-es takes for them.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamChatResponseSchema } from "../../../gen/claude/runner/v1/runner_pb.ts";

export type Response = MessageInitShape<typeof StreamChatResponseSchema>;

/** The `event` of a response. */
export type Event = NonNullable<Response["event"]>;

/** Slices as events; those of something whole carry no `part`. */
export function parts(
  slices: readonly string[],
  make: (slice: string, part: { part?: { index: number; count: number } }) => Event,
): Event[] {
  const count = slices.length;
  return slices.map((slice, index) => make(slice, count === 1 ? {} : { part: { index, count } }));
}
