/**
 * A turn that runs: read to its end, and cancelled when the person wants that.
 */
import type { StreamChatResponse } from "../clients/typescript/src/gen/claude/runner/v1/runner_pb.ts";
import { breathe } from "./frames.ts";
import type { Turn, TurnEnd } from "./turn.ts";

export interface RunningTurn {
  /** Reads it to its end. `undefined`: it goes on without this page. */
  end(): Promise<TurnEnd | undefined>;
  cancel(): void;
  /** Lets go of it: one that can go on without its reader does, another one is cancelled. */
  leave(): void;
}

/** So many events are taken in one go; then the browser may handle input, and draw. */
const eventsPerBreath = 200;

/** Takes every event of a stream. `draw` shows what has changed. */
export async function takeAll(events: AsyncIterable<StreamChatResponse>, turn: Turn, draw: () => void): Promise<void> {
  for await (const event of events) {
    turn.apply(event);
    draw();
    if (turn.eventCount % eventsPerBreath === 0) await breathe();
  }
}
